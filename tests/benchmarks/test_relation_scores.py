"""The benchmark's own checks: references that differ are refused, and ratios are of the rounds."""

import pytest
import torch

from reclf_benchmarks import loops, relation_scores, timing
from reclf_benchmarks.bars import BARS, as_markdown, missed, table
from reclf_benchmarks.relation_scores import Case, Sizes

SIZES = Sizes(studies=4, words=5, regions=3, embed_dim=8, matching_dim=6)


@pytest.mark.parametrize("peer", ["sgraf", "sgr", "saf", "gloria"])
def test_a_wrong_reference_is_not_measured(monkeypatch, peer):
    case = Case(SIZES, peer=peer)
    case.check()
    name = f"{peer}_logits"
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


def test_the_loop_in_half_precision_is_the_loop():
    for peer in ("sgraf", "sgr", "saf", "gloria"):
        case = Case(SIZES, peer=peer)
        low, full = case.loop(half=True), case.loop()
        assert (low - full).abs().max() > 0
        torch.testing.assert_close(low.float(), full, rtol=0.05, atol=0.05)


def test_operations_are_those_of_the_products():
    left, right = torch.randn(3, 5, requires_grad=True), torch.randn(5, 7)
    assert timing.operations(lambda: left @ right) == 2 * 3 * 5 * 7
    # (3, 5) @ (5, 7), and its gradient (3, 7) @ (7, 5)
    assert timing.operations(lambda: (left @ right).sum().backward()) == 2 * 2 * 3 * 5 * 7
    job, count = timing.large_product("float32", "cpu", studies=4)
    assert timing.operations(job) == count
    # D x S of every word of every pair, forward, and two for its gradients, are among them.
    case, pairs, words = Case(SIZES), 16, 6
    assert timing.operations(case.training(case.ours)) > 3 * 2 * pairs * words * 8 * 6


def test_what_is_said_of_a_peer():
    found = relation_scores.against_loop(SIZES, 2, "cpu", "irm", "saf")
    ratios = [f"irm{kind}" for kind in ("_float32", "_bfloat16", "_both_bfloat16")]
    ratios += [f"irm_peak_{kind}" for kind in ("float32", "bfloat16")]
    assert set(found) == {*ratios, *(f"{name}_spread" for name in ratios)}
    assert all(found[name] > 0 for name in ratios)


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


def test_bars_are_missed_by_more_than_the_spread():
    found = {"step": 2.2, "step_spread": 0.15, "relation_share": 0.12, "irm_float32": 0.1}
    assert missed(found) == ["relation_share is 0.12 (quartiles 0 apart), not at most 0.1"]
    assert missed({**found, "relation_share_spread": 0.03}) == []
    assert missed({"step": 2.2, "step_spread": 0.05}) == [
        "step is 2.2 (quartiles 0.05 apart), not at least 2.3"
    ]
    assert len(missed({"step": float("nan"), "step_spread": 1.0})) == 1


def test_bars_say_met_or_not():
    names = [bar.name for bar in BARS]
    assert len(set(names)) == len(names)
    text = as_markdown({"step": 2.5, "relation_share": 0.2, "step_spread": 0.1})
    assert "| `step` | 2.5 (quartiles 0.1 apart) | >= 2.3 |" in text
    assert "| `relation_share` | 0.2 | <= 0.1, **not met** |" in text
    assert "images a second" not in text
    text = as_markdown({"prepared_per_second": 12000.4, "prepared_cores": 0.208})
    assert "| prepared data, 256 x 256 | 12,000 | 0.21 |" in text
    assert "| `irm_float32` | 1.3 |  | IRM alone" in as_markdown({"irm_float32": 1.3})
    rows = table({"step": 2.5, "relation_share": 0.2, "step_spread": 0.1, "else": 1.0})
    assert [(row["name"], row["met"], row["spread"]) for row in rows] == [
        ("step", "yes", 0.1),
        ("relation_share", "no", None),
    ]
