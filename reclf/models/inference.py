"""Encode and score many studies in bounded memory, in eval mode.

studies -> image features (n), text features (n) -> scores of all pairs (n, n)

Encoders compute as in training, in bfloat16 on a GPU that has instructions for it; features and
scores are float32, but for the regions of a large gallery.
"""

from collections.abc import Iterable, Iterator, Sequence, Sized

import torch
import torch.nn.functional as F

from reclf.data.collate import Collate
from reclf.data.study import Study
from reclf.runs.device import choose_precision
from reclf.runs.progress import track

from .encoders import ImageFeatures, TextFeatures
from .reclf import RECLF, Scores

# Regions of a gallery above this size are kept as float16: 20,000 images of 196 regions and 256
# numbers are 4 GB otherwise.
HALF_ABOVE = 2**30  # bytes, as float32


def collate_for(model: RECLF) -> Collate:
    """The collate function of a model; it needs the model's tokenizer."""
    if model.tokenizer is None:
        raise ValueError("this model has no tokenizer; give one to RECLF(config, tokenizer)")
    config = model.config
    return Collate(model.tokenizer, config.max_words, config.max_tokens, config.word_source)


def encoder_precision(device: torch.device) -> str:
    """ "bfloat16" or "float32": what encoders compute in on this device."""
    low = device.type == "cuda" and choose_precision("auto", on_cpu=False) == "bf16"
    return "bfloat16" if low else "float32"


def autocast(device: torch.device) -> torch.autocast:
    """A context in which encoders compute in `encoder_precision`."""
    low = encoder_precision(device) == "bfloat16"
    return torch.autocast(device.type, torch.bfloat16, enabled=low)


@torch.no_grad()
def encode_pixels(model: RECLF, pixels: torch.Tensor) -> ImageFeatures:
    """Image features, float32, of pixels (B, 1, H, W), on the model's device and in eval mode."""
    with autocast(model.device):
        features = model.eval().encode_images(pixels.to(model.device))
    global_embeddings, regions, pooled = (part.float() for part in features[:3])
    return ImageFeatures(global_embeddings, regions, pooled, features.grid)


def encode_images(
    model: RECLF, studies: Iterable[Study], batch_size: int = 64, progress: str = ""
) -> ImageFeatures:
    """Image features of all studies, on the CPU.

    Args:
        studies: anything that yields studies, rendered or read one by one.
        progress: title of a progress bar; empty shows none.

    Returns:
        float32; the regions float16 where they would be larger than HALF_ABOVE. What scores them
        computes in float32.
    """
    parts: list[list[torch.Tensor]] = []
    kept = torch.float32
    for chunk in chunks(track(studies, progress), batch_size):
        features = encode_pixels(model, stack_images(chunk))
        if not parts and isinstance(studies, Sized):
            size = len(studies) * features.regions[0].numel() * kept.itemsize
            kept = torch.float16 if size > HALF_ABOVE else kept
        regions = features.regions.to(kept)
        parts.append([part.cpu() for part in (features.global_embedding, regions, features.pooled)])
    global_embeddings, regions, pooled = (torch.cat(part) for part in zip(*parts, strict=True))
    return ImageFeatures(global_embeddings, regions, pooled, features.grid)


def take_images(
    images: ImageFeatures, chosen: torch.Tensor | slice, device: torch.device
) -> ImageFeatures:
    """Features of some of the images, on a device."""
    global_embeddings, regions, pooled = (part[chosen].to(device) for part in images[:3])
    return ImageFeatures(global_embeddings, regions, pooled, images.grid)


def stack_images(studies: Sequence[Study]) -> torch.Tensor:
    """Images of studies as float32 (B, 1, H, W)."""
    return torch.stack([torch.as_tensor(study.image) for study in studies])[:, None].float()


@torch.no_grad()
def encode_texts(model: RECLF, reports: Sequence[str], batch_size: int = 64) -> TextFeatures:
    """Text features of all reports, padded to the longest, on the CPU.

    Reports of like length are encoded together, so that the tower computes little padding.
    """
    model.eval()
    collate = collate_for(model)
    order = sorted(range(len(reports)), key=lambda row: len(reports[row]))
    parts = []
    for start in range(0, len(reports), batch_size):
        some = [reports[row] for row in order[start : start + batch_size]]
        batch = collate.texts(some).to(model.device)
        with autocast(model.device):
            features = model.encode_reports(batch)
        parts.append([p.float().cpu() if p.is_floating_point() else p.cpu() for p in features])
    global_embeddings, *by_word = zip(*parts, strict=True)
    longest = max(words.shape[1] for words in by_word[0])
    padded = (
        torch.cat([F.pad(p, (0, 0) * (p.ndim - 2) + (0, longest - p.shape[1])) for p in some])
        for some in by_word
    )
    back = torch.tensor(order).argsort()
    return TextFeatures(*(part[back] for part in (torch.cat(global_embeddings), *padded)))


@torch.no_grad()
def score_all(
    model: RECLF,
    images: ImageFeatures,
    texts: TextFeatures,
    image_chunk: int = 64,
    progress: str = "",
) -> Scores:
    """Scores of all images with all reports in bounded memory: float32 (A, B) on the CPU."""
    model.eval()
    texts = TextFeatures(*(part.to(model.device) for part in texts))
    counts = texts.word_mask.sum(1).tolist()
    rows = []
    starts = range(0, len(images.global_embedding), image_chunk)
    for start in track(starts, progress):
        chunk = slice(start, start + image_chunk)
        scores = model.score(take_images(images, chunk, model.device), texts, word_counts=counts)
        rows.append([None if part is None else part.float().cpu() for part in scores])
    global_embeddings, local, both = zip(*rows, strict=True)
    return Scores(
        torch.cat(global_embeddings),
        None if local[0] is None else torch.cat(local),
        torch.cat(both),
    )


def chunks(studies: Iterable[Study], size: int) -> Iterator[list[Study]]:
    """Lists of `size` studies; the last may be shorter."""
    chunk: list[Study] = []
    for study in studies:
        chunk.append(study)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
