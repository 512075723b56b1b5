"""An image encoder of others in a suite: imported, asked what it can be asked, compared."""

import pytest
from notebook_runs import untrained_run
from transformers import ResNetConfig, ResNetModel

from reclf_study.paper_table.cells import Cells, run_all
from reclf_study.paper_table.collect import collect
from reclf_study.paper_table.suite import make_suite

pytestmark = pytest.mark.slow


def test_it_is_imported_and_compared_where_it_can_be(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    sizes = {"embedding_size": 8, "hidden_sizes": [8, 8, 8, 16], "depths": [1, 1, 1, 1]}
    tower = ResNetModel(ResNetConfig(num_channels=3, layer_type="basic", **sizes))
    tower.save_pretrained("tower")
    untrained_run(tmp_path / "mine", {"model.image_size": 48, "data.options": {"length": 30}})
    values = {
        "folder": "out",
        "data": {"phantom": {"options": {"length": 30}}},
        "runs": {"mine": "mine"},
        "encoders": {"peer": {"source": "tower", "options": {"image_size": 48}}},
        "tasks": {
            "linear_probe": {"train_studies": 30, "fractions": [1.0]},
            "retrieval": {"shortlist": 3},
        },
        "device": "cpu",
    }
    cells = Cells(make_suite(values))
    assert [cell.name for cell in cells.all] == [
        "mine/linear_probe-phantom", "mine/retrieval-phantom",
        "import/peer", "peer/linear_probe-phantom",
    ]  # fmt: skip
    assert run_all(cells, show=print) == []
    assert cells.open == []
    table = collect(cells)
    assert table.notes == {}
    assert table.rows == {
        "mine": "run", "peer": "encoder", "untrained, as mine": "untrained",
        "untrained, as peer": "untrained",
    }  # fmt: skip
    (probe,) = table.of_task("linear_probe")
    assert all(table.entries[row, probe].compares for row in table.rows)
    assert not any(row == "peer" for row, m in table.entries if m.task == "retrieval")
