"""What is measured of a step on a GPU, by the same code on a CPU."""

import json
import sys
import warnings

import pytest
import torch

from reclf.models.reclf import RECLF
from reclf_benchmarks import gpu_step, product_step
from reclf_benchmarks.gpu_step import COLUMNS, as_markdown
from reclf_benchmarks.product_step import (
    ProductStep,
    count_waits,
    kernels,
    measure_step,
    settings,
    synthetic_batch,
)


@pytest.fixture(scope="module")
def row():
    try:
        return measure_step(4, 16, "cpu", 1, small=True)
    except OSError:
        pytest.skip("this system does not tell the peak of a process")


def test_a_row_has_every_number(row):
    assert row["notes"] == []
    assert row["waits"] is None  # of a CPU nobody waits
    numbers = [row[name] for name in COLUMNS if name != "waits"]
    assert all(isinstance(number, int | float) for number in numbers)
    positive = ("step_ms", "peak_share", "relation_share", "compiled_towers", "compiled_relations")
    assert all(row[name] > 0 for name in positive)
    shares = list(row["kernels"].values())
    assert shares == sorted(shares, reverse=True)
    assert 0.5 < sum(shares) <= 1
    text = as_markdown([row])
    assert "| 4 | 16 |" in text
    assert "B 4, R 16: " in text
    assert "(goal: at most 15%)" in text
    assert f"| {next(iter(row['kernels']))} |" in text


@pytest.mark.parametrize("regions", [4, 16])
def test_the_step_is_one_of_so_many_regions_and_words(regions):
    config = settings(3, regions, "cpu", small=True)
    batch = synthetic_batch(config)
    model = RECLF(config.model).eval()
    features = model.encode_images(batch.to("cpu").pixels)
    assert features.regions.shape[:2] == (3, regions)
    assert batch.word_ids.unique().tolist() == [-1, *range(config.model.max_words)]
    assert model.encode_reports(batch).words.isfinite().all()


def test_regions_of_no_stage_are_refused():
    with pytest.raises(ValueError, match="regions must be one of 3136, 784, 196, 49, got 50"):
        settings(64, 50, "cpu", small=False)


def test_a_step_is_the_products():
    step = ProductStep(settings(3, 4, "cpu", small=True))
    weights = [p.detach().clone() for p in step.model.parameters()]
    step.run()
    moved = [not torch.equal(a, b) for a, b in zip(weights, step.model.parameters(), strict=True)]
    assert sum(moved) > len(moved) / 2
    seen = []
    step.model.register_forward_pre_hook(
        lambda _, given, named: seen.append(named["checkpoint_pairs"]), with_kwargs=True
    )
    step.run()
    step.again()
    assert seen == [False, True]


def test_what_does_not_run_is_noted_and_left_out(monkeypatch):
    monkeypatch.setattr(product_step, "peak_memory", lambda job, device: job() or 1.0)
    real = ProductStep.run

    def short_of_memory(self, recompute=False):
        if not recompute:
            raise torch.OutOfMemoryError("no memory for pairs\nand much more is said")
        real(self, recompute)

    monkeypatch.setattr(ProductStep, "run", short_of_memory)
    row = measure_step(3, 4, "cpu", 1, small=True)
    assert row["notes"] == [
        f"{name} did not run: OutOfMemoryError: no memory for pairs"
        for name in ("step", "compiled_towers", "compiled_relations")
    ]
    assert row["memory_mb"] is row["pairs_mb"] is row["compiled_towers"] is None
    assert row["step_ms"] > 0
    assert row["again_memory_mb"] == 1.0
    assert "B 3, R 4, step did not run: OutOfMemoryError: no memory for pairs" in as_markdown([row])


def test_waits_are_none_only_where_torch_raises_none(monkeypatch):
    modes = ["default"]
    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", modes.append)

    def waits_twice():
        if modes[-1] == "error":
            raise RuntimeError("called a synchronizing CUDA operation")
        for _ in range(2):
            warnings.warn("called a synchronizing CUDA operation", stacklevel=1)

    assert count_waits(lambda: None, "cuda") == 0
    assert count_waits(waits_twice, "cuda") == 2
    assert modes == ["default", "error", "default", "error", "warn", "default"]


def test_kernels_are_those_that_take_the_time():
    large = torch.randn(400, 400)
    found = kernels(lambda: large @ large @ large + 1, "cpu")
    assert next(iter(found)) == "aten::mm"


def test_the_command_writes_rows_and_wants_a_gpu(monkeypatch, tmp_path, capsys, row):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(sys, "argv", ["gpu_step"])
    with pytest.raises(SystemExit):
        gpu_step.main()
    assert "torch sees no GPU; --small --device cpu tries the code" in capsys.readouterr().err
    monkeypatch.setattr(product_step, "measure_step", lambda *sizes: {**row, "asked": sizes})
    out = tmp_path / "steps.json"
    asked = ["--small", "--device", "cpu", "--rounds", "2", "--batches", "4,8", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["gpu_step", *asked])
    gpu_step.main()
    rows = json.loads(out.read_text())["rows"]
    assert [one["asked"] for one in rows] == [
        [b, r, "cpu", 2, True] for b in (4, 8) for r in (4, 16)
    ]
    assert "| 4 | 16 |" in capsys.readouterr().out
