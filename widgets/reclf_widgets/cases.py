"""The cases of a widget: explanations of the same studies by one or several models.

list of Explanation, or model name -> list -> CaseSet -> one case for the browser
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from reclf.data.region_grid import sum_in_regions
from reclf.explain import Explanation
from reclf.stats.tables import plain

from . import as_given, reading
from .case_rows import SIDE, gray, row, small, thumbnail, unopened
from .films import Film, film_of
from .plane import Place, Plane

Explanations = Sequence[Explanation] | Mapping[str, Sequence[Explanation]]


class Version(NamedTuple):
    """A study as given or edited: what was done, and model name -> explanation."""

    title: str
    explained: dict[str, Explanation]


class CaseSet:
    """Validated explanations, and those of edited versions of their studies.

    Args:
        explanations: of one model, or model name -> explanations of the same studies, in order. Of
            `reclf.explain.OnDemand` ones each is made, and checked, when it is shown.

    Raises:
        TypeError, ValueError: no explanation, or the models do not explain the same pairs on the
            same regions; names the model, the study and both values.
    """

    def __init__(self, explanations: Explanations):
        if isinstance(explanations, Explanation):
            raise TypeError("pass a list of explanations, e.g. [explanation], not a single one")
        named = explanations if isinstance(explanations, Mapping) else {"model": explanations}
        self.by_model = {
            str(name): cases if _on_demand(cases) else list(cases) for name, cases in named.items()
        }
        self.on_demand = any(map(_on_demand, self.by_model.values()))
        self.models = list(self.by_model)
        self._versions: dict[int, list[Version]] = {}  # of a study, without the one as given
        self._shown: dict[int, int] = {}  # of a study, the number of the version shown
        self._check()

    def __len__(self) -> int:
        return len(self.by_model[self.models[0]])

    def original(self, index: int) -> dict[str, Explanation]:
        """Model name -> explanation of one study, as given."""
        explained = {name: cases[index] for name, cases in self.by_model.items()}
        if self.on_demand:
            _check_pair(explained)
        return explained

    def shown(self, index: int) -> dict[str, Explanation]:
        """Model name -> explanation of one study, of the version that is shown."""
        return self.versions(index)[self.version(index)].explained

    def together(self, index: int) -> dict[str, Explanation]:
        """What can be shown together of one study: `shown`, and of an edited version each model on
        the study as given, see `as_given.py`."""
        shown, given = self.shown(index), self.original(index)
        return as_given.beside(shown, given) if self.version(index) else shown

    def version(self, index: int) -> int:
        """The number of the version of a study that is shown; 0 is the study as given."""
        return self._shown.get(index, 0)

    def versions(self, index: int) -> list[Version]:
        """The study as given, and its edits in the order in which they were made."""
        return [Version("as given", self.original(index)), *self._versions.get(index, [])]

    def edit_of(self, index: int) -> str:
        """What was done to the study, of the version that is shown or was saved; empty for none."""
        shown = self.versions(index)[self.version(index)]
        saved = next(iter(shown.explained.values())).provenance.get("edited", "")
        return shown.title if self.version(index) else saved

    def show(self, index: int, number: int) -> None:
        """Show a version of a study.

        Raises:
            ValueError: there is no such version.
        """
        last = len(self.versions(index)) - 1
        if not 0 <= number <= last:
            raise ValueError(f"version must be 0 to {last}, got {number}")
        self._shown[index] = number

    def edit(
        self, index: int, explained: Explanation | Mapping[str, Explanation], title: str = "edited"
    ) -> None:
        """Add a version of one study, and show it.

        Raises:
            ValueError: an explanation of a model is missing, or their words differ.
        """
        if isinstance(explained, Explanation):
            explained = {self.models[0]: explained}
        if set(explained) != set(self.models):
            raise ValueError(
                f"on_edit explained {', '.join(explained)}, but the models shown are "
                f"{', '.join(self.models)}: return name -> Explanation for each of them"
            )
        new = {name: explained[name] for name in self.models}
        _check_pair(new)
        self._versions.setdefault(index, []).append(Version(title, new))
        self._shown[index] = len(self._versions[index])

    def index(self) -> list[dict[str, Any]]:
        """For every case what search, filter and the table need, see `case_rows.row`; before it is
        explained, what is written of it."""
        if self.on_demand:
            return [unopened(caption, len(self.models)) for caption in self._listed.captions]
        return [self.row(i) for i in range(len(self))]

    def row(self, index: int) -> dict[str, Any]:
        """The line of one case, see `case_rows.row`."""
        return row(self.original(index))

    def picture(self, index: int) -> bytes:
        """The thumbnail of one study, see `case_rows.thumbnail`; black where it cannot be read."""
        if self.on_demand:
            try:
                return small(gray(self._listed.image(index))).tobytes()
            except (OSError, ValueError):  # said when the case is opened; others have theirs
                return bytes(SIDE * SIDE)
        return thumbnail(list(self.original(index).values())).tobytes()

    @property
    def _listed(self) -> Any:
        """The explanations on demand of the first model that has such."""
        return next(filter(_on_demand, self.by_model.values()))

    def film(self, index: int) -> Film | None:
        """The film of one study, where an explanation knows it."""
        return film_of(list(self.shown(index).values()))

    def describe(self, index: int, live: bool = True) -> tuple[dict[str, Any], dict[str, bytes]]:
        """One case for the browser: JSON metadata, and arrays as float32 or uint8 bytes.

        Shape letters: M = models, W = words, R = regions, K = SRM steps of a model. Of an edited
        version the models are those of `together`.

        Args:
            index: of the study.
            live: whether a kernel can be asked for the film's own pixels.

        Returns:
            The metadata, and the arrays: image uint8 (H, W_px) of each film (see `as_given.films`),
            the largest that a model saw, preview the film as JPEG, attention (W, R) of each model,
            graph (K, 1 + W, 1 + W) of each model that has one, importance (M, W) with zeros for
            models without, coverage (1 + 2 * masks, R) of each model: number of pixels of each
            region, then for each mask the number of its pixels and 1 if it contains the center of
            the region.
        """
        together = self.together(index)
        filled = [reading.without_gaps(one) for one in together.values()]
        models = [one for one, _ in filled]
        first, plane, film = models[0], Plane.of(together), self.film(index)
        films = as_given.films(models)
        sizes = [one.image.size for one in models]
        largest = [  # of each film the model with the largest image
            max((k for k, of in enumerate(films) if of == number), key=sizes.__getitem__)
            for number in sorted({*films})
        ]
        pieces, rest = reading.report_pieces(first.report, first.words)
        names = list(first.masks)
        count = range(len(first.words))
        own = [reading.mask_of_word(first, word) for word in count]
        readable = {
            "study_id": first.study_id,
            "report": first.report,
            "shape": list(plane.shape),
            "models": list(together),
            "films": films,
            "images": [
                {"shape": list(models[k].image.shape), "place": list(plane.images[k])}
                for k in largest
            ],
            "absent": [as_given.absent(one) for one in models],
            "film": film and film.describe(live) | {"place": list(plane.film)},
            "grids": [
                {"shape": list(one.attention.shape[1:]), "center": one.center, "place": list(place)}
                for one, place in zip(models, plane.images, strict=True)
            ],
            "pieces": pieces,
            "rest": rest,
            "types": first.word_types,
            "types_by": first.provenance["word_types"] if first.types_guessed else "",
            "ranked": reading.ranked_words(first),
            "own_mask": [-1 if name is None else names.index(name) for name in own],
            "masks": [
                {"name": name, "outlines": plane.images[0].lines(reading.outlines(mask))}
                for name, mask in first.masks.items()
            ],
            "scores": [plain(one.scores) for one in self.shown(index).values()],
            "gaps": [said for _, said in filled],
            "original_scores": [plain(one.scores) for one in self.original(index).values()],
            "version": self.version(index),
            "edited": self.edit_of(index),
            "versions": [
                {
                    "title": version.title,
                    "report": next(iter(version.explained.values())).report,
                    "score": plain([o.scores.get("logit") for o in version.explained.values()]),
                }
                for version in self.versions(index)
            ],
            "graph_steps": [0 if one.graph is None else len(one.graph) for one in models],
            "counting": [list(one.counting) for one in models],
            "caveats": [_caveats(one) for one in models],
            "sentences": first.sentences,
            "distance_weights": [one.distance_weights for one in models],
            "weighs": [one.importance is not None for one in models],
        }
        if self.on_demand:
            readable["row"] = self.row(index)  # now it is known
        nothing = np.zeros(len(first.words))
        arrays = {
            "image": b"".join(gray(models[k].image).tobytes() for k in largest),
            "preview": film.jpeg() if film else b"",
            "attention": b"".join(_floats(one.attention) for one in models),
            "graph": b"".join(_floats(one.graph) for one in models if one.graph is not None),
            "importance": _floats(
                [nothing if one.importance is None else one.importance for one in models]
            ),
            "coverage": b"".join(
                _floats(_coverage(one, place, first.masks, plane.images[0]))
                for one, place in zip(models, plane.images, strict=True)
            ),
        }
        return readable, arrays

    def _check(self) -> None:
        counts = {name: len(cases) for name, cases in self.by_model.items()}
        if not counts or 0 in counts.values():
            raise ValueError("there is nothing to show: pass at least one explanation")
        if len(set(counts.values())) != 1:
            given = ", ".join(f"{name} explains {n}" for name, n in counts.items())
            raise ValueError(f"every model must explain the same studies, but {given}")
        for name, cases in self.by_model.items():
            for item in [] if _on_demand(cases) else cases:
                if not isinstance(item, Explanation):
                    raise TypeError(
                        f"{name}: expected Explanation, got {type(item).__name__}; "
                        "make one with reclf.explain.explain(model, study)"
                    )
        for index in range(0 if self.on_demand else len(self)):
            _check_pair(self.original(index))


def _check_pair(explained: Mapping[str, Explanation]) -> None:
    """Raise unless all models have the same words, and images that lie on one plane."""
    (first_name, first), *others = explained.items()
    for name, one in others:
        if one.study_id != first.study_id:
            raise ValueError(
                f"{name} explains study {one.study_id!r} but {first_name} explains "
                f"{first.study_id!r}; pass the studies in the same order"
            )
        if len(one.words) != len(first.words):
            raise ValueError(
                f"{first.study_id}: {name} has {len(one.words)} words and {first_name} "
                f"{len(first.words)}; explain the same report with the same max_words"
            )
        if one.words != first.words:
            raise ValueError(
                f"{first.study_id}: words of {name} and {first_name} differ "
                f"({one.words} and {first.words}); show them in two explorers"
            )
    Plane.of(explained)


def _caveats(one: Explanation) -> list[str]:
    """Caveats of the graph that the score uses, then of each SRM step."""
    return [] if one.graph is None else [one.caveat(k) for k in range(-1, len(one.graph))]


def _coverage(
    one: Explanation, place: Place, masks: Mapping[str, np.ndarray], known: Place
) -> list[np.ndarray]:
    """Pixels of each region, then for each mask those inside, and whether it holds the center.

    Args:
        place, known: where the image of `one` lies, and that of the masks.
    """
    grid, center = one.attention.shape[1:], one.center
    covered = [sum_in_regions(np.ones_like(one.image), grid, center)]
    for mask in masks.values():
        own = place.sampled(mask, known, one.image.shape)
        covered += [sum_in_regions(own, grid, center), reading.mask_at_centers(own, grid, center)]
    return covered


def _on_demand(cases: Any) -> bool:
    return hasattr(cases, "captions")  # OnDemand's module imports torch


def _floats(arrays: Any) -> bytes:
    return np.ascontiguousarray(arrays, dtype="<f4").tobytes()
