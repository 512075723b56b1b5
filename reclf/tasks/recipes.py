"""Published ways to divide and to read a data set for a linear probe, each under one name.

    recipe, parameters --follow--> parameters with what the recipe sets; what the user gave wins, or
        is refused where it would make another recipe

"chexpert" is what GLoRIA and MGCA report on CheXpert (Huang et al., ICCV 2021; Wang et al., NeurIPS
2022): the official valid set is the test, since the official test set came later, and 5,000 images
are held out of train. They hold out images at random; here they are other patients.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from reclf.config import check_choice, merge
from reclf.datasets.copy_recipe import read_recipe
from reclf.datasets.labels import COMPETITION_LABELS, GLORIA_UNCERTAIN
from reclf.runs.notebook import resolve


@dataclass(frozen=True)
class Recipe:
    """What a recipe sets.

    Attributes:
        dataset: name of its loader.
        options: of the loader; those of the user win, but for `fixed` ones.
        fixed: options and parameters that no user may change, since they make the recipe.
        parameters: for those that the user has not given.
        stated: for the protocol.
    """

    dataset: str
    options: Mapping[str, Any]
    fixed: Mapping[str, Any]
    parameters: Mapping[str, Any]
    stated: str


RECIPES = {
    "chexpert": Recipe(
        dataset="chexpert",
        options={
            "views": ["Frontal"], "uncertain": GLORIA_UNCERTAIN, "blank": "zero", "reports": None,
        },
        fixed={"splits": "probe", "split": "test", "train_split": "train", "val_split": "val"},
        parameters={
            "labels": list(COMPETITION_LABELS), "train_studies": 0, "val_studies": 5000,
            "studies": 0,
        },
        stated="chexpert (GLoRIA, MGCA): reports on the official valid set, frontal images; "
        "validation: up to 5,000 images of train, of other patients; the five competition labels; "
        "uncertain: positive for atelectasis, edema and pleural effusion, negative for "
        "cardiomegaly and consolidation; blank: negative; but for what `options` say",
    ),
}  # fmt: skip


def follow(p: SimpleNamespace) -> SimpleNamespace:
    """The parameters of linear_probe.ipynb with what their recipe sets.

    Args:
        p: of `read_parameters`; where it does not know which were given, numbers are the recipe's.

    Raises:
        ValueError: an unknown recipe, or a choice that would make it another.
    """
    check_choice("recipe", p.recipe, ("", *RECIPES))
    if not p.recipe:
        return p
    recipe = RECIPES[p.recipe]
    check_choice(f"dataset of recipe {p.recipe!r}", p.dataset, ("", recipe.dataset, "prepared"))
    asked = vars(p) | p.options
    for name, value in recipe.fixed.items():
        if asked.get(name, "") not in ("", value):
            raise ValueError(
                f"recipe {p.recipe!r} sets {name} to {value!r}, got {asked[name]!r}: leave one of "
                f"the two out. Without a recipe every choice is yours: {recipe.stated}"
            )
    given = getattr(p, "given", ())
    values = {n: v for n, v in recipe.parameters.items() if n not in given and not _named(p, n)}
    options = merge({**recipe.options, "splits": recipe.fixed["splits"]}, p.options)
    if p.dataset == "prepared":
        _check_copy(p, recipe, options)
        values |= {"dataset": "prepared", "options": p.options}
    else:
        values |= {"dataset": recipe.dataset, "options": options}
    fixed = {name: value for name, value in recipe.fixed.items() if hasattr(p, name)}
    return SimpleNamespace(**vars(p) | fixed | values)


def _named(p: SimpleNamespace, name: str) -> bool:
    """Whether a list, which is empty by default, has something in it."""
    return isinstance(getattr(p, name), list) and bool(getattr(p, name))


def _check_copy(p: SimpleNamespace, recipe: Recipe, options: Mapping[str, Any]) -> None:
    """Refuse a prepared copy that was made of another data set, or by other options."""
    copy = read_recipe(resolve(p.data_root))
    made = {"views": ["Frontal"]} | dict(copy.options)
    wanted = {name: value for name, value in options.items() if value is not None}
    wrong = [name for name, value in wanted.items() if made.get(name) != value]
    if copy.dataset != recipe.dataset or wrong:
        raise ValueError(
            f"{p.data_root} was prepared from {copy.dataset!r} by {dict(copy.options)}, and recipe "
            f"{p.recipe!r} needs {recipe.dataset!r} by {wanted}: prepare a copy with these options"
        )
