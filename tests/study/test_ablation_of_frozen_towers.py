"""An ablation on frozen towers with an aligned start: what is trained, and what its start gave."""

import pytest

from reclf.models.encoders import ImageEncoder
from reclf.runs.run import START, Run
from reclf.training.presets import make_config
from reclf_study.ablation import Ablation
from reclf_study.evaluation_suite import EvaluationSuite
from reclf_study.treatment import MOVED

TINY = {
    "model.image_size": 32,
    "model.embed_dim": 8,
    "model.matching_dim": 6,
    "model.image_pooling": "mean",
    "model.image_tower.freeze": True,
    "model.text_tower.freeze": True,
    "model.image_tower.config": {
        "model_type": "resnet", "num_channels": 1, "embedding_size": 8,
        "hidden_sizes": [8, 8, 8, 8], "depths": [1, 1, 1, 1], "layer_type": "basic",
    },
    "data.options": {"length": 120},
    "data.augment": False,
    "data.workers": 0,
    "train.aligned_start": 40,
    "train.batch_size": 4,
    "train.val_studies": 8,
}  # fmt: skip
SUITE = {"n_gallery": 16, "n_pairs": 2, "n_labeled": 20}


def ablate(folder, rate, said):
    config = make_config("phantom_small", **TINY, **{"train.learning_rate": rate})
    done = Ablation(folder, config, ["irm_words"], seeds=1, steps=3)
    done.complete(EvaluationSuite.draw(config, **SUITE), said.append)
    return done.results["irm_words", 0]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Folder and results of an ablation that trains, and the films that its towers saw."""
    seen, real, folder = [], ImageEncoder._run_tower, tmp_path_factory.mktemp("ablation")

    def note(self, pixels):
        seen.extend(one.numpy().tobytes() for one in pixels)
        return real(self, pixels)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ImageEncoder, "_run_tower", note)
        return folder, ablate(folder, 0.5, []), seen


def test_what_an_aligned_start_gave_is_not_called_trained(tmp_path, trained):
    still, moved = ablate(tmp_path, 1e-9, []), trained[1]
    assert still["irm_max_min"].value > 1.5  # by the start, and not by the training
    assert still["irm_moved"].value < 1e-3 < MOVED < moved["irm_moved"].value


def test_a_frozen_tower_sees_each_film_once(trained):
    seen = trained[2]
    assert len(seen) > 40  # of the start; and of the training and the evaluation
    assert len(set(seen)) == len(seen)


def test_a_run_that_kept_no_start_says_so_and_has_all_other_numbers(trained):
    folder, whole, _ = trained
    run, said = Run(folder / "irm_words-seed0"), []
    run.checkpoint(START).rename(folder / "elsewhere")
    (run.folder / "results" / "ablation-per_study.npz").unlink()
    again = ablate(folder, 0.5, said)
    assert "how far its modules moved is not known" in said[0]
    assert "start is missing" in said[0]
    assert whole.keys() - again.keys() >= {"irm_moved", "irm_max_min"}
    assert again["recall_at_5"].value == whole["recall_at_5"].value
