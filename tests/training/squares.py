"""Small pairs for trainings of tests, and how these are started and compared."""

import numpy as np

from reclf.data.study import Study
from reclf.data.tokenization import train_tokenizer
from reclf.pretrain import make_model
from reclf.runs.run import Run
from reclf.training.loop import train

WORDS = ("left", "right", "effusion", "nodule", "no", "small", "large", "heart")


class Squares:
    """Twenty studies: a bright square whose place the report names."""

    labels = ()

    def __len__(self):
        return 20

    def __getitem__(self, index):
        random = np.random.default_rng(index)
        image = random.random((64, 64), dtype=np.float32) * 0.2
        row, column = divmod(index % 16, 4)
        image[16 * row : 16 * row + 16, 16 * column : 16 * column + 16] += 0.7
        words = [WORDS[row], WORDS[column + 4], *random.choice(WORDS, 1 + index % 3)]
        return Study(f"s{index}", f"p{index}", image, " ".join(words))


def start(run, studies):
    config = run.config
    tokenizer = train_tokenizer([s.report for s in map(studies.__getitem__, range(20))], 60)
    return make_model(config.model, tokenizer, config.train.seed)


def run_training(folder, config, studies, model=None):
    run = Run(folder, config)
    val = [studies[i] for i in range(6)]
    model = model or start(run, studies)
    return run, train(model, run, studies, val, progress_bar=False)


def comparable(run):
    """metrics.jsonl without what depends on the clock."""
    clocks = ("seconds", "studies_per_second", "memory_mb")
    return [{k: v for k, v in record.items() if k not in clocks} for record in run.history()]
