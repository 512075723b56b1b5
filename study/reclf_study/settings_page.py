"""All settings and presets as a page in Markdown, read from the dataclasses and their docstrings.

    dataclass fields, the string under each field, presets -> tables -> docs/settings.md

python -m reclf_study.settings_page docs/settings.md
"""

import argparse
import ast
import dataclasses
import inspect
import typing
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from reclf.config import ModelConfig, RunConfig, TowerConfig
from reclf.runs.files import write_atomically
from reclf.stats.tables import json_text, markdown
from reclf.training.presets import PRESETS

HEAD = """# Settings and presets

Generated from `reclf/config/settings.py` and `reclf/training/presets.py` by
`python -m reclf_study.settings_page docs/settings.md`; a test compares them. Do not edit this page.

A setting is named by its dotted path: `-p overrides '{"train.batch_size": 16}'` in a notebook,
`--set train.batch_size=16` on the command line of `python -m reclf.pretrain`. Dicts and lists are
JSON on the command line. An unknown name, a wrong type or a value out of range stops the run before
it starts.
"""


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for section in dataclasses.fields(RunConfig):
        cls = typing.get_type_hints(RunConfig)[section.name]
        table = markdown(("setting", "type", "default", "meaning"), _rows(cls, section.name))
        parts.append(f"## {section.name}\n\n{_first_line(cls)}\n\n{table}\n")
    parts.append(f"## Aggregators\n\n{_aggregators()}")
    parts.append(f"## Presets\n\n{_presets()}")
    return "\n".join(parts)


def _rows(cls: type, path: str) -> Iterator[tuple[str, str, str, str]]:
    hints, meanings = typing.get_type_hints(cls), _field_docstrings(cls)
    for field in dataclasses.fields(cls):
        kind, name = hints[field.name], f"{path}.{field.name}"
        if dataclasses.is_dataclass(kind):
            for inner, *rest in _rows(typing.cast(type, kind), name):
                yield inner, rest[0], rest[1], rest[2]
            continue
        default = "required"
        if field.default is not dataclasses.MISSING:
            default = _code(field.default)
        elif field.default_factory is not dataclasses.MISSING:
            default = _code(field.default_factory())
        shown = getattr(kind, "__name__", str(kind)) if not typing.get_args(kind) else str(kind)
        shown = shown.replace("typing.", "").replace(" | ", " or ")  # in a cell of a table
        yield f"`{name}`", shown, default, _cell(meanings[field.name])


def _field_docstrings(cls: type) -> dict[str, str]:
    """Name of a field -> the string that stands under it.

    Raises:
        KeyError: later, where a field has none.
    """
    (tree,) = ast.parse(inspect.getsource(cls)).body
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for field, below in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr):
            text = ast.literal_eval(below.value)
            found[ast.unparse(field.target)] = " ".join(text.split())
    return found


def _aggregators() -> str:
    """What `model.aggregator` can name, and the options of each; those of SRM in full."""
    # They need torch, for which the help text does not wait.
    from reclf.models.relations import AGGREGATORS, options_of
    from reclf.models.relations.options import SRMOptions

    rows = []
    for name, cls in AGGREGATORS.items():
        options = ", ".join(f"`{option}`" for option in sorted(options_of(name)))
        rows.append((f"`{name}`", _cell(_first_line(cls)), options))
    names = markdown(("`model.aggregator`", "what it is", "options"), rows)
    columns = ("setting", "type", "default", "meaning")
    srm = markdown(columns, _rows(SRMOptions, "model.aggregator_options"))
    return f"{names}\n\nOptions of SRM, alone and in `reclf`:\n\n{srm}\n"


def _presets() -> str:
    """Every setting in which a preset differs from the default; towers have none."""
    tower = TowerConfig(name="of the preset")
    default = dict(_flat(dataclasses.asdict(RunConfig(ModelConfig(tower, tower)))))
    flat = {name: dict(_flat(dataclasses.asdict(make()))) for name, make in PRESETS.items()}
    about = [f"- `{name}`: {_first_line(make)}" for name, make in PRESETS.items()]
    rows = []
    for path in next(iter(flat.values())):
        values = [settings[path] for settings in flat.values()]
        if any(value != default[path] for value in values):
            rows.append((f"`{path}`", *map(_code, values)))
    said = "Settings in which a preset differs from the defaults above:"
    table = markdown(("setting", *(f"`{name}`" for name in flat)), rows)
    return "\n".join(about) + f"\n\n{said}\n\n{table}\n"


def _flat(values: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict) and (not path or name.endswith("_tower")):
            yield from _flat(value, f"{path}{name}.")
        else:
            yield f"{path}{name}", value


def _code(value: Any) -> str:
    return _cell(f"`{json_text(value)}`")


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _first_line(item: Any) -> str:
    return (inspect.getdoc(item) or "").partition("\n")[0]


def main(arguments: list[str] | None = None) -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(prog="python -m reclf_study.settings_page")
    parser.add_argument("path", type=Path, help="such as docs/settings.md")
    path = parser.parse_args(arguments).path
    write_atomically(path, partial(Path.write_text, data=page(), encoding="utf-8"))


if __name__ == "__main__":
    main()
