"""Take the screenshots of docs/explorer.md, with the browser of the tests: of every view, and of
one case from the table to a figure.

python tests/browser/take_screenshots.py runs/first/explanations runs/plain/explanations
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
from chromium import ARGUMENTS, CHROMIUM, MISSING
from monitor_page import monitor_page
from PIL import Image
from playwright.sync_api import sync_playwright

from reclf import RECLF
from reclf.data.study import Study
from reclf.explain import explain, load_explanations
from reclf_widgets import (
    ImportanceView,
    MatchingExplorer,
    MatchingView,
    RelationGraphView,
    TrainingMonitor,
)

IMAGES = Path(__file__).parents[2] / "docs" / "images"
# Of some pages a part.
PARTS = {"table": ".reclf-cases", "edits": ".reclf-editor"}
SCALE = 0.7
GRAY_STEP = 8  # reduces noise of radiographs, and so the file size; colors stay exact


def story(explanations: dict, run: Path) -> dict:
    """The case with the worst rank: found, looked at, compared, edited, and drawn for print."""
    cases = next(iter(explanations.values()))
    index = max(range(len(cases)), key=lambda i: cases[i].rank[0])
    one, first = cases[index], next(iter(explanations))
    words = [w for w, of in enumerate(one.word_findings) if of == 0]
    word = next(w for w in words if one.word_types[w] == "finding")
    state = {"case_index": index, "word": word}
    phrase = state | {"phrase": [w for w in words if w != word], "contours": True}
    model = RECLF.from_pretrained(run / "checkpoints" / "best")

    def on_edit(number, text):
        shown = cases[number]
        return explain(model, Study(shown.study_id, "", shown.image, shown.report), text)

    edited = MatchingExplorer({first: cases}, on_edit=on_edit, case_index=index)
    for title in ("other side", "a finding denied"):
        (text,) = [found["text"] for found in edited.suggestions() if found["title"] == title]
        edited.edit = {"text": text, "title": title}
        edited.edit = {"version": 0}
    MatchingExplorer({first: cases}, **phrase).save_figure(IMAGES / "figure.png", width=6.9)
    return {
        "table": (MatchingExplorer(explanations, **state, table=True, sort="rank"), 1240),
        "word": (MatchingView({first: cases}, **state), 900),
        "phrase": (MatchingView({first: cases}, **phrase), 900),
        "models": (MatchingView(explanations, **state, view="compare"), 1000),
        "beyond": (RelationGraphView({first: cases}, **state, beyond_prior=True), 700),
        "weights": (ImportanceView({first: cases}, **state), 700),
        "edits": (edited, 1240),
    }


def main(folders: list[str]) -> None:
    """Every view, a comparison in dark, a narrow page, and the training of the first run."""
    if CHROMIUM is None:
        sys.exit(MISSING)
    explanations = {
        Path(folder).parent.name: list(load_explanations(folder).values()) for folder in folders
    }
    shown_case = max(next(iter(explanations.values())), key=lambda one: len(one.masks))
    index = [one.study_id for one in next(iter(explanations.values()))].index(shown_case.study_id)
    kinds = zip(shown_case.word_types, shown_case.word_findings, strict=True)
    findings = [i for i, (kind, which) in enumerate(kinds) if kind == "finding" and which >= 0]
    finding = max(findings, key=lambda word: shown_case.importance[word])
    state = {"case_index": index, "word": finding}
    pages = story(explanations, Path(folders[0]).parent) | {
        "explorer": (MatchingExplorer(explanations, **state), 1240),
        "compare": (MatchingView(explanations, **state, view="compare", theme="dark"), 1000),
        "graph": (RelationGraphView(explanations, **state, relations="graph"), 900),
        "importance": (ImportanceView(explanations, **state), 700),
        "narrow": (MatchingExplorer(explanations, **state), 440),
        "monitor": (TrainingMonitor(Path(folders[0]).parent), 1000),
    }
    with sync_playwright() as running, tempfile.TemporaryDirectory() as temporary:
        browser = running.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        for name, (widget, width) in pages.items():
            page = browser.new_page(
                viewport={"width": width, "height": 700}, device_scale_factor=SCALE
            )
            path = Path(temporary) / f"{name}.html"
            if isinstance(widget, TrainingMonitor):
                state = {trait: getattr(widget, trait) for trait in ("charts", "progress", "theme")}
                path.write_text(monitor_page(state))
            else:
                widget.to_html(path, "all")
            page.goto(path.as_uri())
            shown = page.locator(".reclf[data-draws], .reclf-monitor[data-step]")
            shown.wait_for()
            path = IMAGES / f"{name}.png"
            if name == "edits":
                page.locator(".reclf-editor summary").click()
            part = page.locator(PARTS[name]) if name in PARTS else shown
            part.screenshot(path=path)
            pixels = np.asarray(Image.open(path).convert("RGB"))
            gray = np.ptp(pixels, axis=-1, keepdims=True) < 10
            coarse = pixels.mean(-1, keepdims=True) // GRAY_STEP * GRAY_STEP
            dark = gray & (coarse < 220) & (coarse > 40)
            Image.fromarray(np.where(dark, coarse, pixels).astype(np.uint8)).save(
                path, optimize=True
            )
            print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")
        browser.close()


if __name__ == "__main__":
    main(sys.argv[1:])
