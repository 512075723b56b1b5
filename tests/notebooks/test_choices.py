"""Every choice of every notebook is checked in its first cell, before anything is read."""

import json
import re
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
OF_TASKS = ("zero_shot", "linear_probe", "retrieval", "segmentation", "grounding",
            "study/attribution")  # fmt: skip
WRONG = [
    *((name, {"device": "gpu"}, "device must be one of auto, cpu, cuda, got 'gpu'")
      for name in (*OF_TASKS, "explore", "find", "study/relations", "study/benchmark")),
    *((name, {"checkpoint": "lst"}, "checkpoint must be one of best, last, start, got 'lst'")
      for name in (*OF_TASKS, "study/relations")),
    ("pretrain", {"device": "gpu"}, "train.device must be one of auto, cpu, cuda, got 'gpu'"),
    ("pretrain", {"on_problem": "skipp"}, "on_problem must be one of refuse, skip or empty, got"),
    ("pretrain", {"preset": "phantom"}, "unknown preset 'phantom'"),
    ("pretrain", {"minutes": -1.0}, "minutes must be at least 0, got -1.0"),
    ("pretrain", {"dataset": "nhi"}, "unknown data set 'nhi'"),
    ("pretrain", {"overrides": {"train.precision": "fp8"}}, "train.precision must be one of auto"),
    ("pretrain", {"overrides": {"data.options": {"lenth": 3}}}, "no option 'lenth'; did you mean"),
    ("pretrain", {"overrides": {"data.val_split": "vl"}}, "data.val_split must be one of train"),
    ("pretrain", {"overrides": {"model.aggregator_options.step": 3}}, "no option 'step'"),
    ("zero_shot", {"metric": "auc"}, "metric must be one of auroc, accuracy, macro_f1, got 'auc'"),
    ("zero_shot", {"pooling": "sum"}, "pooling must be one of mean, max, max_z, one, got 'sum'"),
    ("zero_shot", {"score": "both"}, "score must be one of combined, global, local, got 'both'"),
    ("zero_shot", {"rule": "ratio"}, "rule must be one of difference, positive, got 'ratio'"),
    ("zero_shot", {"studies": -1}, "studies must be at least 0, got -1"),
    ("zero_shot", {"prompts": "chexprt"}, "no prompt set 'chexprt'"),
    ("zero_shot", {"prompts": "chexpert", "labels": ["Nodule"]}, "no prompts for Nodule in "),
    ("linear_probe", {"fractions": [0.1, 10]}, "label fraction must be above 0 and at most 1, got"),
    ("linear_probe", {"fractions": []}, "fractions must not be empty"),
    ("linear_probe", {"recipe": "mimic"}, "recipe must be one of chexpert or empty, got 'mimic'"),
    ("linear_probe", {"recipe": "chexpert", "val_split": "test"}, "sets val_split to 'val', got"),
    ("linear_probe", {"recipe": "chexpert", "dataset": "nih"}, "dataset of recipe 'chexpert' must"),
    ("linear_probe", {"epochs": 0}, "epochs must be at least 1, got 0"),
    ("retrieval", {"index": "fais"}, "index must be one of auto, matrix, got 'fais'"),
    ("retrieval", {"metric": "precison"}, "metric must be one of recall, precision, got"),
    ("retrieval", {"shortlist": 0, "k": 0}, "shortlist must be at least 1, got 0; k must be at"),
    ("segmentation", {"empty_masks": "zero"}, "empty_masks must be one of"),
    ("segmentation", {"steps": 0}, "steps must be at least 1, got 0"),
    ("grounding", {"metric": "iou"}, "metric must be one of pointing, cnr, cnr_signed, miou, got"),
    ("grounding", {"heat": "hot"}, "heat must be one of score, attention, got 'hot'"),
    ("grounding", {"phrases": "word"}, "phrases must be one of auto, words, report, labels"),
    ("explore", {"n_gallery": -1}, "n_gallery must be at least 0, got -1"),
    ("find", {"fit": "cut"}, "fit must be one of pad, crop, stretch, got 'cut'"),
    ("find", {"query": ""}, "there is nothing to look for: give query or film"),
    ("find", {"n_found": 0}, "n_found must be at least 1, got 0"),
    ("explore", {"hospital": "D"}, "hospital must be one of A, B, C or empty, got 'D'"),
    ("data_check", {"dataset": "nhi"}, "unknown data set 'nhi'"),
    ("data_check", {"most": -1}, "most must be at least 0"),
    ("prepare", {"bits": "12"}, "bits must be one of 8, 16, auto, got '12'"),
    ("prepare", {"unreadable": "drop"}, "unreadable must be one of refuse, skip"),
    ("prepare", {"splits": ["train", "tset"]}, "splits must be one of train, val, test, got 'ts"),
    ("study/ablation", {"overrides": {"train.device": "gpu"}}, "train.device must be one of"),
    ("study/ablation", {"seeds": 0, "split": "tst"}, "seeds must be at least 1, got 0; split must"),
    ("study/attribution", {"fill": "black"}, "fill must be one of blur, mean, got 'black'"),
    ("study/attribution", {"curve_steps": 1}, "curve_steps must be at least 2"),
    ("study/benchmark", {"parts": ["score"]}, "parts must be some of ['scores', 'memory'"),
    ("study/benchmark", {"parts": []}, "'data', 'gpu'], got []"),
    ("study/figures", {"step": -2}, "step must be at least -1"),
    ("study/oracle", {"steps": 10}, "steps must be at least 20, got 10"),
    ("study/oracle", {"pairs": 8}, "pairs must be at least 16, got 8"),
    ("study/phantom", {"pair_fact": "sides"}, "pair_fact must be one of "),
    ("study/phantom", {"split": "tset"}, "split must be one of train, val, test, got 'tset'"),
    ("study/relations", {"hospitals": ["D"]}, "some of ['A', 'B', 'C'], got ['D']"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "given", "message"), WRONG)
def test_a_choice_that_does_not_exist_stops_in_the_first_cell(
    name, given, message, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    declared, first = [c.source for c in notebook.cells if c.cell_type == "code"][:2]
    injected = "\n".join(["# Parameters", *(f"{k} = {v!r}" for k, v in given.items())])
    names = {"In": [declared, injected, first]}
    exec(f"{declared}\n{injected}", names)
    with pytest.raises(ValueError, match=re.escape(message)):
        exec(first, names)
    assert list(tmp_path.iterdir()) == []  # nothing was made, and no run was there to be read


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"prompts\.json must be JSON like .*classes"),
        (json.dumps({"a": {}}), r"prompts\.json must be JSON like .*classes"),
        (json.dumps({"classes": {"a": {"positive": ["Yes."]}}}), "class 'a' of .* no negative"),
    ],
)
def test_a_file_of_prompts_is_read_in_the_first_cell(content, message, tmp_path):
    from reclf.tasks.prompt_sets import check_prompts

    path = tmp_path / "prompts.json"
    path.write_text(content)
    with pytest.raises(ValueError, match=message):
        check_prompts(str(path), [])
