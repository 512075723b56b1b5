"""The benchmark's own checks: references that differ are refused, and ratios are of the rounds."""

import pytest
import torch

from reclf_benchmarks import loops, relation_scores, timing
from reclf_benchmarks.bars import BARS, as_markdown, table
from reclf_benchmarks.relation_scores import Case, Sizes

SIZES = Sizes(studies=4, words=5, regions=3, embed_dim=8, matching_dim=6)


@pytest.mark.parametrize("gloria", [False, True])
def test_a_wrong_reference_is_not_measured(monkeypatch, gloria):
    case = Case(SIZES, gloria=gloria)
    case.check()
    name = "gloria_logits" if gloria else "sgraf_logits"
    right = getattr(loops, name)
    monkeypatch.setattr(relation_scores, name, lambda *given: right(*given) * 1.01 + 0.01)
    with pytest.raises(AssertionError, match="not close"):
        case.check()


def test_the_shortlist_of_all_is_all():
    case = Case(SIZES)
    every = case.ours()
    torch.testing.assert_close(case.shortlist(3), every)
    some = case.shortlist(1)
    assert not some.isfinite().all()
    torch.testing.assert_close(some[some.isfinite()], every[some.isfinite()])


def test_half_precision_is_half(monkeypatch):
    seen = []
    case = Case(SIZES)
    plain = case.matchings.forward
    monkeypatch.setattr(
        case.matchings, "forward", lambda *given: seen.append(given[0].dtype) or plain(*given)
    )
    case.ours()
    case.ours(half=True)
    assert seen == [torch.float32, torch.bfloat16]


def test_ratios_are_of_rounds(monkeypatch):
    ticks = iter([0, 0, 0, 0, 0, 4, 4, 6, 6, 12, 12, 13])  # seconds at every start and end
    monkeypatch.setattr(timing.time, "process_time", lambda: next(ticks))
    seconds = timing.in_turns({"slow": lambda: None, "fast": lambda: None}, rounds=2)
    assert seconds == {"slow": [4, 6], "fast": [2, 1]}
    assert timing.ratio(seconds, "slow", "fast")[0] == 4.0  # of 2 and 6


def test_peak_memory_sees_what_is_freed_again():
    def job() -> None:
        torch.ones(30 * 2**18).mul_(2)  # 30 MB, gone at the end

    try:
        peaks = [timing.peak_memory(job) for _ in range(2)]
    except OSError:
        pytest.skip("this system does not tell the peak of a process")
    assert all(28 < peak < 45 for peak in peaks)


def test_bars_say_met_or_not():
    names = [bar.name for bar in BARS]
    assert len(set(names)) == len(names)
    text = as_markdown({"step": 2.5, "relation_share": 0.2, "step_spread": 0.1})
    assert "| `step` | 2.5 (quartiles 0.1 apart) | >= 2.3 |" in text
    assert "| `relation_share` | 0.2 | <= 0.1, **not met** |" in text
    assert "images a second" not in text
    text = as_markdown({"prepared_per_second": 12000.4, "prepared_cores": 0.208})
    assert "| prepared data, 256 x 256 | 12,000 | 0.21 |" in text
    rows = table({"step": 2.5, "relation_share": 0.2, "step_spread": 0.1, "else": 1.0})
    assert [(row["name"], row["met"], row["spread"]) for row in rows] == [
        ("step", "yes", 0.1),
        ("relation_share", "no", None),
    ]
