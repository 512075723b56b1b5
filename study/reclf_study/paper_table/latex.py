"""The table for a paper: a LaTeX `table` environment a task, with published rows and notes.

PaperTable -> booktabs tables; they need the packages booktabs and graphicx
"""

from .number_text import (
    OTHER_PROTOCOL,
    OWN,
    TASK_TITLES,
    entry_text,
    measure_title,
    rows_of,
    value_text,
)
from .table import Measure, PaperTable

_SPECIAL = {"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#",
            "_": r"\_", "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}",
            "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}"}  # fmt: skip
_SYMBOLS = {"±": r"$\pm$", OTHER_PROTOCOL: r"$^{\ddagger}$"}
_CAPTION = (
    r"{}. Values in percent, CNR aside. Mean $\pm$ standard deviation over seeds, or, of one seed, "
    r"the value with its 95 \% interval over studies. Bold: the highest of the rows that share a "
    r"protocol; published rows do not compete."
)


def as_latex(table: PaperTable) -> str:
    """A `table` environment a task: our rows, baselines and chance, then published rows."""
    tasks = "\n".join(_environment(table, task) for task in table.tasks)
    return f"% \\usepackage{{booktabs, graphicx}}\n{tasks}"


def escape(text: str) -> str:
    """Text in which LaTeX reads every character as itself."""
    return "".join(_SPECIAL.get(character, character) for character in text)


def _environment(table: PaperTable, task: str) -> str:
    measures = table.of_task(task)
    rows = rows_of(table, measures)
    chance = _line("chance", [value_text(table.chance.get(m), m) for m in measures])
    body = [_own_line(table, row, measures) for row in rows if table.rows[row] in OWN]
    body += [r"\midrule"]
    body += [_own_line(table, row, measures) for row in rows if table.rows[row] not in OWN]
    body += [chance]
    published, notes = _published(table, measures)
    if published:
        title = f"\\multicolumn{{{len(measures) + 1}}}{{l}}{{\\emph{{Published}}}} \\\\"
        body += [r"\midrule", title, *published]
    notes = [*(escape(note) for note in table.notes.get(task, ())), *notes]
    below = [r"\par\smallskip{\footnotesize " + r" \\ ".join(notes) + "}"] if notes else []
    return "\n".join([
        r"\begin{table}",
        r"\centering",
        f"\\caption{{{_CAPTION.format(TASK_TITLES.get(task, task))}}}",
        r"\resizebox{\linewidth}{!}{%",
        f"\\begin{{tabular}}{{l{'r' * len(measures)}}}",
        r"\toprule",
        *_head(measures),
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}}",
        *below,
        r"\end{table}",
        "",
    ])  # fmt: skip


def _head(measures: list[Measure]) -> list[str]:
    """The data sets over their measures."""
    data = [m.data for m in measures]
    groups, rules, start = [], [], 2
    for name in dict.fromkeys(data):
        width = data.count(name)
        groups.append(f"\\multicolumn{{{width}}}{{c}}{{{escape(name)}}}")
        rules.append(f"\\cmidrule(lr){{{start}-{start + width - 1}}}")
        start += width
    titles = _line("", [escape(measure_title(m)) for m in measures])
    return [_line("", groups), " ".join(rules), titles]


def _own_line(table: PaperTable, row: str, measures: list[Measure]) -> str:
    texts = [entry_text(table.entries.get((row, m)), m, r"\textbf{{{}}}") for m in measures]
    for symbol, command in _SYMBOLS.items():
        texts = [text.replace(symbol, command) for text in texts]
    return _line(escape(row), texts)


def _published(table: PaperTable, measures: list[Measure]) -> tuple[list[str], list[str]]:
    """A row for every method of a source; a note for every set of differences, and the sources."""
    values: dict[tuple[str, str], dict[Measure, float]] = {}
    differs: dict[tuple[str, str], dict[str, list[str]]] = {}
    sources: dict[str, str] = {}
    for m in measures:
        for number, texts in table.published.get(m, ()):
            direction = number.choices.get("direction", "")
            row = number.method, ", ".join(filter(None, (number.source, direction)))
            values.setdefault(row, {})[m] = number.value
            sources[number.source] = number.citation
            for text in texts:
                data = differs.setdefault(row, {}).setdefault(text, [])
                data += [m.data] * (m.data not in data)
    marks: dict[str, int] = {}
    lines = []
    for row, by_measure in values.items():
        title = f"{escape(row[0])} ({escape(row[1])})"
        if text := _differences(differs.get(row, {}), {m.data for m in by_measure}):
            title += f"$^{{{marks.setdefault(text, len(marks) + 1)}}}$"
        lines.append(_line(title, [value_text(by_measure.get(m), m) for m in measures]))
    notes = [f"$^{{{n}}}$ {escape(text)}." for text, n in marks.items()]
    if sources:
        cited = "; ".join(f"{name}: {text}" for name, text in sources.items())
        notes.append(escape(f"In parentheses, where a published number is quoted from. {cited}"))
    return lines, notes


def _differences(by_text: dict[str, list[str]], data: set[str]) -> str:
    """ "Differs: test studies: 202 there, 234 here (chexpert). Not stated: image size" """
    known: list[str] = []
    unknown: list[str] = []
    for text, where in by_text.items():
        on = "" if set(where) == data else f" ({', '.join(where)})"
        name, is_silent, _ = text.partition(": not stated there")
        (unknown if is_silent else known).append(f"{name if is_silent else text}{on}")
    parts = [f"Differs: {'; '.join(known)}"] * bool(known)
    parts += [f"Not stated there: {', '.join(unknown)}"] * bool(unknown)
    return ". ".join(parts)


def _line(title: str, cells: list[str]) -> str:
    return " & ".join([title, *cells]) + r" \\"
