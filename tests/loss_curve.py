"""Losses of the first twenty steps of a small run in float32; test_loss_curve.py compares them.

python tests/loss_curve.py > tests/stored/loss_curve.json
"""

import json
import tempfile
from pathlib import Path

import torch

import reclf.training.loop
from reclf.pretrain import pretrain
from reclf.runs.run import Run
from reclf.training.presets import make_config

SETTINGS = {
    "train.max_steps": 20,
    "train.batch_size": 8,
    "train.precision": "no",
    "train.device": "cpu",
    "train.val_studies": 20,
    "train.evaluate_every": 10,
    "train.warmup_steps": 5,
    "data.workers": 0,
    # Not of the preset, which has only what helps: the curve is to pass through them as well.
    "model.aggregator_options": {"overlap": 2.0, "importance_loss": 0.2},
}
KEPT = ("step", "global_loss", "local_loss", "auxiliary_loss", "gradient_norm", "logit_scale")
KEPT_OF_VALIDATION = ("val_recall_at_5", "val_local_nce", "val_global_nce")


def processor() -> str:
    """Vector instructions that torch uses, and the processor: kernels are chosen by both."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().split("\n\n")[0].splitlines() if path.exists() else []
    known = {name.strip(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
    parts = [known.get(name, "") for name in ("vendor_id", "cpu family", "model")]
    return " ".join([torch.backends.cpu.get_cpu_capability(), *parts]).strip()


def main() -> None:
    torch.set_num_threads(1)
    reclf.training.loop.LOG_EVERY = 1
    records = []
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder) / "run", make_config("phantom_small", **SETTINGS))
        pretrain(run, progress_bar=False, on_log=records.append)
    kept = (*KEPT, *KEPT_OF_VALIDATION)
    curve = {
        "cpu": processor(),
        "torch": torch.__version__,
        "records": [{name: one[name] for name in kept if name in one} for one in records],
    }
    print(json.dumps(curve, indent=1))


if __name__ == "__main__":
    main()
