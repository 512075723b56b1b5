"""Prompt sets of zero-shot classification: the sentences that state a class, or deny it.

    JSON {"classes": {name: {"positive": ..., "negative": [...]}}} --load_prompts--> sentences

A list of sentences is taken as it is. {"severity": [...], "kind": [...], "place": [...]} is a
product, as the prompts of GLoRIA are: a sentence for each combination, of which some are drawn. The
sets here are of our own writing.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from reclf.config.foreign_files import read_json

POSITIVE = ("There is {name}.", "Findings consistent with {name}.", "{name} is present.")
NEGATIVE = ("No {name}.", "There is no {name}.", "No evidence of {name}.")
POLARITIES = ("positive", "negative")
PARTS = ("severity", "kind", "place")
SHIPPED = Path(__file__).with_name("prompts")
_SET_OF = {"mimic_cxr": "chexpert", "ms_cxr": "chexpert"}  # data sets with another one's labels

Prompts = Mapping[str, Mapping[str, Sequence[str]]]


def prompts_for(labels: Sequence[str]) -> dict[str, dict[str, list[str]]]:
    """A prompt set from label names: name -> {"positive": [...], "negative": [...]}."""
    return {
        label: {
            polarity: [template.format(name=label.replace("_", " ").lower()) for template in texts]
            for polarity, texts in (("positive", POSITIVE), ("negative", NEGATIVE))
        }
        for label in labels
    }


def shipped_set(dataset: str) -> str:
    """The shipped prompt set of a data set's labels; "labels" where there is none."""
    name = _SET_OF.get(dataset, dataset)
    return name if (SHIPPED / f"{name}.json").is_file() else "labels"


def load_prompts(
    spec: str, labels: Sequence[str], sampled: int = 0, seed: int = 0
) -> tuple[dict[str, dict[str, list[str]]], str]:
    """The prompts of the labels under test.

    Args:
        spec: name of a shipped set, path of a JSON file, or "labels" to make sentences from the
            label names.
        labels: of the data set; matched with the classes whatever the case, spaces and underscores.
        sampled: sentences drawn of each product; 0 takes all.
        seed: of the draw. A class has the same sentences whichever others there are.

    Returns:
        The prompts by the data set's own label names (labels without prompts are not there), and
        where they came from.

    Raises:
        ValueError: no such set, a class without both polarities, or no label has prompts.
    """
    if spec == "labels":
        return prompts_for(labels), "sentences made from the label names"
    path, classes = _read_set(spec)
    by_key = {_key(name): prompt for name, prompt in classes.items()}
    found = {
        label: {
            polarity: _sentences(
                by_key[_key(label)][polarity], [seed, k, *_key(label).encode()], sampled
            )
            for k, polarity in enumerate(POLARITIES)
        }
        for label in labels
        if _key(label) in by_key
    }
    if not found:
        raise ValueError(
            f"no label has prompts in {path}: labels {', '.join(labels) or 'none'}; classes "
            f"{', '.join(classes) or 'none'}"
        )
    return found, path.stem if path.parent == SHIPPED else str(spec)


def check_prompts(spec: str, asked: Sequence[str]) -> None:
    """Refuse a prompt set that cannot be read, or that lacks a label which was asked for by name;
    arguments as for `load_prompts`."""
    if spec == "labels":
        return
    path, classes = _read_set(spec)
    lacking = [label for label in asked if _key(label) not in map(_key, classes)]
    if lacking:
        raise ValueError(
            f"no prompts for {', '.join(lacking)} in {path}: its classes are {', '.join(classes)}. "
            'Ask for these, or add prompts; "labels" makes sentences from the label names'
        )


def _sentences(texts: Any, seed: Sequence[int], sampled: int = 0) -> list[str]:
    """A list as it is; of a product, all sentences or some drawn ones, in their order."""
    if isinstance(texts, list):
        return texts
    words = (" ".join(filter(None, parts)) for parts in product(*(texts[part] for part in PARTS)))
    found = [f"{text[0].upper()}{text[1:]}." for text in words]
    if not 0 < sampled < len(found):
        return found
    chosen = np.random.default_rng(seed).choice(len(found), sampled, replace=False)
    return [found[k] for k in sorted(chosen)]


def _read_set(spec: str) -> tuple[Path, dict[str, dict[str, Any]]]:
    """Where a prompt set lies, and its classes: a class given as another's name has its prompts."""
    path = SHIPPED / f"{spec}.json"
    if not path.is_file():
        path = Path(spec).expanduser()
    if not path.is_file():
        known = ", ".join(sorted(p.stem for p in SHIPPED.glob("*.json")))
        raise ValueError(
            f"no prompt set {spec!r}: shipped are {known}; or give the path of a JSON file, or "
            '"labels" to make sentences from the label names'
        )
    form = '{"classes": {name: {"positive": [...], "negative": [...]}}}'
    product_form = '{"severity": [...], "kind": [...], "place": [...]}'
    try:
        classes = dict(read_json(path)["classes"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} must be JSON like {form}: {error!r}") from error
    for name, prompt in classes.items():
        if isinstance(prompt, str):
            if not isinstance(classes.get(prompt), Mapping):
                raise ValueError(
                    f"class {name!r} of {path} is {prompt!r}, which has no prompts there"
                )
            classes[name] = prompt = classes[prompt]
        if not isinstance(prompt, Mapping):
            raise ValueError(f"class {name!r} of {path} must be {form}, got {prompt!r}")
        lacking = [polarity for polarity in POLARITIES if not prompt.get(polarity)]
        if lacking:
            raise ValueError(f"class {name!r} of {path} has no {' and no '.join(lacking)} prompts")
        for polarity in POLARITIES:
            parts = prompt[polarity]
            if not isinstance(parts, list) and not _is_product(parts):
                raise ValueError(
                    f"{polarity} prompts of class {name!r} of {path} must be a list of sentences "
                    f'or {product_form}, where "" leaves out all but the kind; got {parts!r}'
                )
    return path, classes


def _is_product(parts: Any) -> bool:
    return (
        isinstance(parts, Mapping)
        and set(parts) == set(PARTS)
        and all(isinstance(words, list) and words for words in parts.values())
        and all(parts["kind"])
    )


def _key(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
