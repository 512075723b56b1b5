"""Explanations for the tests of widgets, made with numpy alone. Sizes differ along every axis."""

from dataclasses import replace

import cv2
import numpy as np

from reclf.data.radiographs import read_film, read_fitted
from reclf.data.reports import split_words
from reclf.explain import Explanation

REPORT = "Large left effusion. No pneumothorax, the heart is normal."
TYPES = ["severity", "location", "finding", "negation", "finding", "filler", "anatomy", "filler",
         "filler"]  # fmt: skip
HOSTILE = (
    'Left <img src=x onerror="window.hacked=1"> effusion </script><script>window.hacked=1</script>'
    " & <b>bold</b> <!-- {{css}} ${window.hacked=1} \u2028 end"
)


def sample(study=0, model=0, *, report=REPORT, size=(96, 80), grid=(6, 5), steps=2, **changes):
    """One explanation; another `study` or `model` has other numbers, the same words."""
    random = np.random.default_rng(100 * study + model)
    words = split_words(report)
    count = len(words)
    rows, columns = np.mgrid[: size[0], : size[1]]
    image = 0.5 + 0.3 * np.sin(rows / 17) * np.cos(columns / 11) + random.normal(0, 0.02, size)
    effusion = (rows > 0.55 * size[0]) & (rows < 0.9 * size[0]) & (columns > 0.6 * size[1])
    heart = (rows - 0.4 * size[0]) ** 2 + (columns - 0.4 * size[1]) ** 2 < (0.2 * size[0]) ** 2
    known = report == REPORT
    values = {
        "study_id": f"study-{study}",
        "image": np.clip(image, 0, 1).astype(np.float32),
        "report": report,
        "words": words,
        "attention": _softmax(random.normal(0, 1.5, (count, grid[0] * grid[1]))).reshape(
            count, *grid
        ),
        "cosines": random.uniform(0, 1, count).astype(np.float32),
        "graph": _softmax(random.normal(0, 1.2, (steps, count + 1, count + 1))),
        "importance": _softmax(random.normal(0, 1, (1, count)))[0],
        "scores": {"global": 0.25, "logit_local": 3.5 - study, "logit": 4.0 - study + model},
        "masks": {"pleural_effusion": effusion, "cardiomegaly": heart},
        "word_types": TYPES if known else None,
        "word_findings": [0, 0, 0, -1, -1, -1, -1, -1, -1] if known else None,
    }
    return Explanation(**(values | changes))


def with_prior(model=0):
    """`sample` of a model whose prior of edges by distance is known."""
    weights = [(0.3, 0.5), (0.1, 0.0)]
    return sample(model=model, sentences=[0, 0, 0, 1, 1, 1, 1, 1, 1], distance_weights=weights)


def large(study=0, model=0, words=120):
    """The size that the speed targets speak of: 512 pixels, 28 x 28 regions, 120 words."""
    names = [f"word{i}" for i in range(words)]
    return sample(study, model, report=" ".join(names), size=(512, 512), grid=(28, 28))


def filmed(folder, study=0, model=0, *, shape=(1000, 800), size=96, fit="pad", **changes):
    """An explanation of a film in a file of `folder`, seen by the model at `size` pixels."""
    path = folder / f"film-{study}-{shape[0]}x{shape[1]}.png"
    if not path.exists():
        rows, columns = np.mgrid[: shape[0], : shape[1]] / max(shape)
        waves = np.sin(11 * rows + study) * np.cos(9 * columns) + 0.1 * np.sin(200 * columns)
        cv2.imwrite(str(path), np.clip(127 + 110 * waves, 0, 255).astype(np.uint8))
    image, frame = read_fitted(path, size, fit)
    frame = replace(frame, path=str(path))
    film = {"image": image, "frame": frame, "preview": read_film(frame, image, 512)}
    return sample(study, model, size=(size, size), **(film | changes))


def holed(bad):
    """An explanation with a bad number in every array and score."""
    one = sample()
    arrays = {name: getattr(one, name).copy() for name in ("attention", "graph", "importance")}
    for array in arrays.values():
        array.flat[3] = bad
    return sample(**arrays, scores={**one.scores, "logit": bad})


def odd_cases():
    one = sample()
    zeros = {name: np.zeros_like(getattr(one, name)) for name in ("attention", "importance")}
    equal = np.full_like(one.importance, 1 / len(one.words))
    return {
        "nan": holed(np.nan),
        "inf": holed(np.inf),
        "minus inf": holed(-np.inf),
        "zeros": sample(**zeros),
        "equal": sample(importance=equal),
        "one word": sample(report="Clear"),
        "no word": sample(report=""),
    }


def _softmax(values):
    exponents = np.exp(values - values.max(-1, keepdims=True, initial=0))
    return (exponents / exponents.sum(-1, keepdims=True)).astype(np.float32)
