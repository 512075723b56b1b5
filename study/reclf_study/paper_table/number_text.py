"""How a number of the table reads: its title, its unit, its spread; the same in every file."""

from math import isfinite

from reclf.stats.tables import number

from .table import Entry, Measure, PaperTable

TASK_TITLES = {
    "zero_shot": "Zero-shot classification",
    "linear_probe": "Linear classification",
    "fine_tune": "Fine-tuned classification",
    "segmentation": "Segmentation",
    "segmentation_fine_tuned": "Segmentation, fine-tuned",
    "retrieval": "Cross-modal retrieval",
    "grounding": "Phrase grounding",
}
MEASURE_TITLES = {"auroc": "AUROC", "accuracy": "accuracy", "macro_f1": "macro F1", "dice": "Dice",
                  "dice_place_prior": "Dice of one mask for all", "pointing": "pointing game",
                  "pointing_other_phrase": "pointing game, another phrase", "cnr": "CNR",
                  "miou": "mIoU", "recall_at_5_global": "recall@5, global score"}  # fmt: skip
OWN = ("train", "run", "encoder")  # kinds of rows that are no baseline
PLAIN = ("cnr",)  # no share: printed as it is; all others in percent
OTHER_PROTOCOL = "‡"


def rows_of(table: PaperTable, measures: list[Measure]) -> list[str]:
    """Titles of the rows that have one of the measures."""
    return [row for row in table.rows if any((row, m) in table.entries for m in measures)]


def measure_title(m: Measure) -> str:
    """ "AUROC, 1 %" """
    name = MEASURE_TITLES.get(m.measure, m.measure.replace("_at_", "@").replace("_", " "))
    return name if m.fraction is None else f"{name}, {100 * m.fraction:g} %"


def scale_of(m: Measure) -> float:
    """What values are printed times."""
    return 1.0 if m.measure in PLAIN else 100.0


def value_text(value: float | None, m: Measure) -> str:
    """ "86.6", or "1.23" of a measure that is no share; "n/a" of NaN, empty where there is
    none."""
    if value is None:
        return ""
    return number(scale_of(m) * value, f".{2 if m.measure in PLAIN else 1}f")


def entry_text(entry: Entry | None, m: Measure, bold: str) -> str:
    """ "86.6 ± 0.3" over seeds, "86.6 [85.0, 88.1]" of one; OTHER_PROTOCOL where it has another.

    Args:
        bold: a format for the value of the best, such as "**{}**".
    """
    if entry is None:
        return ""
    text = value_text(entry.value, m)
    text = bold.format(text) if entry.best else text
    if entry.deviation is not None:
        text = f"{text} ± {value_text(entry.deviation, m)}"
    elif entry.interval is not None and isfinite(entry.value):
        low, high = (value_text(end, m) for end in entry.interval)
        text = f"{text} [{low}, {high}]"
    return text if entry.compares else f"{text} {OTHER_PROTOCOL}"
