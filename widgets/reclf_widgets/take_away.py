"""Cases as a folder to take away: figures, LaTeX that includes them, one page, and the session.

explorer -> figures/*.pdf, figures.tex, explorer.html, session.json, explanations/MODEL/*.npz
folder -> open_session -> the explorer as it was
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from reclf.config.foreign_files import read_json
from reclf.runs.files import write_atomically, write_json
from reclf.runs.progress import track

from . import figure, reading, word_figures
from .export import fitting, marks_among, state_among

SESSION = "session.json"
FORMATS = ("pdf", "svg", "png")
OWN = {SESSION, "figures", "figures.tex", "explorer.html", "explanations"}
KINDS = ("matchings", "relations", "importance")
# What LaTeX reads as a command, and how it is written as text.
SPELLED = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"}, "“": "``", "”": "''",
}  # fmt: skip


def export_cases(
    explorer: Any,
    folder: str | Path,
    cases: Sequence[int],
    formats: Sequence[str] = ("pdf",),
    kinds: Sequence[str] = ("matchings",),
    **options: Any,
) -> Path:
    """Write cases into a folder; see `CaseDownloads.export`."""
    folder = Path(folder)
    kinds, formats = _listed("kinds", kinds, KINDS), _listed("formats", formats, FORMATS)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file: name a new folder")
    if folder.exists() and {path.name for path in folder.iterdir()} - OWN:
        raise ValueError(f"{folder} is not empty and no export: name a new folder")
    before = _written_before(folder)
    folders = {name: f"model-{k + 1}" for k, name in enumerate(explorer.models)}  # any name
    for part in ("figures", *(f"explanations/{part}" for part in folders.values())):
        (folder / part).mkdir(parents=True, exist_ok=True)
    pieces: list[str] = []
    written: set[Path] = set()
    for index in track(cases, "export", "cases"):
        one = _at(explorer, index)
        for name, explained in one.explanations.items():
            if edit := explorer.cases.edit_of(index):
                known = explained.provenance | {"edited": edit}
                explained = replace(explained, provenance=known, rank=None)
            place = folder / "explanations" / folders[name]
            explained.save(place / explained.file_name)
            written.add(place / explained.file_name)
        for kind in kinds:
            drawn = _figure(one, kind, options)
            if drawn is None:
                continue
            stem = f"{Path(one.explanation.file_name).stem}-{kind}".replace(".", "-")
            try:
                for ending in formats:
                    path = folder / "figures" / f"{stem}.{ending}"
                    written.add(figure.save_figure(drawn, path))
            finally:
                plt.close(drawn)
            pieces.append(_latex(one, f"figures/{stem}", kind))
    text = "% needs \\usepackage{graphicx}; alt= is read since LaTeX of November 2021\n"
    _write(folder / "figures.tex", text + "\n".join(pieces))
    explorer.to_html(folder / "explorer.html", list(cases))
    session = {
        "models": folders,
        "files": [explorer.cases.shown(index)[explorer.models[0]].file_name for index in cases],
        "state": fitting(state_among(explorer, cases), len(explorer.models)),
        "marks": marks_among(explorer, cases),
        "written": sorted(path.relative_to(folder).as_posix() for path in written),
    }
    write_json(folder / SESSION, session)
    for path in before - written:
        path.unlink(missing_ok=True)
    return folder


def _listed(name: str, given: str | Sequence[str], valid: Sequence[str]) -> list[str]:
    listed = [given] if isinstance(given, str) else [*given]
    if not listed or (wrong := [one for one in listed if one not in valid]):
        got = repr(wrong[0]) if listed else "none"
        raise ValueError(f"{name} must be of {', '.join(valid)}, got {got}")
    return listed


def _written_before(folder: Path) -> set[Path]:
    """Figures and explanations that an earlier export into this folder has written."""
    if not (folder / SESSION).exists():
        return set()
    names = read_json(folder / SESSION).get("written", [])
    paths = {folder / name for name in names if isinstance(name, str)}
    places = {folder / "figures", *folder.glob("explanations/model-*")}
    return {path for path in paths if path.parent in places}


def _at(explorer: Any, index: int) -> Any:
    """An explorer of the same cases that shows another one: the same words where its report has
    them, else those that say most."""
    if index == explorer.case_index:
        return explorer.unseen()
    shown = explorer.explanation
    chosen = [shown.words[w] for w in (explorer.word, *explorer.phrase) if w >= 0]
    there = next(iter(explorer.cases.shown(index).values())).words  # the same of all models
    same = all(word in there for word in chosen)
    words = [there.index(word) for word in chosen] if chosen and same else [reading.PAIR]
    state = {"case_index": index, "region": -1, "zoom": 1.0, "across": 0.5, "down": 0.5}
    return explorer.unseen(**state, word=words[0], phrase=words[1:])


def panel_figure(explorer: Any, panel: str) -> Figure:
    """A panel of the selected case as it is shown, of model A where two are compared.

    Args:
        panel: "matching", "relations" or "importance".

    Raises:
        ValueError: the model has no such thing.
    """
    shown, name = explorer.explanation, explorer.names[explorer.model]
    if panel == "matching":
        return explorer.figure()
    if panel == "relations":
        if shown.graph is None:
            raise ValueError(f"{name} has no relation graph")
        return word_figures.plot_relations(shown, **explorer.relation_options())
    region = explorer.own_region()
    if region < 0 and shown.importance is None:
        raise ValueError(f"{name} has no importance weights; select a region")
    return word_figures.plot_importance(shown, region=region)


def _figure(one: Any, kind: str, options: dict[str, Any]) -> Figure | None:
    """A figure of the selected case; None where the model has nothing to show in it."""
    if kind == "matchings":
        fewest = {} if one.word != reading.PAIR else {"words": None}
        return one.figure(**(fewest | options))
    explained = one.explanation
    if kind == "relations" and explained.graph is not None:
        known = explained.prior(one.relation_options()["step"]) is not None
        return panel_figure(one.unseen(beyond_prior=known and one.beyond_prior), kind)
    if kind == "importance" and explained.importance is not None:
        return panel_figure(one.unseen(region=-1), kind)
    return None


def _latex(one: Any, path: str, kind: str) -> str:
    numbers = {"single": [one.model], "compare": sorted({one.model, one.other})}
    names = one.names
    count = range(len(names))
    shown = [names[k] for k in numbers.get(one.view, count) if k in count]
    several = len(names) > 1  # a single one has no name of its own
    study, models = one.explanation.study_id, f", {', '.join(shown)}" * several
    own = f", {names[one.model]}" * several
    captions = {
        "matchings": f"Attention of words of the report over the radiograph of {study}{models}. "
        "Solid outline: the finding that the word states; dashed: other findings.",
        "relations": f"Semantic relations between the words of the report of {study}{own}. "
        "A row attends to a column.",
        "importance": f"Importance weights of the words of the report of {study}{own}. "
        "Dotted: equal weights.",
    }
    caption = captions[kind]
    if edit := one.cases.edit_of(one.case_index):
        caption += f" Edited ({edit}): “{one.explanation.report}”."
    named = kind == "matchings" and one.word != reading.PAIR  # else the words that say most
    alt = one.alt_text() if named else caption
    return (
        "\\begin{figure}\n  \\centering\n"
        f"  \\includegraphics[width=\\linewidth,alt={{{_spelled(alt)}}}]{{{path}}}\n"
        f"  \\caption{{{_spelled(caption)}}}\n\\end{{figure}}\n"
    )


def _spelled(text: str) -> str:
    """Text that LaTeX prints as it is."""
    return "".join(SPELLED.get(letter, letter) for letter in text)


def _write(path: Path, text: str) -> None:
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
