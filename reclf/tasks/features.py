"""Encode studies once; everything after that is matrix work on features.

studies --model, in eval mode and float32--> image features (n), text features (n)
"""

from collections.abc import Iterable, Sequence

import torch
from tqdm.auto import tqdm

from ..batches import Collate, Study
from ..encoders import ImageFeatures, TextFeatures
from ..model import RECLF, Scores


def collate_for(model: RECLF) -> Collate:
    """The collate function of a model; it needs the model's tokenizer."""
    if model.tokenizer is None:
        raise ValueError("this model has no tokenizer; give one to RECLF(config, tokenizer)")
    return Collate(model.tokenizer, model.config.max_words, model.config.max_tokens)


@torch.no_grad()
def encode_images(
    model: RECLF, studies: Iterable[Study], batch_size: int = 64, progress: str = ""
) -> ImageFeatures:
    """Image features of all studies, on the CPU.

    Args:
        studies: anything that yields studies, rendered or read one by one.
        progress: title of a progress bar; empty shows none.
    """
    model.eval()
    parts = []
    for chunk in _chunks(tqdm(studies, desc=progress, disable=not progress), batch_size):
        pixels = torch.stack([torch.as_tensor(study.image) for study in chunk])[:, None].float()
        features = model.encode_images(pixels.to(model.device))
        parts.append([part.cpu() for part in features[:3]])
    whole, regions, pooled = (torch.cat(part) for part in zip(*parts, strict=True))
    return ImageFeatures(whole, regions, pooled, features.grid)


@torch.no_grad()
def encode_texts(model: RECLF, reports: Sequence[str], batch_size: int = 64) -> TextFeatures:
    """Text features of all reports, padded to the longest, on the CPU."""
    model.eval()
    collate = collate_for(model)
    parts = []
    for start in range(0, len(reports), batch_size):
        batch = collate.texts(list(reports[start : start + batch_size])).to(model.device)
        parts.append([part.cpu() for part in model.encode_reports(batch)])
    longest = max(mask.shape[1] for _, _, mask in parts)
    return TextFeatures(
        whole=torch.cat([whole for whole, _, _ in parts]),
        words=torch.cat([_pad_words(words, longest) for _, words, _ in parts]),
        word_mask=torch.cat([_pad_words(mask, longest) for _, _, mask in parts]),
    )


@torch.no_grad()
def score_all(
    model: RECLF, images: ImageFeatures, texts: TextFeatures, image_chunk: int = 64
) -> Scores:
    """Scores of all images with all reports in bounded memory: float32 (A, B) on the CPU."""
    model.eval()
    texts = TextFeatures(*(part.to(model.device) for part in texts))
    rows = []
    for start in range(0, len(images.whole), image_chunk):
        chunk = [part[start : start + image_chunk].to(model.device) for part in images[:3]]
        scores = model.score(ImageFeatures(*chunk, images.grid), texts, pair_chunk=8)
        rows.append([None if part is None else part.float().cpu() for part in scores])
    whole, local, both = zip(*rows, strict=True)
    return Scores(torch.cat(whole), None if local[0] is None else torch.cat(local), torch.cat(both))


def _pad_words(tensor: torch.Tensor, length: int) -> torch.Tensor:
    padded = tensor.new_zeros(tensor.shape[0], length, *tensor.shape[2:])
    padded[:, : tensor.shape[1]] = tensor
    return padded


def _chunks(studies: Iterable[Study], size: int) -> Iterable[list[Study]]:
    chunk: list[Study] = []
    for study in studies:
        chunk.append(study)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
