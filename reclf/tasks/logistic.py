"""L2-regularized logistic regressions on one matrix of features: all labels, all strengths.

    features --standardize--> z (n, C) --eigenvectors of its covariance--> preconditioner
    labels (n, K), strengths from strong to weak --conjugate gradients--> coefficients by strength

The objective is that of scikit-learn's LogisticRegression(C, class_weight="balanced") behind its
StandardScaler, label by label: w.w / 2 + C * the weighted losses, with a free intercept. Its
solvers take one label and one strength at a time and do not know how features correlate, which is
hours for 191,000 studies x 2,048 features, 5 labels and 7 strengths. Here labels share the matrix
products, a strength starts where the stronger one ended, and the covariance, which all share,
preconditions (`python -m reclf_benchmarks.probe_solver` has times).

Shape letters: n = studies, C = features, K = labels or classes.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

TOLERANCE = 1e-6  # largest derivative of the mean loss; scikit-learn stops at 1e-4
MOST_STEPS = 300
LINE_STEPS = 30
ROWS = 8192  # of features in float64 at a time
# Threads wait for each other in a busy loop, and small fits are mostly waiting: with two other
# processes on the machine, two threads took 170 s for what one does in 1.4 s.
SMALL = 2**24  # numbers in the features, up to which one thread computes


@dataclass(frozen=True)
class Linear:
    """Scores of features: a linear layer."""

    mean: np.ndarray  # (C,), of the features learned from
    scale: np.ndarray  # (C,)
    weights: np.ndarray  # (C, K), of standardized features
    intercept: np.ndarray  # (K,)

    def scores(self, features: np.ndarray) -> np.ndarray:
        """float (n, K) of features (n, C): log-odds of labels, or logits of classes."""
        parts = [
            (features[rows] - self.mean) / self.scale @ self.weights for rows in _rows(features)
        ]
        return np.concatenate(parts) + self.intercept


def logistic_path(
    features: np.ndarray, targets: np.ndarray, strengths: Sequence[float], exclusive: bool = False
) -> dict[float, Linear]:
    """A regression per label, or one softmax over exclusive classes, at each strength.

    Args:
        features: float (n, C).
        targets: float (n, K), each column with 1 and with 0. NaN = no information: the study is
            left out of that label. With `exclusive`, one 1 in each row.
        strengths: scikit-learn's C; a large one regularizes little.

    Returns:
        Strength -> scores of features.

    Raises:
        ValueError: a column without both classes.

    Warns where a derivative is above TOLERANCE after MOST_STEPS.
    """
    if not all({0.0, 1.0} <= set(column) for column in targets.T):
        raise ValueError("each label must have both classes: leave out those that have not")
    with _threads(features.size):
        mean, scale = _moments(features)
        z = torch.empty(features.shape)
        for rows in _rows(features):
            z[rows] = torch.from_numpy((features[rows] - mean) / scale)
        path = _Path(z, torch.from_numpy(targets).double(), exclusive)
        return {c: Linear(mean, scale, *path.follow(c)) for c in sorted(strengths)}


class _Path:
    """The coefficients found so far, (C + 1, K) with the intercepts last, and their logits."""

    def __init__(self, z: Tensor, targets: Tensor, exclusive: bool):
        self.z, self.exclusive = z, exclusive
        known = ~targets.isnan()
        self.targets = targets.nan_to_num()
        self.count, positives = known.sum(0), self.targets.sum(0)
        if exclusive:
            share = (self.targets / (len(positives) * positives)).sum(1, keepdim=True)
        else:
            share = torch.where(self.targets == 1, 1 / positives, 1 / (self.count - positives)) / 2
        self.share = share * known  # of each study in the mean loss; a column sums to 1
        # w.w is of features that are standardized where the label is known.
        self.penalty = torch.ones(z.shape[1] + 1, len(self.count), dtype=torch.float64)
        for k in (self.count < len(z)).nonzero().flatten().tolist():
            deviation = _moments(z.numpy(), known[:, k].numpy())[1]
            self.penalty[:-1, k] = torch.from_numpy(deviation**2)
        self.unit = self.penalty.sqrt()
        self.ridge = self.penalty
        self.values, self.vectors = _spectrum(z)
        self.found = torch.zeros_like(self.penalty)
        self.logits = torch.zeros_like(targets)

    def follow(self, strength: float) -> tuple[np.ndarray, np.ndarray]:
        """Weights and intercepts at a strength, from those at the last one.

        Nonlinear conjugate gradients (Polak and Ribiere). Logits are linear in the coefficients: a
        direction takes one product with the features, whatever its line search does.
        """
        self.ridge = self.penalty / (strength * self.count)
        self.ridge[-1] = 0
        chances = self._chances(self.logits)
        bend = (self.share * chances * (1 - chances)).sum(0)
        gradient = self._gradient()
        direction = old = torch.zeros_like(gradient)
        before = torch.tensor(torch.inf, dtype=torch.float64)
        for _ in range(MOST_STEPS):
            if (gradient / self.unit).abs().max() <= TOLERANCE:
                break
            scaled = self._preconditioned(gradient, bend)
            ahead = self._total(gradient * scaled)
            beta = ((ahead - self._total(gradient * old)) / before).clamp_min(0)
            direction = beta * direction - scaled
            downhill = self._total(gradient * direction) < 0
            direction = torch.where(downhill, direction, -scaled)
            before, old = ahead.clamp_min(1e-300), scaled
            along = (self.z @ direction[:-1].float()).double() + direction[-1]
            step = self._line(direction, along)
            self.found += step * direction
            self.logits += step * along
            gradient = self._gradient()
        else:
            warnings.warn(
                f"linear probe: {MOST_STEPS} steps at strength {strength} leave a derivative of "
                f"{(gradient / self.unit).abs().max():.1e}, above {TOLERANCE}: the fit is not "
                "finished. So it is where a label is known for a few studies that are nearly "
                "alike: take a larger fraction, or leave the label out",
                stacklevel=3,
            )
        return self.found[:-1].numpy().copy(), self.found[-1].numpy().copy()

    def _line(self, direction: Tensor, along: Tensor) -> Tensor:
        """Where the mean loss is lowest on a line, nearly: Newton's method within a bracket."""
        step = torch.zeros(self._total(direction).shape, dtype=torch.float64)
        low, high = torch.zeros_like(step), torch.full_like(step, torch.inf)
        first = None
        for _ in range(LINE_STEPS):
            chances = self._chances(self.logits + step * along)
            pull = self.ridge * direction
            slope = self._total(self.share * (chances - self.targets) * along) + self._total(
                pull * (self.found + step * direction)
            )
            first = slope.abs() if first is None else first
            if (slope.abs() <= 0.1 * first).all():
                break
            low, high = torch.where(slope < 0, step, low), torch.where(slope > 0, step, high)
            spread = along.square() * chances
            if self.exclusive:
                spread = spread - chances * (chances * along).sum(1, keepdim=True) * along
            else:
                spread = spread * (1 - chances)
            curve = self._total(self.share * spread) + self._total(pull * direction)
            there = step - slope / curve.clamp_min(1e-300)
            middle = torch.where(high.isinf(), 2 * step, (low + high) / 2)
            there = torch.where((there > low) & (there < high), there, middle)
            step = torch.where(slope.abs() <= 0.1 * first, step, there)
        return step

    def _gradient(self) -> Tensor:
        """(C + 1, K), of the mean loss with its penalty."""
        slope = self.share * (self._chances(self.logits) - self.targets)
        weights = (slope.T.float() @ self.z).T.double()
        return torch.cat([weights, slope.sum(0, keepdim=True)]) + self.ridge * self.found

    def _preconditioned(self, gradient: Tensor, bend: Tensor) -> Tensor:
        """The gradient times the inverse of the second derivatives if all studies had the same."""
        floor = self.ridge[:-1].mean(0)
        inside = self.vectors.T @ gradient[:-1]
        inside *= 1 / (bend * self.values[:, None] + floor) - 1 / floor
        weights = self.vectors @ inside + gradient[:-1] / floor
        return torch.cat([weights, gradient[-1:] / bend])

    def _chances(self, logits: Tensor) -> Tensor:
        return logits.softmax(1) if self.exclusive else logits.sigmoid()

    def _total(self, products: Tensor) -> Tensor:
        """Sums over what is one problem: each column, or all of the exclusive classes."""
        return products.sum() if self.exclusive else products.sum(0)


def _spectrum(z: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues (r,) of z'z / n that are not 0, and eigenvectors (C, r), in float64."""
    n, size = z.shape
    if n >= size:
        values, vectors = torch.linalg.eigh((z.T @ z).double() / n)
        return values.clamp_min(0), vectors
    values, vectors = torch.linalg.eigh((z @ z.T).double() / n)
    kept = values > 1e-6 * values[-1]
    values, vectors = values[kept], vectors[:, kept]
    return values, z.double().T @ vectors / (n * values).sqrt()


def _moments(features: np.ndarray, known: np.ndarray | None = None) -> tuple[np.ndarray, ...]:
    """Mean and standard deviation (C,) in float64, of the known studies, bool (n,); of all by
    default. 1 for a feature that does not vary."""
    known = np.ones(len(features), dtype=bool) if known is None else known
    parts = [rows for rows in _rows(features) if known[rows].any()]
    mean = sum(features[rows][known[rows]].sum(0, dtype=np.float64) for rows in parts) / known.sum()
    squares = sum(((features[rows][known[rows]] - mean) ** 2).sum(0) for rows in parts)
    deviation = np.sqrt(squares / known.sum())
    return mean, np.where(deviation > 1e-7 * np.abs(mean), deviation, 1.0)


def _rows(features: np.ndarray) -> Iterator[slice]:
    return (slice(start, start + ROWS) for start in range(0, len(features), ROWS))


@contextmanager
def _threads(size: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1 if size <= SMALL else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
