"""Towers and projections: against bare transformers, grids by place, words from tokens."""

import math

import pytest
import torch
from torch import nn
from transformers import (
    AutoBackbone,
    AutoModel,
    BertConfig,
    BertForMaskedLM,
    ModernBertConfig,
    ResNetConfig,
    ResNetForImageClassification,
    ViTConfig,
    ViTModel,
)
from transformers.modeling_outputs import BackboneOutput

from reclf.config import WORD_SOURCES, TowerConfig
from reclf.models.encoders import (
    AttentionPooling,
    ImageEncoder,
    TextEncoder,
    average_tokens,
    masked_without_waiting,
    place_code,
)
from reclf.models.reclf import RECLF
from reclf.models.towers import build_tower

IMAGES = ("resnet", "vit")


def image_encoder(config) -> ImageEncoder:
    tower = build_tower(config.image_tower, "image", config.region_stage)
    return ImageEncoder(config, tower).eval()


def text_encoder(config) -> TextEncoder:
    return TextEncoder(config, build_tower(config.text_tower, "text")).eval()


def encode_text(encoder, batch):
    return encoder(
        batch.input_ids, batch.attention_mask, batch.word_ids, batch.word_mask, batch.sentences
    )


def test_resnet_maps_are_those_of_transformers(tiny, batch):
    encoder = image_encoder(tiny("resnet", image_mean=0.4, image_std=0.2))
    plain = AutoBackbone.from_config(ResNetConfig(**encoder.tower.config.to_dict())).eval()
    plain.load_state_dict(encoder.tower.state_dict())
    maps = plain((batch.pixels - 0.4) / 0.2).feature_maps
    regions, last = encoder.feature_maps(batch.pixels)
    assert regions.shape == (4, 24, 4, 4)  # stage 3
    assert last.shape == (4, 32, 2, 2)
    torch.testing.assert_close(regions, maps[0])
    torch.testing.assert_close(last, maps[1])


@pytest.mark.parametrize(("stage", "channels", "side"), [(1, 8, 16), (2, 16, 8), (4, 32, 2)])
def test_region_stage(tiny, batch, stage, channels, side):
    regions, last = image_encoder(tiny("resnet", region_stage=stage)).feature_maps(batch.pixels)
    assert regions.shape == (4, channels, side, side)
    assert last.shape == (4, 32, 2, 2)


def test_vit_maps_are_the_patches_of_transformers(tiny, batch):
    encoder = image_encoder(tiny("vit"))
    plain = AutoModel.from_config(encoder.tower.config).eval()
    plain.load_state_dict(encoder.tower.state_dict())
    tokens = plain((batch.pixels - 0.5) / 0.25).last_hidden_state  # (B, 1 + 16, 12)
    regions, _ = encoder.feature_maps(batch.pixels)
    assert tokens.shape[1] == 17
    for y in range(4):
        for x in range(4):
            torch.testing.assert_close(regions[:, :, y, x], tokens[:, 1 + 4 * y + x])


class BlockMeans(nn.Module):
    """A stub of a backbone: its only map holds the means of blocks of 16 x 16 pixels."""

    channels = (1,)
    config = ResNetConfig(num_channels=1)

    def forward(self, pixels):
        return BackboneOutput(feature_maps=(nn.functional.avg_pool2d(pixels, 16),))


@torch.no_grad()
def test_regions_of_a_backbone_are_row_by_row_from_the_top_left(tiny):
    config = tiny(region_position=False, image_mean=0.0, image_std=1.0, embed_dim=1)
    encoder = ImageEncoder(config, BlockMeans())
    encoder.project_regions.weight.fill_(1.0)
    encoder.project_regions.bias.zero_()
    pixels = torch.rand(2, 1, 48, 80)
    features = encoder(pixels)
    assert features.grid == (3, 5)
    for r in range(15):
        y, x = 16 * (r // 5), 16 * (r % 5)
        expected = pixels[:, :, y : y + 16, x : x + 16].mean((2, 3))
        torch.testing.assert_close(features.regions[:, r], expected)


@pytest.mark.parametrize("shape", [(64, 64), (64, 96)], ids=["square", "wide"])
@torch.no_grad()
def test_regions_of_a_vit_are_row_by_row_from_the_top_left(tiny, shape):
    encoder = image_encoder(tiny("vit"))
    pixels = torch.rand(1, 1, *shape)
    plain = encoder(pixels)
    rows, columns = plain.grid
    assert (rows, columns) == (4, shape[1] // 16)
    assert plain.regions.shape == (1, rows * columns, 6)
    for y, x in [(0, 0), (0, columns - 1), (rows - 1, 0), (rows - 1, columns - 1), (1, 2)]:
        changed = pixels.clone()
        changed[..., 16 * y : 16 * y + 16, 16 * x : 16 * x + 16] = torch.rand(16, 16) + 3
        moved = (encoder(changed).regions - plain.regions).norm(dim=-1)[0]
        assert moved.argmax().item() == y * columns + x


@pytest.mark.parametrize("image", IMAGES)
@torch.no_grad()
def test_image_features(tiny, batch, image):
    encoder = image_encoder(tiny(image))
    features = encoder(batch.pixels)
    regions, last = encoder.feature_maps(batch.pixels)
    pooled = last.mean((2, 3))
    torch.testing.assert_close(features.pooled, pooled)
    torch.testing.assert_close(features.global_embedding, encoder.project_whole(pooled))
    code = place_code(4, 4, regions)
    for r in range(16):
        expected = encoder.project_regions(regions[:, :, r // 4, r % 4]) + encoder.place(code[r])
        torch.testing.assert_close(features.regions[:, r], expected)


@torch.no_grad()
def test_regions_without_place(tiny, batch):
    encoder = image_encoder(tiny(region_position=False))
    regions, _ = encoder.feature_maps(batch.pixels)
    torch.testing.assert_close(
        encoder(batch.pixels).regions, encoder.project_regions(regions.flatten(2).mT)
    )
    assert encoder.place is None


@pytest.mark.parametrize("image", IMAGES)
def test_region_map_is_the_place_to_hook(tiny, batch, image):
    encoder, seen = image_encoder(tiny(image)), []
    handle = encoder.region_map.register_forward_hook(lambda *hooked: seen.append(hooked[2]))
    features = encoder(batch.pixels)
    handle.remove()
    assert torch.equal(seen[0].flatten(2).mT, features.regions)
    features.regions.sum().backward()  # the map is on the way, not beside it
    assert seen[0].shape == (4, 6, 4, 4)


def test_images_do_not_see_each_other(tiny, batch):
    for image in IMAGES:
        encoder = image_encoder(tiny(image, image_pooling="attention"))
        together, alone = encoder(batch.pixels), encoder(batch.pixels[2:3])
        torch.testing.assert_close(together.regions[2:3], alone.regions)
        torch.testing.assert_close(together.global_embedding[2:3], alone.global_embedding)


def test_one_channel_is_shown_to_a_three_channel_tower(tiny, towers, batch):
    config = tiny()
    config.image_tower.config["num_channels"] = 3
    encoder = image_encoder(config)
    grey = (batch.pixels - 0.5) / 0.25
    maps = encoder.tower(torch.cat([grey, grey, grey], 1)).feature_maps
    torch.testing.assert_close(encoder.feature_maps(batch.pixels)[1], maps[-1])


@pytest.mark.parametrize("shape", [(2, 3, 64, 64), (2, 64, 64)])
def test_pixels_must_be_one_channel(tiny, shape):
    with pytest.raises(ValueError, match=r"pixels must be \(B, 1, H, W\) in \[0, 1\], got \(2, "):
        image_encoder(tiny())(torch.zeros(shape))


def test_place_code_by_hand():
    code = place_code(2, 3, torch.zeros(1))
    assert code.shape == (6, 16)
    assert len({tuple(row.tolist()) for row in code}) == 6
    # Cell (1, 0): y = 3/4, x = 1/6; waves pi, 2 pi, 4 pi, 8 pi down, then across.
    angles = [math.pi * wave * place for place in (3 / 4, 1 / 6) for wave in (1, 2, 4, 8)]
    expected = [*map(math.sin, angles), *map(math.cos, angles)]
    torch.testing.assert_close(code[3], torch.tensor(expected), atol=1e-5, rtol=0)
    assert place_code(2, 3, torch.zeros(1, dtype=torch.bfloat16)).dtype == torch.bfloat16


def test_attention_pooling_against_a_loop():
    pool = AttentionPooling(8, heads=2)
    maps = torch.randn(3, 8, 2, 5)
    pooled, code = pool(maps), place_code(2, 5, maps)
    for b in range(3):
        places = [maps[b, :, r // 5, r % 5] + pool.place(code[r]) for r in range(10)]
        for head in range(2):
            weights = torch.softmax(torch.stack([pool.score(p)[head] for p in places]), 0)
            own = slice(4 * head, 4 * head + 4)
            expected = sum(w * pool.value(p)[own] for w, p in zip(weights, places, strict=True))
            torch.testing.assert_close(pooled[b, own], expected)


def test_pieces_are_averaged_by_hand():
    tokens = torch.tensor([[[9.0, 9.0], [1.0, 2.0], [3.0, 6.0], [5.0, 7.0], [9.0, 9.0]]])
    word_ids = torch.tensor([[-1, 0, 0, 1, -1]])
    words = average_tokens(tokens, word_ids, torch.tensor([[True, True, False]]))
    torch.testing.assert_close(words, torch.tensor([[[2.0, 4.0], [5.0, 7.0], [0.0, 0.0]]]))


@pytest.mark.parametrize("source", WORD_SOURCES)
@torch.no_grad()
def test_words_against_bare_bert(tiny, batch, source):
    encoder = text_encoder(tiny(word_source=source))
    plain = AutoModel.from_config(BertConfig(**encoder.tower.config.to_dict())).eval()
    plain.load_state_dict(encoder.tower.state_dict(), strict=False)  # but the pooler
    features = encode_text(encoder, batch)
    for b, count in enumerate([3, 0, 5, 1]):
        length = int(batch.attention_mask[b].sum())
        hidden = plain(batch.input_ids[b : b + 1, :length], output_hidden_states=True).hidden_states
        whole = encoder.project_whole(hidden[-1][0].mean(0))
        torch.testing.assert_close(features.global_embedding[b], whole)
        states = {"token": [], "embedding": [0], "last": [5], "last_four": [2, 3, 4, 5]}[source]
        tokens = sum(hidden[k][0] for k in states)
        if source == "token":
            own = plain.embeddings.word_embeddings.weight[batch.input_ids[b, :length]]
            centered = own - own.mean(-1, keepdim=True)
            tokens = centered / (centered.square().mean(-1, keepdim=True) + 1e-5).sqrt()
        for w in range(5):
            own = [tokens[t] for t in range(length) if batch.word_ids[b, t] == w]
            assert len(own) == (0 if w >= count else 1 + w % 2)
            expected = encoder.project_words(sum(own) / len(own)) if own else torch.zeros(6)
            torch.testing.assert_close(features.words[b, w], expected)
    assert torch.equal(features.word_mask, batch.word_mask)
    assert torch.equal(features.sentences, batch.sentences)


def test_padding_tokens_do_not_matter(tiny, batch):
    encoder = text_encoder(tiny())
    plain = encode_text(encoder, batch)
    batch.input_ids = torch.where(batch.attention_mask.bool(), batch.input_ids, 7)
    changed = encode_text(encoder, batch)
    torch.testing.assert_close(changed.words, plain.words)
    torch.testing.assert_close(changed.global_embedding, plain.global_embedding)


def test_report_without_words_has_finite_gradients(tiny, make_batch):
    encoder = text_encoder(tiny())
    features = encode_text(encoder, make_batch((0, 0)))
    assert features.words.shape == (2, 1, 6)
    assert (features.words == 0).all()
    (features.words.sum() + features.global_embedding.sum()).backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in encoder.parameters())


@pytest.mark.parametrize("image", IMAGES)
def test_frozen_towers_stay_as_they_are(tiny, batch, image):
    config = tiny(image, freeze=True)
    encoder = image_encoder(config)
    texts = text_encoder(config)
    both = nn.ModuleList([encoder, texts]).train()
    assert not any(m.training for e in both for m in e.tower.modules())
    assert encoder.project_whole.training
    before = {name: value.clone() for name, value in both.state_dict().items()}
    optimizer = torch.optim.SGD(both.parameters(), lr=1.0, weight_decay=0.1)
    features = encoder(batch.pixels)
    (features.global_embedding.sum() + features.regions.sum()).backward()
    encode_text(texts, batch).global_embedding.sum().backward()
    optimizer.step()
    for name, value in both.state_dict().items():
        assert torch.equal(value, before[name]) == (".tower." in name or "project_words" in name)


def test_free_towers_learn_and_count(tiny, batch):
    encoder = image_encoder(tiny()).train()
    before = {name: value.clone() for name, value in encoder.tower.state_dict().items()}
    encoder(batch.pixels).global_embedding.sum().backward()
    after = encoder.tower.state_dict()
    statistics = [name for name in before if name.endswith("running_mean")]
    assert statistics
    assert not any(torch.equal(before[name], after[name]) for name in statistics)
    assert all(p.grad is not None for p in encoder.tower.parameters())


def save(model, folder) -> str:
    model.save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
@torch.no_grad()
def test_pretrained_towers_load_by_folder(towers, tmp_path, dtype):
    # As they lie on the hub: under a head, one of them without the head, perhaps in half precision.
    towers = {
        k: {n: v for n, v in values.items() if n != "model_type"} for k, values in towers.items()
    }
    resnet = ResNetForImageClassification(ResNetConfig(**towers["resnet"])).to(dtype)
    vit = ViTModel(ViTConfig(**towers["vit"])).to(dtype)
    bert = BertForMaskedLM(BertConfig(**towers["bert"])).to(dtype)
    pixels, tokens = torch.rand(2, 1, 64, 64), torch.randint(0, 40, (2, 6))

    loaded = build_tower(TowerConfig(name=save(resnet, tmp_path / "resnet")), "image", 3)
    assert loaded.dtype == torch.float32
    hidden = resnet.float().eval()(pixels, output_hidden_states=True).hidden_states
    maps = loaded.eval()(pixels).feature_maps
    torch.testing.assert_close(maps[0], hidden[3])
    torch.testing.assert_close(maps[1], hidden[4])

    loaded = build_tower(TowerConfig(name=save(vit, tmp_path / "vit")), "image", 3)
    expected = vit.float().eval()(pixels).last_hidden_state
    torch.testing.assert_close(loaded.eval()(pixels).last_hidden_state, expected)

    loaded = build_tower(TowerConfig(name=save(bert, tmp_path / "bert")), "text")
    assert loaded.dtype == torch.float32
    expected = bert.float().eval().bert(tokens).last_hidden_state
    torch.testing.assert_close(loaded.eval()(tokens).last_hidden_state, expected)


@pytest.mark.parametrize(("role", "revision"), [("image", ""), ("text", "d5892b3")])
def test_missing_tower_says_what_to_do(role, revision):
    name = "nobody/no-such-tower"
    with pytest.raises(OSError, match="cannot load the") as error:
        build_tower(TowerConfig(name=name, revision=revision), role, 3)
    message = str(error.value)
    assert f"the {role} tower '{name}' (not a folder here" in message
    option = f" --revision {revision}" if revision else ""
    assert f"`hf download {name}{option} --local-dir FOLDER`" in message
    assert f"set model.{role}_tower.name to that folder" in message
    assert "\n" not in message


def test_folder_without_weights_says_so(tmp_path):
    with pytest.raises(OSError, match=r"cannot load the text tower .*\(a folder without it"):
        build_tower(TowerConfig(name=str(tmp_path)), "text")


def test_plain_attention_is_for_autocast_on_a_cpu_alone(tiny, make_batch):
    model, batch = RECLF(tiny()).eval(), make_batch((3, 0, 5))
    config, seen = model.text_encoder.tower.config, []
    before = config._attn_implementation
    model.text_encoder.tower.register_forward_pre_hook(
        lambda *_: seen.append(config._attn_implementation)
    )
    with torch.no_grad():
        plain = model.encode_reports(batch)
        with torch.autocast("cpu", torch.bfloat16):
            half = model.encode_reports(batch)
    assert seen == [before, "eager"]
    assert config._attn_implementation == before != "eager"
    torch.testing.assert_close(
        half.global_embedding.float(), plain.global_embedding, rtol=0.05, atol=0.05
    )


@torch.no_grad()
def test_a_tower_on_a_gpu_is_given_a_mask_that_it_need_not_read(tiny, batch):
    tower = text_encoder(tiny()).tower
    mask = batch.attention_mask
    assert masked_without_waiting(tower.config, mask) is mask  # on a CPU, which waits for nothing
    there = masked_without_waiting(tower.config, mask.to("meta"))
    assert (there.shape, there.dtype) == ((4, 1, 1, 9), torch.bool)
    plain = tower(batch.input_ids, mask).last_hidden_state
    found = tower(batch.input_ids, mask[:, None, None].bool()).last_hidden_state
    seen = mask.bool()
    torch.testing.assert_close(found[seen], plain[seen])
    eager = BertConfig(attn_implementation="eager")
    for config in (eager, ModernBertConfig(attn_implementation="sdpa")):
        assert masked_without_waiting(config, mask.to("meta")).ndim == 2
