"""The explorer: attention maps, relation graph and importance weights of words, in JupyterLab.

    explanations -> MatchingExplorer -> traits -> static/*.js, which draws and handles input

Python sends the arrays of one case; the browser handles every click and reports it as a trait.
`state()` is the complete state of a view: pass it to a new explorer to restore the view.
"""

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import traitlets
from matplotlib.figure import Figure

from reclf.explain import Explanation
from reclf.stats.tables import json_text

from . import browser, figure, reading
from .case_downloads import CaseDownloads
from .case_edits import Edit
from .cases import CaseSet, Explanations
from .export import fitting, write_page
from .films import FilmReader
from .grids import Grid, finest, region_of
from .palette import COLORMAPS, DIFFERENCE, WORD_TYPES, lookup_table
from .plane import Plane
from .still import data_trait, view_trait


class MatchingExplorer(CaseDownloads):
    """Local-matchings, semantic relations and importance of image-report pairs.

    Args:
        explanations: a list (one model), or model name -> list (several, same studies).
        on_edit: called with (study index, report text or float32 image (H, W) in [0, 1]); returns
            the new Explanation, or name -> Explanation. Without it the editor is disabled.
        marks_file: where stars and notes are kept, see `CaseTable.keep_marks`.
        state: initial state, as `state()` returns it.

    Raises:
        TypeError: an unknown keyword; lists the valid ones.
    """

    _esm = browser.module(browser.EXPLORER)
    _css = browser.style("explorer")
    _panels: tuple[str, ...] = ("matching", "relations", "importance", "edit")
    _leads = True  # has the controls that choose a case; a view of an explorer leaves them to it

    # Arrays of the selected case: see CaseSet.describe.
    case = data_trait(traitlets.Dict)
    image = data_trait(traitlets.Bytes)
    preview = data_trait(traitlets.Bytes)
    attention = data_trait(traitlets.Bytes)
    graph = data_trait(traitlets.Bytes)
    importance = data_trait(traitlets.Bytes)
    coverage = data_trait(traitlets.Bytes)
    # The film's own pixels, uint8, which the browser asks for by counting up; answered after it
    # has drawn the case. `film_info` has the shape, the case, and what is said of them; `film_next`
    # is the case whose film may be asked for next, -1 for none.
    film_asked = data_trait(traitlets.Int, 0)
    film_next = data_trait(traitlets.Int, -1)
    film = data_trait(traitlets.Bytes)
    film_info = data_trait(traitlets.Dict)
    # Shared by all cases.
    models = data_trait(traitlets.List)
    panels = data_trait(traitlets.List)
    palette = data_trait(traitlets.Dict)
    lookup_tables = data_trait(traitlets.Bytes)
    # The browser numbers its changes; the number comes back after what they have brought about.
    asked = data_trait(traitlets.Int, 0)
    answered = data_trait(traitlets.Int, 0)
    failed = data_trait(traitlets.Unicode, "")  # why the selected case cannot be shown

    # State of the view, written by Python and by the browser.
    word = view_trait(traitlets.Int(-1, help="selected word, -1: image-report pair"))
    phrase = view_trait(traitlets.List(traitlets.Int(min=0), help="further words of a phrase"))
    region = view_trait(
        traitlets.Int(-1, help="selected region, row by row on the finest grid, -1: none")
    )
    model = view_trait(traitlets.Int(0, help="model shown, and A of a comparison"))
    other = view_trait(traitlets.Int(1, help="B of a comparison"))
    view = view_trait(traitlets.Enum(["single", "compare", "multiples"], "single"))
    scale = view_trait(
        traitlets.Enum(["word", "case", "rank"], "word", help="maximum of the color scale")
    )
    colors = view_trait(traitlets.Enum(list(COLORMAPS), COLORMAPS[0]))
    opacity = view_trait(traitlets.Float(0.75, min=0, max=1, help="of the strongest region"))
    window = view_trait(
        traitlets.Float(1.0, min=0.05, max=2, help="width of the gray window, in [0, 1]")
    )
    level = view_trait(traitlets.Float(0.5, min=0, max=1, help="center of the gray window"))
    zoom = view_trait(traitlets.Float(1.0, min=1, max=16, help="how many times larger"))
    across = view_trait(traitlets.Float(0.5, min=0, max=1, help="center of the zoom, from left"))
    down = view_trait(traitlets.Float(0.5, min=0, max=1, help="center of the zoom, from the top"))
    smooth = view_trait(traitlets.Bool(False, help="interpolate between regions"))
    contours = view_trait(traitlets.Bool(False, help="isolines at shares of the color scale"))
    masks = view_trait(traitlets.Bool(True, help="outline the ground-truth masks"))
    threshold = view_trait(
        traitlets.Float(0.3, min=0, max=1, help="fraction of the maximum edge weight")
    )
    step = view_trait(traitlets.Int(-1, min=-1, help="SRM step, -1: last used in the score"))
    relations = view_trait(traitlets.Enum(["matrix", "graph"], "matrix"))
    beyond_prior = view_trait(
        traitlets.Bool(False, help="edges minus what the distance of their words alone gives")
    )
    order = view_trait(traitlets.Enum(reading.ORDERS, "text", help="of the nodes in the matrix"))
    fillers = view_trait(traitlets.Bool(True, help="words without a type in the matrix, too"))
    edges = view_trait(traitlets.Int(20, min=1, max=100, help="edges in the graph"))
    theme = view_trait(traitlets.Enum(["auto", "light", "dark"], "auto"))

    def __init__(
        self,
        explanations: Explanations | CaseSet,
        *,
        on_edit: Edit | None = None,
        marks_file: str | Path | None = None,
        **state: Any,
    ):
        valid = list(self.class_traits(state=True))
        if unknown := [name for name in state if name not in valid]:
            raise TypeError(
                f"{type(self).__name__} has no {', '.join(map(repr, unknown))}; "
                f"valid are on_edit, marks_file, {', '.join(valid)}"
            )
        self.cases = explanations if isinstance(explanations, CaseSet) else CaseSet(explanations)
        super().__init__(
            index=self.cases.index(),
            models=self.cases.models,
            panels=[*(["cases"] if self._leads else []), *self._panels],
            palette={name: list(entry) for name, entry in WORD_TYPES.items()},
            lookup_tables=b"".join(map(lookup_table, (*COLORMAPS, DIFFERENCE))),
            **state,
        )
        self._films = FilmReader()
        self.explain_edits(on_edit)
        self._load()
        self.keep_marks(marks_file)
        self.answer_downloads()
        self.observe(self._change_case, names=["case_index"])
        self.observe(lambda change: self._load(), names=["edits"])
        self.observe(self._answer, names=["asked"])
        self.observe(self._send_film, names=["film_asked"])

    @property
    def explanations(self) -> dict[str, Explanation]:
        """Model name -> explanation of the selected case, after its edit if there is one."""
        return self.cases.shown(self.case_index)

    @property
    def explanation(self) -> Explanation:
        """The explanation of the selected model."""
        return self.together[self.names[self.model]]

    @property
    def together(self) -> dict[str, Explanation]:
        """Like `explanations`; of an edited case each model as it explains the study as given, too.
        `model` and `other` count these."""
        return self.cases.together(self.case_index)

    @property
    def names(self) -> list[str]:
        """The names of `together`."""
        return list(self.together)

    def state(self) -> dict[str, Any]:
        """State of the view; restore it with `MatchingExplorer(explanations, **state)`."""
        return {name: getattr(self, name) for name in self.class_traits(state=True)}

    def unseen(self, **state: Any) -> "MatchingExplorer":
        """A copy with this state where another is not given, of which no front end hears."""
        wanted = self.state() | state
        models = len(self.cases.together(wanted["case_index"]))
        return _Unseen(self.cases, **fitting(wanted, models))

    @property
    def selection(self) -> reading.Selection:
        """The selected word, or the words of the phrase; -1 for the image-report pair.

        Raises:
            ValueError: the phrase has a word that the report has not.
        """
        if self.word == reading.PAIR or not self.phrase:
            return self.word
        return reading.find_selections(self.explanation, [(self.word, *self.phrase)])[0]

    def alt_text(self) -> str:
        """Text description: the study, the word, its regions of highest attention."""
        one, gaps = reading.without_gaps(self.explanation)
        cells = reading.region_map(one, self.selection)
        places = []
        for i in np.argsort(-cells, axis=None, kind="stable")[:3]:
            row, column = np.unravel_index(i, cells.shape)
            places.append(f"row {row + 1} column {column + 1} ({cells[row, column]:.3f})")
        return (
            f"Radiograph of {one.study_id} with the attention map of "
            f"{reading.word_name(one, self.selection)}, {cells.shape[0]} by {cells.shape[1]} "
            f"regions; highest attention: {', '.join(places)}{'. ' + gaps if gaps else ''}"
        )

    def figure(self, **options: Any) -> Figure:
        """Print figure of the view, `plot_matchings` with the state of the explorer and options:
        the same words, models, scales and outlines as on the screen."""
        words, region = [self.selection], self.region
        together, names = self.together, self.names
        compared = self.view == "compare" and self.model != self.other < len(names)
        shown: Explanation | dict[str, Explanation] = self.explanation
        if compared:
            names = [names[i] for i in (self.model, self.other)]
            shown = {name: together[name] for name in names}
            region = self._region_of(names[finest(list(shown.values()))])
        elif self.view == "multiples":
            shown = together
            beside = reading.words_together(next(iter(shown.values())), self.word)
            words = [self.selection if word == self.word else word for word in beside]
        else:
            region = self.own_region()
        given = {
            "words": words,
            "masks": self.masks,
            "difference": compared,
            "scale": self.scale,
            "region": region,
            "zoom": self.zoom,
            "across": self.across,
            "down": self.down,
            "smooth": self.smooth,
            "contours": self.contours,
            "opacity": self.opacity,
            "window": self.window,
            "level": self.level,
            "colors": self.colors,
        }
        return figure.plot_matchings(shown, **(given | options))

    def relation_options(self) -> dict[str, Any]:
        """Options of `plot_relations` with which it draws the relations that the view shows."""
        names = ("edges", "threshold", "beyond_prior", "order", "fillers")
        return {"step": self._step()} | {name: getattr(self, name) for name in names}

    def own_region(self) -> int:
        """The selected region in the grid of the selected model, -1: none."""
        return self._region_of(self.names[self.model])

    def save_figure(self, path: str | Path, **options: Any) -> Path:
        """Write `figure(**options)` as .pdf, .svg or .png; reproducible byte for byte."""
        drawn = self.figure(**options)
        try:
            return figure.save_figure(drawn, path)
        finally:
            plt.close(drawn)

    def to_html(self, path: str | Path, cases: list[int] | str = "shown") -> Path:
        """Write an HTML page that needs neither kernel nor network, of `numbers(cases)`."""
        return write_page(self, Path(path), cases)

    def _load(self) -> None:
        """Send the arrays of the selected case in one message."""
        readable, arrays = self.cases.describe(self.case_index)
        if self.word >= len(readable["pieces"]):
            self.word = reading.PAIR
        with self.hold_sync():
            fit = fitting({"model": self.model, "other": self.other}, len(self.names))
            self.model, self.other = fit["model"], fit["other"]
            if "row" in readable:
                self.index[self.case_index] = readable["row"]  # in place: the browser does the same
            self.case = readable | {"index": self.case_index, "swaps": self.suggestions()}
            for name, buffer in arrays.items():
                setattr(self, name, buffer)
            self.film, self.film_info = b"", {}

    def _change_case(self, change: Any) -> None:
        self.failed = ""
        try:  # on demand a case is read and explained only now
            with self.hold_sync():
                self.word, self.phrase, self.region = reading.PAIR, [], -1
                self.zoom, self.across, self.down = 1.0, 0.5, 0.5
                self._load()
        except Exception as error:
            self.failed = f"{type(error).__name__}: {error}"
            raise

    def _send_film(self, change: Any) -> None:
        """Send the pixels of the film of the selected case, or why there are none; then read those
        of the case that the browser would show next."""
        film = self.cases.film(self.case_index)
        if film is None:
            return
        pixels, said = self._films.read(self._film_key(self.case_index), film)
        with self.hold_sync():
            self.film = b"" if pixels is None else pixels.tobytes()
            shape = [] if pixels is None else list(pixels.shape)
            self.film_info = {"index": self.case_index, "shape": shape, "said": said}
        if 0 <= self.film_next < len(self.cases) and (film := self.cases.film(self.film_next)):
            self._films.begin(self._film_key(self.film_next), film)

    def _film_key(self, index: int) -> tuple[int, int]:
        return index, self.cases.version(index)

    def _step(self) -> int:
        """The selected step, limited to the steps of this model."""
        graph = self.explanation.graph
        return self.step if graph is None else min(self.step, len(graph) - 1)

    def _region_of(self, name: str) -> int:
        """The selected region in the grid of a model."""
        models = self.together
        places = Plane.of(models).images
        grids = [Grid.of(one, place) for one, place in zip(models.values(), places, strict=True)]
        wanted = list(models).index(name)
        return region_of(grids, finest(list(models.values())), wanted, self.region)

    def _answer(self, change: Any) -> None:
        """Acknowledge a change by the browser, which otherwise says that it waits."""
        self.answered = change["new"]

    @traitlets.validate("case_index", "model", "other")
    def _check_index(self, proposal: Any) -> int:
        name, value = proposal["trait"].name, proposal["value"]
        size = len(self.cases) if name == "case_index" else len(self.names)
        if name == "other" and size == 1:
            return value
        if not 0 <= value < size:
            raise traitlets.TraitError(f"{name} must be 0 to {size - 1}, got {value}")
        return value

    @traitlets.validate("word", "region")
    def _check_selection(self, proposal: Any) -> int:
        name, value = proposal["trait"].name, proposal["value"]
        models = list(self.together.values())
        cells = models[finest(models)].attention
        size = cells.shape[0] if name == "word" else cells[0].size if len(cells) else 0
        if not -1 <= value < size:
            raise traitlets.TraitError(f"{name} must be -1 to {size - 1} here, got {value}")
        return value

    def _still(self) -> Figure:
        """The figure that a stored notebook shows."""
        return self.figure()


class _Unseen(MatchingExplorer):
    def open(self) -> None:
        pass


def state_json(explorer: MatchingExplorer) -> str:
    """The state as JSON text, to save with a figure."""
    return json_text(explorer.state(), indent=2) + "\n"
