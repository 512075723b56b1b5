"""The benchmark of the probe's solver: what it prints of a small set."""

import numpy as np

from reclf.tasks.linear_probe import STRENGTHS
from reclf_benchmarks import probe_solver


def test_a_small_set_is_solved_by_both(capsys):
    sizes = {"--studies": 400, "--features": 20, "--labels": 2, "--sample": 300}
    probe_solver.main([str(part) for pair in sizes.items() for part in pair])
    text = capsys.readouterr().out
    assert "400 studies x 20 features, 2 labels, 7 strengths" in text
    rows = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("|")][2:]
    assert [float(row[0]) for row in rows] == list(STRENGTHS)
    assert all(0.6 < float(row[1]) < 1 and float(row[3]) < 0.005 for row in rows)


def test_the_set_is_made_in_parts_of_one_kind():
    x, y = probe_solver.make_set(5000, 6, 3, unknown=0.2)
    assert 0.15 < np.isnan(y).mean() < 0.25
    shares = [np.nanmean(part, 0) for part in (y[:4096], y[4096:])]
    assert (np.diff(shares[0]) < 0).all()
    np.testing.assert_allclose(shares[0], shares[1], atol=0.06)
    assert x.dtype == np.float32
    assert (x >= 0).all()
