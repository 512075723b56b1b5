"""The suite file: what it may say, and what each mistake is called."""

import pytest
from paper_suites import suite_of, write_suite

from reclf_study.paper_table.notebook_parameters import TASKS, task_parameters
from reclf_study.paper_table.suite import make_suite, read_suite

RUNS = {"runs": {"mine": "runs/mine"}}
PHANTOM = {**RUNS, "data": {"phantom": {}}}


def test_default_columns_follow_from_the_data_sets():
    suite = make_suite({**RUNS, "data": {"siim": "/nowhere", "phantom": {}}})
    assert {name for name in suite.columns if name.endswith("-siim")} == {
        "zero_shot-siim", "linear_probe-siim", "segmentation-siim",
    }  # fmt: skip
    assert {f"{task}-phantom" for task in TASKS} <= suite.columns.keys()
    assert suite.columns["segmentation-siim"].options["empty_masks"] == "one"
    assert suite.missing == ["siim"]


def test_a_source_may_have_a_name_of_its_own():
    source = {"dataset": "open_i", "root": "/nowhere", "options": {"on_problem": "skip"}}
    suite = make_suite({**RUNS, "data": {"hospital": source}})
    given = suite.parameters("retrieval-hospital")
    assert (given["dataset"], given["name"]) == ("open_i", "hospital")
    assert given["options"] == {"on_problem": "skip"}


def test_two_columns_of_one_task_and_data_set_have_two_names():
    suite = make_suite({**RUNS, "data": {"chexpert": "/nowhere"}})
    column = suite.columns["zero_shot-chexpert_5x200"]
    assert column.options["split"] == "5x200"
    assert suite.parameters("zero_shot-chexpert_5x200")["name"] == "chexpert_5x200"


def test_own_columns_merge_over_the_defaults_and_null_leaves_one_out():
    values = {
        **RUNS,
        "data": {"phantom": {}},
        "tasks": {"zero_shot": {"studies": 7}, "retrieval": None},
        "columns": {
            "zero_shot-phantom": {"options": {"pooling": "one"}},
            "retrieval-phantom": None,
            "grounding-phantom": {},
        },
    }
    suite = make_suite(values)
    assert set(suite.columns) == {"zero_shot-phantom", "grounding-phantom"}
    assert suite.columns["zero_shot-phantom"].options == {"pooling": "one", "studies": 7}


def test_a_grid_is_variants_by_seeds_with_one_setting_between_them():
    grid = {"variants": ["reclf", "mean"], "seeds": [3, 4], "overrides": {"train.max_steps": 2}}
    suite = make_suite({"data": {"phantom": {}}, "train": grid})
    assert [row.title for row in suite.rows] == ["RECLF", "mean of matchings"]
    runs = {run: config for row in suite.rows for run, config in row.configs.items()}
    assert list(runs) == ["reclf-seed3", "reclf-seed4", "mean-seed3", "mean-seed4"]
    assert runs["mean-seed4"].model.aggregator == "mean"
    assert {config.train.max_steps for config in runs.values()} == {2}
    assert [config.train.seed for config in runs.values()] == [3, 4, 3, 4]


def test_a_grid_of_settings_of_ones_own():
    grid = {"variants": {"wide": {"model.embed_dim": 256}}, "seeds": [0]}
    suite = make_suite({"data": {"phantom": {}}, "train": grid})
    assert suite.rows[0].configs["wide-seed0"].model.embed_dim == 256


def test_runs_of_several_seeds_are_one_row():
    suite = make_suite({"data": {"phantom": {}}, "runs": {"mine": ["runs/a", "runs/b"]}})
    assert [path.name for path in suite.rows[0].folders.values()] == ["a", "b"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({**PHANTOM, "seed_s": 1}, r"no 'seed_s' \(did you mean 'seed'\?\)"),
        ({**RUNS, "data": {"phantm": {}}}, "unknown data set 'phantm'"),
        ({**RUNS, "data": {"siim": {"rot": "x"}}}, "data.siim.rot"),
        ({**RUNS, "data": {"siim": {"root": "x", "options": {"stge": 1}}}}, "did you mean 'stage'"),
        ({**PHANTOM, "tasks": ["zeroshot"]}, "did you mean 'zero_shot'"),
        ({**PHANTOM, "tasks": {"retrieval": {"shortlst": 5}}}, "shortlist"),
        ({**PHANTOM, "tasks": {"retrieval": {"k": "five"}}}, "k must be int"),
        ({**PHANTOM, "tasks": {"retrieval": {"run": "x"}}}, "set by the suite"),
        ({**PHANTOM, "columns": {"zero_shot-x": {}}}, "columns.zero_shot-x.data"),
        ({**PHANTOM, "columns": {"retrieval-x": None}}, "has no 'retrieval-x'"),
        ({**RUNS, "data": {"table": "/nowhere"}}, "no task for the data sets table"),
        ({**RUNS, "data": ["phantom"]}, "data must be a mapping"),
        ({"data": {"phantom": {}}}, "nothing to compare"),
        ({"data": {"phantom": {}}, "runs": {"a": 3}}, "runs.a must be a folder"),
        ({"data": {"phantom": {}}, "train": {"variants": ["reclff"]}}, "did you mean 'reclf'"),
        ({"data": {"phantom": {}}, "train": {"preset": "mimic"}}, "unknown preset"),
        ({"data": {"phantom": {}}, "train": {"data": "mimic"}}, "train.data has no 'mimic'"),
        ({"data": {"phantom": {}}, "train": {"seeds": []}}, "train.seeds must name"),
        ({"data": {"phantom": {}}, "train": {"overrides": {"train.stps": 1}}}, "train.stps"),
        ({**PHANTOM, "train": {"variants": {"mine": {"train.seed": 1}}}}, "two rows"),
        ({**PHANTOM, "train": {}, "runs": {"reclf-seed0": "x"}}, "two runs are called reclf-seed0"),
        ("phantom", "a suite must be a mapping"),
    ],
)  # fmt: skip
def test_each_mistake_is_named(tmp_path, values, message):
    path = write_suite(tmp_path, **values) if isinstance(values, dict) else tmp_path / "suite.yaml"
    if not path.exists():
        path.write_text(values)
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        read_suite(path)
    assert str(path) in str(caught.value)


def test_no_suite_file_and_no_yaml(tmp_path):
    with pytest.raises(FileNotFoundError, match="notebooks/suites has examples"):
        read_suite(tmp_path / "none.yaml")
    path = tmp_path / "suite.yaml"
    path.write_text("data: [")
    with pytest.raises(ValueError, match="is no valid YAML"):
        read_suite(path)


@pytest.mark.parametrize("task", TASKS)
def test_parameters_are_those_of_the_notebook(task):
    p = task_parameters(task, {"studies": 3})
    assert (p.studies, p.seed, p.checkpoint) == (3, 0, "best")
    with pytest.raises(ValueError, match=f"{task}: .*'studis' .studies"):
        task_parameters(task, {"studis": 3})
    with pytest.raises(ValueError, match="no name of a parameter"):
        task_parameters(task, {"studies; x": 3})


def test_a_wrong_file_of_published_numbers_is_named_at_once(tmp_path):
    (tmp_path / "mine.yaml").write_text("sources: {}")
    with pytest.raises(ValueError, match=r"mine.yaml: 'tables' is missing"):
        make_suite({**PHANTOM, "published": str(tmp_path / "mine.yaml")})


def test_a_task_without_a_column_is_told_of():
    suite = make_suite({**RUNS, "data": {"siim": "x"}, "tasks": ["zero_shot", "retrieval"]})
    assert suite.without_columns == ("retrieval",)
    assert "retrieval has no default column on these data" in suite.left_out[-1]


def test_further_runs_join_those_of_the_file(tmp_path):
    suite = suite_of(tmp_path)
    path = write_suite(tmp_path, data={"phantom": {}}, runs={"a": "one"})
    found = read_suite(path, {"b": "two", "a": "three"})
    assert [row.title for row in found.rows] == [row.title for row in suite.rows]
    assert found.rows[0].folders["a"].name == "three"
