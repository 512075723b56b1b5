"""An untrained run, and its tasks evaluated with some parameters of their notebooks given."""

from types import SimpleNamespace

import nbformat
import pytest
from notebook_runs import NOTEBOOKS, untrained_run

SETTINGS = {"model.image_size": 64, "data.options": {"length": 30}}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return untrained_run(tmp_path_factory.mktemp("runs") / "first", SETTINGS)


@pytest.fixture
def choose(run):
    """The parameters of a task's notebook with some given."""

    def choose(task, **given):
        notebook = nbformat.read(NOTEBOOKS / f"{task}.ipynb", as_version=4)
        names = {}
        exec(next(cell.source for cell in notebook.cells if cell.cell_type == "code"), names)
        names = {name: names[name] for name in names["__annotations__"]}
        return SimpleNamespace(**names | {"run": str(run.folder), "device": "cpu"} | given)

    return choose


def parameters(run, **given):
    values = {
        "run": str(run.folder), "checkpoint": "best", "dataset": "", "data_root": "",
        "options": {}, "split": "", "name": "", "seed": 3, "device": "cpu",
    }  # fmt: skip
    return SimpleNamespace(**{**values, **given})


def evaluate(module, p):
    task_run = module.open_task(p)
    evaluation = module.evaluate(task_run, p)
    check_protocol(evaluation, task_run)
    return evaluation, task_run.run.result(evaluation.write(task_run).stem)


PROTOCOLS = {
    "zero_shot": "labels_without_prompts metric normalization pooling prompt_set prompts rule "
    "rule_for_accuracy sampled_prompts score studies transductive",
    "linear_probe": "head hyper_parameters label_fractions labels metric stratified studies "
    "train_split train_studies unlearnable_label val_studies",
    "retrieval": "index metric per_class relevance score shortlist studies ties",
    "segmentation": "batch_size classes decoder empty_mask_rule label_fractions learning_rate loss "
    "metric model_selection steps studies threshold train_split train_studies val_studies",
    "grounding": "bootstrap cnr heat interpolation metric miou phrases pooling score "
    "several_boxes shuffled studies",
}


def check_protocol(evaluation, task_run):
    """Every choice of the task is stated, beside what all tasks state."""
    shared = task_run.protocol([]).keys()
    own = evaluation.protocol.keys() - shared - {"epochs", "prompts_drawn"}
    assert own == {*PROTOCOLS[evaluation.task.replace("_fine_tuned", "")].split()}
