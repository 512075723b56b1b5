"""The notebooks of the explorer by papermill, on an untrained tiny model, from any folder."""

import json

import nbformat
import pytest
from notebook_runs import outputs_of, papermill, papermill_process, untrained_run

from reclf.datasets.tiny import draw_chest, write_image
from reclf.explain import Explanation, load_explanations

TINY = {"model.image_size": 64, "train.val_studies": 8, "data.options": {"length": 40}}
FIGURES = {
    f"{name}{ending}"
    for name in ("matchings", "relations", "importance")
    for ending in (".pdf", ".svg", ".txt", ".json")
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with two runs whose models never trained: RECLF and a baseline without relations."""
    folder = tmp_path_factory.mktemp("explore")
    for name, more in (
        ("first", {}),
        ("plain", {"model.aggregator": "mean", "model.aggregator_options": {}}),
    ):
        untrained_run(folder / "runs" / name, TINY | more)
    return folder


@pytest.fixture(scope="module")
def explored(folder):
    done = papermill(
        "explore.ipynb", folder, executed="explore.ipynb", run="runs/first", baseline="runs/plain",
        n_cases=3, n_gallery=12,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def pictures(path):
    """Outputs with a picture of an executed notebook, which must be small and hold no widgets."""
    assert path.stat().st_size < 1_000_000
    notebook = nbformat.read(path, as_version=4)
    assert "widgets" not in notebook.metadata
    return [o for o in outputs_of(path) if "image/png" in o.get("data", {})]


def test_exploring_leaves_explanations_a_page_and_pictures(explored):
    run = explored / "runs" / "first"
    for name, has_graph in (("first", True), ("plain", False)):
        paths = sorted((explored / "runs" / name / "explanations").glob("*.npz"))
        assert len(paths) == 3
        assert (Explanation.load(paths[0]).graph is not None) == has_graph
    assert (run / "explorer.html").stat().st_size < 2_000_000
    assert len(pictures(explored / "explore.ipynb")) == 3


def test_ranks_are_among_a_gallery_and_marks_are_kept(explored):
    ones = load_explanations(explored / "runs" / "first" / "explanations").values()
    ranks = [one.rank for one in ones]
    assert all(1 <= rank <= among == 12 for rank, among in ranks)
    assert all("labels" in one.provenance for one in ones)


def test_films_and_reports_are_found(folder):
    write_image(folder / "mine.png", draw_chest(3))
    done = papermill(
        "find.ipynb", folder, executed="find.ipynb", run="runs/first", query="left effusion",
        film="mine.png", n_gallery=8, n_found=3,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    for name in ("found_films.html", "found_reports.html"):
        text = (folder / "runs" / "first" / name).read_text()
        index = json.loads(text.split('id="values">')[1].split("</script>")[0])["traits"]["index"]
        assert [entry["rank"] for entry in index] == [[[place, 8]] for place in (1, 2, 3)]
    assert all("its report on mine.png" in entry["study_id"] for entry in index)
    assert len(pictures(folder / "find.ipynb")) == 4
    said = ["".join(output["data"]["text/plain"]) for output in pictures(folder / "find.ipynb")]
    assert sum("Map of 8 embeddings by PCA" in text for text in said) == 1


def test_a_whole_split_is_explained_on_demand(explored):
    before = sorted((explored / "runs" / "plain" / "explanations").iterdir())
    done = papermill(
        "explore.ipynb", explored, executed="all.ipynb", run="runs/plain", n_cases=0,
        on_demand="true",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    assert sorted((explored / "runs" / "plain" / "explanations").iterdir()) == before
    assert pictures(explored / "all.ipynb")
    text = (explored / "runs" / "plain" / "case.html").read_text()
    index = json.loads(text.split('id="values">')[1].split("</script>")[0])["traits"]["index"]
    assert len(index) == 1


def test_figures_are_made_twice_with_the_same_bytes(explored):
    made = []
    for run in (papermill, papermill_process):
        done = run(
            "study/figures.ipynb",
            explored,
            executed="figures.ipynb",
            run="runs/first",
            baseline="runs/plain",
        )
        assert done.returncode == 0, done.stderr[-3000:]
        place = explored / "runs" / "first" / "figures"
        made.append({path.name: path.read_bytes() for path in place.iterdir()})
    assert set(made[0]) == FIGURES
    assert made[0] == made[1]
    assert len(pictures(explored / "figures.ipynb")) == 3


def test_figures_show_the_report_that_has_the_words(explored):
    folder = explored / "runs" / "first"
    known = load_explanations(folder / "explanations")
    name, last = list(known.items())[-1]
    only = next(w for w in last.words if sum(w in one.words for one in known.values()) == 1)
    done = papermill("study/figures.ipynb", explored, run="runs/first", words=[only.upper()])
    assert done.returncode == 0, done.stderr[-3000:]
    shown = (folder / "figures" / "matchings.json").read_text().splitlines()[0]
    assert json.loads(shown)["study"] == name
    done = papermill("study/figures.ipynb", explored, run="runs/first", words=[only, "zebra"])
    assert done.returncode == 1
    assert f"no explained report has the words {only}, zebra: leave words empty" in done.stderr


@pytest.mark.parametrize(
    ("notebook", "message"),
    [
        ("explore.ipynb", "Make one with pretrain.ipynb"),
        ("study/figures.ipynb", "run notebooks/explore"),
    ],
)
def test_without_a_run_it_says_how_to_make_one(tmp_path, notebook, message):
    done = papermill(notebook, tmp_path)
    assert done.returncode == 1
    assert message in done.stderr
