"""Image and text towers on transformers, and their projections into the shared space.

    pixels (B, 1, H, W) --backbone--> feature maps --project--> regions (B, R, D), global (B, D)
    tokens (B, T)  --BERT-like--> hidden states --average tokens, project--> words, global

Shape letters: B = studies, R = h * w regions, T = tokens, W = words, D = embedding,
C = channels of the image tower.

Any `AutoBackbone` (ResNet, ConvNeXt, Swin, DINO, ...) or ViT-like `AutoModel` is an image tower;
any BERT-like `AutoModel` is a text tower. Nothing runs remote code.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import PretrainedConfig

from reclf.config import ModelConfig
from reclf.data.batch import rounded_up
from reclf.data.region_grid import MIDDLE

from .memo import Memo
from .receptive_field import receptive_field_center
from .tiles import indices


class ImageFeatures(NamedTuple):
    global_embedding: Tensor  # (B, D), not normalized
    regions: Tensor  # (B, R, D), row by row from the top left
    pooled: Tensor  # (B, C) before projection: what a linear probe reads
    grid: tuple[int, int]  # (h, w), R = h * w

    def in_one_type(self) -> "ImageFeatures":
        """These features with the regions, which may be kept in half precision, as the others."""
        return self._replace(regions=self.regions.to(self.global_embedding.dtype))


class TextFeatures(NamedTuple):
    global_embedding: Tensor  # (B, D)
    words: Tensor  # (B, W, D), rows of padding are zero
    word_mask: Tensor  # bool (B, W)
    sentences: Tensor  # int64 (B, W), the sentence of each word


class ImageEncoder(nn.Module):
    """Radiographs to a global vector and region vectors.

    `region_map` is an identity that sees the projected map (B, D, h, w) for every backbone, so that
    attribution methods have one place to hook.
    """

    def __init__(self, config: ModelConfig, tower: Any):
        super().__init__()
        self.config = config
        self.tower = tower
        self.is_backbone = hasattr(tower, "channels") or "Backbone" in type(tower).__name__
        self.memory_format = _memory_format(tower) if self.is_backbone else torch.preserve_format
        if self.is_backbone:
            tower.to(memory_format=self.memory_format)
        region_channels, channels = self._channels()
        self.grid = config.pooling_grid if config.image_pooling == "grid" else 0
        if self.grid:
            region_channels = channels = region_channels * self.grid**2
        self.channels = channels
        self.project_regions = nn.Linear(region_channels, config.embed_dim)
        self.project_whole = nn.Linear(channels, config.embed_dim)
        self.place = nn.Linear(PLACE_DIM, config.embed_dim) if config.region_position else None
        self.pool = AttentionPooling(channels) if config.image_pooling == "attention" else None
        self.region_map = nn.Identity()
        self.memo: Memo | None = None  # of a frozen tower, while training

    def _channels(self) -> tuple[int, int]:
        if self.is_backbone:
            return self.tower.channels[0], self.tower.channels[-1]
        return self.tower.config.hidden_size, self.tower.config.hidden_size

    @property
    def regions_are_pooled(self) -> bool:
        """Whether regions and pooled vector are of one map, so that one projection fits both."""
        return bool(self.grid) or not self.is_backbone or len(self.tower.channels) == 1

    def feature_maps(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Maps (B, C', h, w) of the region stage and (B, C, h', w') of the last stage; with a grid
        of regions, it twice."""
        if self.memo is None:
            return self._run_tower(pixels)
        maps = self.memo(self._run_tower, list(pixels))
        return torch.stack([region for region, _ in maps]), torch.stack([last for _, last in maps])

    def _run_tower(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        maps = self._maps(pixels)
        if not self.grid:
            return maps
        regions = F.adaptive_avg_pool2d(maps[0], self.grid)
        return regions, regions

    def _maps(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        pixels = (pixels - self.config.image_mean) / self.config.image_std
        pixels = pixels.expand(-1, getattr(self.tower.config, "num_channels", 3), -1, -1)
        if self.is_backbone:
            maps = self.tower(pixels.contiguous(memory_format=self.memory_format)).feature_maps
            return maps[0], maps[-1]
        tokens = self.tower(pixels, interpolate_pos_encoding=True).last_hidden_state
        height, width = (side // self.tower.config.patch_size for side in pixels.shape[2:])
        patches = tokens[:, -height * width :].mT.unflatten(2, (height, width))
        return patches, patches

    def forward(self, pixels: Tensor) -> ImageFeatures:
        """Encode radiographs (B, 1, H, W) with values in [0, 1].

        Raises:
            ValueError: if the shape is not that of one-channel images.
        """
        if pixels.ndim != 4 or pixels.shape[1] != 1:
            raise ValueError(f"pixels must be (B, 1, H, W) in [0, 1], got {tuple(pixels.shape)}")
        region_map, last_map = self.feature_maps(pixels)
        height, width = region_map.shape[2:]
        if self.grid:
            pooled, regions = region_map.flatten(1), self._own_projections(region_map.flatten(2))
        else:
            pooled = self.pool(last_map) if self.pool is not None else last_map.mean((2, 3))
            regions = self.project_regions(region_map.flatten(2).mT)  # (B, R, D)
        if self.place is not None:
            regions = regions + self.place(place_code(height, width, regions))
        regions = self.region_map(regions.mT.unflatten(2, (height, width))).flatten(2).mT
        return ImageFeatures(self.project_whole(pooled), regions, pooled, (height, width))

    def _own_projections(self, places: Tensor) -> Tensor:
        """Regions (B, R, D) of a map (B, C, R), each projected by its own part of
        `project_regions`: their mean is what the whole layer makes of the whole map."""
        count = places.shape[2]
        own = self.project_regions.weight.unflatten(1, (-1, count))  # (D, C, R)
        return torch.einsum("bcr,dcr->brd", places, own) * count + self.project_regions.bias

    def center(self, size: int, regions: int) -> float:
        """Where in its block of pixels a region is centered, of so many on a side of the image.

        0.5 is the middle; for a ResNet it is near the corner (`reclf.models.receptive_field`).
        """
        if not self.grid:
            return receptive_field_center(self.feature_maps, self.tower, size, regions)
        blank = torch.zeros(1, 1, size, size, device=self.project_whole.weight.device)
        with torch.no_grad():
            side = self._maps(blank)[0].shape[-1]
        joined = side // self.grid  # on a side, into one region
        if side % self.grid or not joined:
            return MIDDLE
        first = receptive_field_center(self._maps, self.tower, size, side)
        return (first + (joined - 1) / 2) / joined

    def train(self, mode: bool = True):
        super().train(mode)
        if self.config.image_tower.freeze:
            self.tower.eval()
        return self


def _memory_format(tower: nn.Module) -> torch.memory_format:
    """Channels last, which is faster on CPUs and GPUs, where oneDNN's backward pass is sound.

    With fewer than 16 channels into a 1 x 1 convolution with stride it writes past its buffer
    (github.com/uxlfoundation/oneDNN/issues/6035; seen with AVX-512).
    """
    narrow = False
    for part in tower.modules():
        if isinstance(part, nn.Conv2d) and part.kernel_size == (1, 1) != part.stride:
            narrow |= part.in_channels < 16
    return torch.contiguous_format if narrow else torch.channels_last


PLACE_WAVES = 4
PLACE_DIM = 4 * PLACE_WAVES  # sine and cosine of each wave, down and across


def place_code(height: int, width: int, like: Tensor) -> Tensor:
    """Sine code (h * w, PLACE_DIM) of the region centers in [0, 1]^2, for any size of the grid.

    A convolution cannot tell the left lung from the right one but through its zero padding, and
    reports speak of sides and zones.
    """
    y = (torch.arange(height, device=like.device, dtype=torch.float32) + 0.5) / height
    x = (torch.arange(width, device=like.device, dtype=torch.float32) + 0.5) / width
    waves = torch.pi * 2.0 ** torch.arange(PLACE_WAVES, device=like.device)
    grid = torch.stack(torch.meshgrid(y, x, indexing="ij"), -1).flatten(0, 1)  # (R, 2)
    angles = (grid[..., None] * waves).flatten(1)  # (R, 2 * PLACE_WAVES)
    return torch.cat([angles.sin(), angles.cos()], 1).to(like.dtype)


class AttentionPooling(nn.Module):
    """One learned query over the places of a feature map, each with its position (ours).

    The plain mean forgets where a feature was; this one may weigh it by place.
    """

    def __init__(self, channels: int, heads: int = 4):
        super().__init__()
        self.heads = heads
        self.place = nn.Linear(PLACE_DIM, channels)
        self.score = nn.Linear(channels, heads)
        self.value = nn.Linear(channels, channels)

    def forward(self, feature_map: Tensor) -> Tensor:
        places = feature_map.flatten(2).mT  # (B, R, C)
        height, width = feature_map.shape[2:]
        places = places + self.place(place_code(height, width, places))
        weights = self.score(places).softmax(1)  # (B, R, heads)
        values = self.value(places).unflatten(2, (self.heads, -1))
        return torch.einsum("brh,brhc->bhc", weights, values).flatten(1)


class TextEncoder(nn.Module):
    """Reports to a global vector and word vectors (tokens averaged into words).

    `word_source` says where the words of the local-matchings come from. A small encoder trained
    from scratch mixes the report into each of its contextual words, so that all attend to the same
    place; context-free embeddings do not (LOG.md). Those of BERT and its kind know where in the
    report their tokens stand; with "token" words know their tokens alone.
    """

    def __init__(self, config: ModelConfig, tower: Any):
        super().__init__()
        self.config = config
        self.tower = tower
        # Not used, and its untrained weights would wait for gradients that never come.
        if getattr(tower, "pooler", None) is not None:
            tower.pooler = None
        width = tower.config.hidden_size
        self.project_words = nn.Linear(width, config.embed_dim)
        self.project_whole = nn.Linear(width, config.embed_dim)
        self.memo: Memo | None = None  # of a frozen tower, while training
        self.chunks = 1  # of a batch, see `train.text_chunks`

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        word_ids: Tensor,
        word_mask: Tensor,
        sentences: Tensor,
        lengths: Tensor | None = None,
    ) -> TextFeatures:
        """Encode reports.

        Args:
            input_ids: (B, T).
            attention_mask: (B, T), 1 for tokens.
            word_ids: (B, T), the word each token belongs to; -1 for special and padding tokens.
            word_mask: bool (B, W).
            sentences: int64 (B, W), passed on to the aggregator.
            lengths: int64 (B,) on the CPU, tokens of each report, where they are known.
        """
        tokens, whole = self.read_tokens(input_ids, attention_mask, lengths)
        words = average_tokens(tokens, word_ids, word_mask)
        words = self.project_words(words) * word_mask[..., None]
        return TextFeatures(self.project_whole(whole), words, word_mask, sentences)

    @property
    def words_repeat(self) -> bool:
        """Whether a word (at one place, with "embedding") has one vector in all reports: it is
        context-free, and no dropout draws anew."""
        config, source = self.tower.config.to_dict(), self.config.word_source
        drops = self.tower.training and any(config[name] for name in config if "drop" in name)
        return source == "token" or (source == "embedding" and not drops)

    def read_tokens(
        self, input_ids: Tensor, attention_mask: Tensor, lengths: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Vectors of the tokens (B, T, H), and of the whole text (B, H)."""
        if self.memo is None and self.chunks > 1 and lengths is not None:
            return self._by_length(input_ids, attention_mask, lengths)
        if self.memo is None:
            return self._run_tower(input_ids, attention_mask)
        alone = [ids[: int(n)] for ids, n in zip(input_ids, attention_mask.sum(1), strict=True)]
        parts = self.memo(lambda ids: self._run_tower(ids, torch.ones_like(ids)), alone)
        tokens = pad_sequence([part for part, _ in parts], batch_first=True)
        tokens = F.pad(tokens, (0, 0, 0, input_ids.shape[1] - tokens.shape[1]))
        return tokens, torch.stack([part for _, part in parts])

    def _by_length(self, ids: Tensor, mask: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """`_run_tower` on `chunks` parts of the batch, from short to long texts, each as wide as
        its longest; vectors of the padding that this saves are zero."""
        order, parts = lengths.argsort(stable=True), []
        for rows in order.tensor_split(min(self.chunks, len(order))):
            width, some = rounded_up(int(lengths[rows].max())), indices(rows, ids.device)
            tokens, whole = self._run_tower(ids[some, :width], mask[some, :width])
            parts.append((F.pad(tokens, (0, 0, 0, ids.shape[1] - tokens.shape[1])), whole))
        back = indices(order.argsort(), ids.device)
        tokens, whole = (torch.cat(some)[back] for some in zip(*parts, strict=True))
        return tokens, whole

    def _run_tower(self, input_ids: Tensor, attention_mask: Tensor) -> tuple[Tensor, Tensor]:
        with _attention_kernel(self.tower.config, input_ids.device):
            hidden = self.tower(
                input_ids=input_ids,
                attention_mask=masked_without_waiting(self.tower.config, attention_mask),
                output_hidden_states=True,
            ).hidden_states
        # Special tokens take part in the mean, so that a report without words has a vector too.
        mask = attention_mask[..., None].to(hidden[-1].dtype)
        whole = (hidden[-1] * mask).sum(1) / mask.sum(1)
        if self.config.word_source == "token":  # at a length at which a projection can start
            tokens = self.tower.get_input_embeddings()(input_ids)
            return F.layer_norm(tokens, tokens.shape[-1:]), whole
        if self.config.word_source == "embedding":
            return hidden[0], whole
        if self.config.word_source == "last":
            return hidden[-1], whole
        return torch.stack(hidden[-4:]).sum(0), whole

    def train(self, mode: bool = True):
        super().train(mode)
        if self.config.text_tower.freeze:
            self.tower.eval()
        return self


@contextmanager
def _attention_kernel(config: PretrainedConfig, device: torch.device) -> Iterator[None]:
    """On a CPU under autocast, attention as plain products: the fused kernel is slower there.

    A small tower as a whole takes half of the time, and four fifths of what it takes with torch's
    own plain products, which copy bfloat16 to float32 and back.
    """
    before = config._attn_implementation
    if device.type == "cpu" and torch.is_autocast_enabled("cpu"):
        config._attn_implementation = "eager"
    try:
        yield
    finally:
        config._attn_implementation = before


def masked_without_waiting(config: PretrainedConfig, attention_mask: Tensor) -> Tensor:
    """The mask of tokens (B, T) as BERT takes it without asking a GPU whether all are True.

    transformers hands a mask of four axes on as it is, which only a fused attention reads as bool;
    a tower that looks at neighbors only would see all.
    """
    if attention_mask.device.type == "cpu" or config.model_type != "bert":
        return attention_mask
    if config._attn_implementation != "sdpa":
        return attention_mask
    return attention_mask[:, None, None].bool()


def average_tokens(tokens: Tensor, word_ids: Tensor, word_mask: Tensor) -> Tensor:
    """Mean of the tokens (B, T, H) of each word: (B, W, H), zeros where there is no word."""
    words = torch.arange(word_mask.shape[1], device=word_ids.device)
    belongs = (word_ids[:, None, :] == words[:, None]).to(tokens.dtype)  # (B, W, T)
    return belongs @ tokens / belongs.sum(-1, keepdim=True).clamp_min(1)
