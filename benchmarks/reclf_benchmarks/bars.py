"""Bars for the speed and memory of this code, and whether a run of the benchmark meets them.

    benchmark.json: name -> number  -->  name, measured, bar, met or not

`python -m reclf_study.results_page docs/results.md runs/bench` puts its tables into a text.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

from reclf.stats.tables import markdown


class Bar(NamedTuple):
    name: str  # in benchmark.json
    least: bool  # True: at least `value`; False: at most
    value: float | None  # None is shown and judged by nobody
    meaning: str


BARS = (
    Bar("srm_irm_float32", True, 2.2, "SRM + IRM, all pairs, forward and backward: loop / ours"),
    Bar("srm_irm_bfloat16", True, 4.0, "the same, ours in bfloat16"),
    Bar("srm_irm_both_bfloat16", True, None, "the same, both in bfloat16"),
    Bar("srm_irm_peak_float32", True, None, "ours, share of the speed of large matrix products"),
    Bar("srm_irm_peak_bfloat16", True, None, "the same in bfloat16"),
    Bar("srm_irm_one_step_float32", True, 4.0, "the same with one SRM step: loop / ours"),
    Bar("srm_irm_one_step_bfloat16", True, 6.0, "one SRM step, ours in bfloat16"),
    Bar("srm_irm_one_step_both_bfloat16", True, None, "one SRM step, both in bfloat16"),
    Bar("srm_float32", True, None, "SRM alone, against SGR: loop / ours"),
    Bar("srm_bfloat16", True, None, "the same, ours in bfloat16"),
    Bar("srm_both_bfloat16", True, None, "the same, both in bfloat16"),
    Bar("irm_float32", True, None, "IRM alone, against SAF: loop / ours"),
    Bar("irm_bfloat16", True, None, "the same, ours in bfloat16"),
    Bar("irm_both_bfloat16", True, None, "the same, both in bfloat16"),
    Bar("gloria_float32", True, 4.5, "GLoRIA's local loss, D 768: loop / ours"),
    Bar("gloria_bfloat16", True, None, "the same, ours in bfloat16"),
    Bar("gloria_both_bfloat16", True, None, "the same, both in bfloat16"),
    Bar("gloria_peak_float32", True, None, "ours, share of the speed of large matrix products"),
    Bar("gloria_peak_bfloat16", True, None, "the same in bfloat16"),
    Bar("memory_all_pairs", True, 7.0, "peak memory, chunks checkpointed: loop / ours"),
    Bar("memory_time_cost", False, 1.4, "its time by that of our fastest setting"),
    Bar("memory_smallest", True, 30.0, "peak memory, smallest chunks: loop / ours"),
    Bar("shortlist_time", True, 8.0, "K = 8 of B = 128: all pairs / shortlist"),
    Bar("shortlist_memory", True, 20.0, "the same, peak memory"),
    Bar("growth_exponent", False, 1.1, "of the shortlist's time in B, 64 to 256"),
    Bar("step", True, 2.3, "whole step, ResNet-50 and BERT-base, B 16: peers' form / ours"),
    Bar("relation_share", False, 0.10, "of our step, between features and their gradients"),
    Bar("rerank_float32", True, 2.4, "re-ranking 200 candidates: loop / ours"),
    Bar("rerank_bfloat16", True, 4.4, "the same, ours in bfloat16"),
    Bar("prepared_data", True, 50.0, "images a second: prepared / best decoder of large JPEGs"),
)


FILES = {  # as `data_path` names them
    "jpeg_2500x2048": "JPEG 2500 x 2048",
    "jpeg_2500x2048_by_opencv": "the same by OpenCV",
    "jpeg_2500x2048_by_pillow": "the same by plain Pillow",
    "jpeg_625x512": "JPEG 625 x 512",
    "png16_1024x1024": "PNG 1024 x 1024, 16 bit",
    "png16_2500x2048": "PNG 2500 x 2048, 16 bit",
    "dicom_2500x2048": "DICOM 2500 x 2048",
    "dicom_jpeg2000_2500x2048": "the same in JPEG 2000",
    "prepared": "prepared data, 256 x 256",
}


READING = (
    "Reading images into squares of 256 pixels; 2,500 images a second is our assumption of what "
    "one H100 takes in, training ResNet-50:"
)


def missed(measured: Mapping[str, float]) -> list[str]:
    """The bars that are missed by more than the spread of what was measured, in words."""
    said = []
    for bar in BARS:
        if bar.value is None or bar.name not in measured:
            continue
        value, spread = measured[bar.name], measured.get(f"{bar.name}_spread", 0.0)
        away = bar.value - value if bar.least else value - bar.value
        if not away <= spread:  # nor is NaN
            rule = f"{'at least' if bar.least else 'at most'} {bar.value:g}"
            said.append(f"{bar.name} is {value:.3g} (quartiles {spread:.2g} apart), not {rule}")
    return said


def table(measured: Mapping[str, float]) -> list[dict[str, Any]]:
    """A row for every bar that was measured."""
    rows: list[dict[str, Any]] = []
    for bar in BARS:
        if bar.name not in measured:
            continue
        value = measured[bar.name]
        rule = met = ""
        if bar.value is not None:
            rule = f"{'>=' if bar.least else '<='} {bar.value:g}"
            met = "yes" if (value >= bar.value if bar.least else value <= bar.value) else "no"
        rows.append(
            {
                "name": bar.name,
                "measured": value,
                "spread": measured.get(f"{bar.name}_spread"),
                "bar": rule,
                "met": met,
                "what": bar.meaning,
            }
        )
    return rows


def as_markdown(measured: Mapping[str, float]) -> str:
    """The bars, and the images a second by kind of file, as tables."""
    bars = []
    for row in table(measured):
        spread = "" if row["spread"] is None else f" (quartiles {row['spread']:.2g} apart)"
        missed = ", **not met**" if row["met"] == "no" else ""
        found = f"{row['measured']:.3g}{spread}"
        bars.append((f"`{row['name']}`", found, f"{row['bar']}{missed}", row["what"]))
    files = [
        (title, f"{measured[f'{name}_per_second']:,.0f}", f"{measured[f'{name}_cores']:.2g}")
        for name, title in FILES.items()
        if f"{name}_per_second" in measured
    ]
    text = markdown(("", "measured", "bar", ""), bars)
    if not files:
        return text
    header = ("file", "images a second and core", "cores for 2,500 a second")
    return f"{text}\n\n{READING}\n\n{markdown(header, files)}"
