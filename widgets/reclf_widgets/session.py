"""An exported folder as the explorer that it was.

session.json, explanations/MODEL/*.npz (see `take_away.py`) -> MatchingExplorer
"""

from pathlib import Path
from typing import Any

from reclf.config.foreign_files import read_json
from reclf.explain import Explanation

from .explorer import MatchingExplorer
from .take_away import SESSION


def open_session(folder: str | Path, **options: Any) -> MatchingExplorer:
    """The explorer of an exported folder, as it was; no model is needed.

    Args:
        folder: as `explorer.export` wrote it.
        options: of `MatchingExplorer`, such as on_edit; a state given here is set.

    Raises:
        FileNotFoundError: the folder has no session, or lacks an explanation; names the file.
        ValueError: the session is damaged.
    """
    folder = Path(folder)
    if not (folder / SESSION).is_file():
        raise FileNotFoundError(
            f"{folder} has no {SESSION}: name a folder that explorer.export has written"
        )
    session = read_json(folder / SESSION)
    try:
        models, files, marks = session["models"], session["files"], session["marks"]
        outside = [name for name in (*files, *models.values()) if Path(name).name != name]
        known = MatchingExplorer.class_traits(state=True)
        kept = {name: value for name, value in session["state"].items() if name in known}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{folder / SESSION} is no session: {error!r}; export again") from error
    if outside:
        raise ValueError(
            f"{folder / SESSION} names {outside[0]!r}, which is no name of a file in it"
        )
    explained = {
        name: [Explanation.load(folder / "explanations" / part / file) for file in files]
        for name, part in models.items()
    }
    explorer = MatchingExplorer(explained, **(kept | options))
    if "marks_file" not in options:
        explorer.marks = marks
    return explorer
