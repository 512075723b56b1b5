"""How long the linear probe's solver takes, and whether scikit-learn finds the same.

    python -m reclf_benchmarks.probe_solver --studies 191000

Features of many correlated directions, not negative, as after a ReLU and pooling; labels that are
rare to frequent, with a share of them not known. All strengths of the probe are fitted on all
studies, and on the first of them by scikit-learn too.
"""

import argparse
import time
from collections.abc import Sequence

import numpy as np

from reclf.stats.classification import auroc
from reclf.stats.tables import markdown

ROWS = 4096  # made at a time


def make_set(
    studies: int, features: int, labels: int, unknown: float, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """float32 (studies, features), float (studies, labels) with NaN where not known."""
    generator = np.random.default_rng(seed)
    falling = np.arange(1, features + 1) ** -0.7
    mix = (generator.normal(size=(features, features)) * falling).astype(np.float32)
    weights = generator.normal(size=(features, labels)).astype(np.float32)
    level = np.linspace(0.5, 2, labels)  # standard deviations: a third to a fortieth are positive
    x = np.empty((studies, features), np.float32)
    y = np.empty((studies, labels))
    middle, spread = np.zeros(labels), np.zeros(labels)  # of the first rows
    for start in range(0, studies, ROWS):
        rows = x[start : start + ROWS]
        hidden = generator.standard_normal(rows.shape, dtype=np.float32)
        rows[:] = np.maximum(hidden @ mix.T + 0.3, 0)
        truth = rows @ weights
        if not start:
            middle, spread = truth.mean(0), truth.std(0)
        noise = generator.normal(size=truth.shape)
        y[start : start + ROWS] = (truth - middle) / spread + noise > level * 2**0.5
    y[generator.random(y.shape) < unknown] = np.nan
    return x, y


def scikit_learn_scores(
    x: np.ndarray, y: np.ndarray, others: np.ndarray, strength: float
) -> np.ndarray:
    """Scores (n, labels) of other features, by a fit per label."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    columns = []
    for labels in y.T:
        known = ~np.isnan(labels)
        regression = LogisticRegression(C=strength, max_iter=2000, class_weight="balanced")
        fitted = make_pipeline(StandardScaler(), regression).fit(x[known], labels[known])
        columns.append(fitted.decision_function(others))
    return np.stack(columns, 1)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m reclf_benchmarks.probe_solver",
                                     description=__doc__.partition("\n")[0])  # fmt: skip
    parser.add_argument("--studies", type=int, default=20_000)
    parser.add_argument("--features", type=int, default=2048)
    parser.add_argument("--labels", type=int, default=5)
    parser.add_argument("--unknown", type=float, default=0.1, help="share of the labels")
    parser.add_argument("--sample", type=int, default=2000, help="studies for scikit-learn; 0: no")
    given = parser.parse_args(arguments)
    # Only now: a help text does not wait for torch.
    from reclf.tasks.linear_probe import STRENGTHS
    from reclf.tasks.logistic import logistic_path

    held = max(given.studies // 100, 500)
    x, y = make_set(given.studies + held, given.features, given.labels, given.unknown)
    test, x, truth, y = x[-held:], x[:-held], y[-held:], y[:-held]
    start, computed = time.monotonic(), time.process_time()
    logistic_path(x, y, STRENGTHS)
    print(
        f"{given.studies:,} studies x {given.features:,} features, {given.labels} labels, "
        f"{len(STRENGTHS)} strengths: {time.monotonic() - start:.1f} s, "
        f"{time.process_time() - computed:.1f} s of all cores together"
    )
    if not given.sample:
        return
    few, known = x[: given.sample].copy(), y[: given.sample]
    start = time.monotonic()
    path = logistic_path(few, known, STRENGTHS)
    middle = time.monotonic()
    theirs = {c: scikit_learn_scores(few, known, test, c) for c in STRENGTHS}
    end = time.monotonic()
    print(f"the first {given.sample:,}: {middle - start:.1f} s, scikit-learn {end - middle:.1f} s")
    rows = []
    for c in STRENGTHS:
        mine = path[c].scores(test)
        values = np.array(
            [[auroc(truth[:, k], s[:, k]) for k in range(given.labels)] for s in (mine, theirs[c])]
        )
        apart = np.abs(values[0] - values[1]).max()
        rows.append([f"{c:g}", *(f"{mean:.4f}" for mean in values.mean(1)), f"{apart:.4f}"])
    print(markdown(["strength", "AUROC", "scikit-learn", "largest difference of a label"], rows))


if __name__ == "__main__":
    main()
