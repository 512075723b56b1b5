"""What every task notebook starts and ends with: opening a run, writing a result.

    run folder -> TaskRun: model, untrained baseline, data set -> task -> results/<task>-<name>.json

A number of a trained encoder needs the same number of an untrained one of the same shape beside it,
and the choices that it depends on: `TaskRun` keeps all three together.
"""

import hashlib
import math
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch.utils.data import Subset

from reclf.config import check, check_choice, merge
from reclf.config.foreign_files import NamedByFile
from reclf.data.read_ahead import ReadAhead
from reclf.data.study import Study
from reclf.datasets.copy_recipe import RECIPE, read_recipe
from reclf.datasets.patient_hashes import patient_hashes
from reclf.datasets.registry import find_dataset, load_dataset
from reclf.datasets.selection import gallery, readable
from reclf.datasets.splits import check_split
from reclf.models.baselines import UNTRAINED_SEED, start_of, untrained_like
from reclf.models.inference import encoder_precision
from reclf.models.reclf import RECLF
from reclf.runs.device import choose_device
from reclf.runs.files import unless_read_only, write_atomically
from reclf.runs.notebook import resolve
from reclf.runs.progress import track
from reclf.runs.run import IMPORTED, START, Run
from reclf.runs.training_patients import recorded_patients
from reclf.stats.tables import plain

from .features import Pooled, pooled_features
from .results import REQUIRED, present_names, short_hash

FIGURE_DPI = 80


@dataclass
class TaskRun:
    """A run under test on a data set.

    Attributes:
        run: where the model comes from and the result goes.
        models: "trained", "random" and maybe "start", in eval mode on one device.
        dataset, root, options: the data set under test, as for `load_dataset`.
        split: the split that numbers are reported on.
        seed: of every choice that a task makes.
        name: of the data set in file names.
        checkpoint: "best" or "last", or "start" of a run with an aligned start.
        start: of tasks that read images alone, where the image tower was pretrained: from where,
            or why it cannot be loaded again; else "".
        workers: processes that read studies; 0 reads in this one.
        opened: data sets by split, opened once.
    """

    run: Run
    models: dict[str, RECLF]
    dataset: str
    root: str
    options: dict[str, Any]
    split: str
    seed: int
    name: str
    checkpoint: str
    start: str = ""
    workers: int = 0
    opened: dict[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def open(cls, p: SimpleNamespace, *splits: str, images_only: bool = False) -> "TaskRun":
        """Open what a task notebook's parameters name. Every choice is checked before the model is
        loaded.

        Args:
            p: with run, checkpoint, dataset, data_root, options, split, name, seed and device, and
                workers where many studies are read. An empty dataset means the run's own. The run's
                options stay for its own data set, wherever that lies, and `options` merges over
                them. With trust_code, what the run's files name is imported, see `Run`.
            splits: further ones that the task reads.
            images_only: the task reads the image encoder alone, so that pretrained weights as they
                were before training have a row, "start".

        Raises:
            FileNotFoundError: no such run, or it has no checkpoint yet.
            ValueError: a choice that does not exist; or code that the run's files name.
        """
        check_choice("checkpoint", p.checkpoint, ("best", "last", START))
        workers = getattr(p, "workers", 0)
        check(workers >= 0, "workers", workers, "not be negative")
        device = choose_device(p.device)
        trust_code = getattr(p, "trust_code", False)
        run = Run(resolve(p.run), trust_code=trust_code)
        own = run.config.data
        if run.status["state"] == IMPORTED and not images_only:
            raise ValueError(
                f"{run.folder.name} is an image encoder alone: linear_probe and segmentation can "
                "be asked"
            )
        dataset = p.dataset or own.dataset
        if not dataset:
            raise ValueError(f"{run.folder.name} has no data set of its own: name one (dataset)")
        is_own = dataset == own.dataset
        root = p.data_root or (own.root if is_own else "")
        root = str(resolve(root)) if root else ""
        options = merge(own.options if is_own else {}, p.options)
        # One of your own is imported when it is opened, and one that a file names is refused now.
        if ":" not in dataset or isinstance(dataset, NamedByFile):
            find_dataset(dataset, options)
        for split in (p.split, *splits):
            check_split(split, dataset)
        checkpoint = run.start() if p.checkpoint == START else run.checkpoint(p.checkpoint)
        model = RECLF.from_pretrained(checkpoint, device, trust_code=trust_code)
        models = {"trained": model, "random": untrained_like(model, p.seed)}
        start, tower = "", model.config.image_tower
        if images_only and tower.name:
            start = f"{tower.name} {tower.revision}".rstrip()
            try:
                models["start"] = start_of(model, run)
            except OSError as error:
                start = f"no row: {error}"
                print(f"The initialization has no row: {error}")
        return cls(
            run=run,
            models=models,
            dataset=dataset,
            root=root,
            options=options,
            split=p.split or (own.test_split if is_own else "test"),
            seed=p.seed,
            name=p.name or _short_name(dataset, root),
            checkpoint=p.checkpoint,
            start=start,
            workers=workers,
        )

    @property
    def model(self) -> RECLF:
        return self.models["trained"]

    @property
    def loader(self) -> str:
        """The data set's name; of a prepared copy, of what it was made of."""
        return _made_of(self.dataset, self.root)

    @property
    def labels(self) -> list[str]:
        """Names of the labels, as the data set states them or else its first study."""
        data = self.open_split()
        return list(getattr(data, "labels", None) or data[0].labels)

    def choose_labels(self, wanted: Sequence[str]) -> list[str]:
        """The labels wanted, in their order; all if none is named."""
        unknown = [name for name in wanted if name not in self.labels]
        if unknown or not self.labels:
            raise ValueError(
                f"{self.name} has no label {', '.join(unknown)}: its labels are "
                f"{', '.join(self.labels) or 'none'}"
            )
        return list(wanted) or self.labels

    @property
    def trained_on(self) -> str:
        """The run's data set; of an imported encoder, where it came from."""
        return self.run.config.data.dataset or f"{IMPORTED}, {self.run.status['source']}"

    @property
    def checkpoint_step(self) -> int | None:
        names = {"best": "best_step", "last": "step"}
        return 0 if self.checkpoint == START else self.run.status.get(names[self.checkpoint])

    def __str__(self) -> str:
        return (
            f"{self.run.folder.name}, checkpoint {self.checkpoint} of step {self.checkpoint_step}, "
            f"trained on {self.trained_on!r}; under test: {self.name!r}, split "
            f"{self.split!r}{self._chosen_by}"
        )

    @property
    def _chosen_by(self) -> str:
        own = self.run.config.data
        root = str(resolve(own.root)) if own.root else ""
        same = (self.dataset, self.root, self.split) == (own.dataset, root, own.val_split)
        is_best = self.checkpoint == "best"
        return ", whose studies chose the checkpoint" if same and is_best else ""

    def open_split(self, split: str = "") -> Any:
        """A split of the data set under test (by default the one reported on)."""
        split = split or self.split
        if split not in self.opened:  # opening may check every file
            size = self.model.config.image_size
            data = load_dataset(self.dataset, self.root, split, size, **self.options)
            self.opened[split] = data
        return self.opened[split]

    def subset(self, data: Any, n: int = 0) -> Any:
        """n studies of a data set, drawn without replacement by the seed; 0 takes all.

        A torch `Subset`, which is a sequence of studies though its type does not say so.

        Drawn and not the first n: files are often sorted by class or by hospital.

        Raises:
            ValueError: all studies of the phantom's endless training split are asked for.
        """
        if n == 0 and getattr(data, "endless", False):
            raise ValueError(f"split of {len(data):,} studies: say how many to take, 0 takes all")
        chosen: Sequence[int] = range(len(data))
        if 0 < n < len(data):
            drawn = np.random.default_rng(self.seed).choice(len(data), n, replace=False)
            chosen = sorted(int(i) for i in drawn)
        return Subset(data, readable(data, chosen))

    def read(self, n: int = 0, split: str = "") -> ReadAhead:
        """n studies of a split, read when they are iterated over; see `subset`."""
        return ReadAhead(self.subset(self.open_split(split), n), self.workers)

    def studies(self, n: int = 0, split: str = "") -> list[Study]:
        """n studies of a split in memory; 0 takes all."""
        return list(track(self.read(n, split), "studies"))

    def pooled(self, n: int = 0, split: str = "") -> Pooled:
        """Pooled features of n studies of a split by both models, kept in the run's cache folder
        by what the checkpoint, the data and the choice of studies are."""
        studies = self.read(n, split)
        cache = self.cached(
            "pooled",
            getattr(self.open_split(split), "fingerprint", None),
            short_hash(*map(str, studies.studies.indices)),
            encoder_precision(self.model.device),
            *(model_hash(model) for model in self.models.values()),
        )
        title = f"features, {split or self.split}"
        return pooled_features(self.models, studies, progress=title, cache=cache)

    def gallery(self, n: int) -> list[Study]:
        """n studies for retrieval, distinct where the data set can tell; 0 takes all."""
        data = self.open_split()
        return gallery(data, n or len(data), self.workers)

    def protocol(self, ids: Sequence[str], **choices: Any) -> dict[str, Any]:
        """Every choice that can move a number, the shared ones first.

        Args:
            ids: of the studies that were reported on; their hash goes in.
            choices: of the task.
        """
        config, data = self.model.config, self.open_split()
        precision = encoder_precision(self.model.device)
        return {
            "dataset": self.name,
            "options": self.options,
            "split": self.split,
            "split_hash": short_hash(*ids),
            "data_fingerprint": getattr(data, "fingerprint", None),
            "gallery_hash": getattr(data, "gallery_hash", None),  # of CheXpert 5x200
            "trained_on": self.trained_on,
            "patients_in_training": self.patients_in_training(ids),
            "checkpoint": self.checkpoint,
            "checkpoint_step": self.checkpoint_step,
            "checkpoint_hash": model_hash(self.model),
            "encoder": "frozen",
            "batch_norm": "eval: running statistics of the checkpoint; of the random encoder: as "
            "initialised, mean 0 and variance 1",
            "image_size": config.image_size,
            "image_normalization": {"mean": config.image_mean, "std": config.image_std},
            "precision": precision
            if precision == "float32"
            else f"encoders {precision}, features and scores float32",
            "untrained_baseline_seed": self.seed + UNTRAINED_SEED,
            **({"initialization": self.start} if self.start else {}),
            "interval": "95 %, percentile bootstrap over studies",
            "seed": self.seed,
            **choices,
        }

    def patients_in_training(self, ids: Sequence[str]) -> str | None:
        """How many patients of these studies the run has learned from, "3 of 120"; warns of them.
        None where the run did not record its patients, or the data set cannot tell them."""
        learned = recorded_patients(self.run.folder)
        hashes = patient_hashes(self.dataset, self.open_split())
        if learned is None or hashes is None:
            return None
        reported = {hashes[study] for study in ids}
        if seen := len(reported & learned):
            warnings.warn(
                f"the run has learned from {seen} of the {len(reported)} patients of {self.name!r} "
                "that this reports on, and the number is too good by that: leave them out of the "
                "training (option exclude_patients), or report on others",
                stacklevel=3,
            )
        return f"{seen} of {len(reported)}"

    def require_value(self, result: Mapping[str, Any]) -> None:
        """Refuse a result whose value is NaN: the studies cannot tell anything."""
        if math.isnan(result["value"]):
            raise ValueError(
                f"{result['n']} studies of {self.name!r}, split {self.split!r}, give no number: "
                "no label has both classes among them, or no study exactly one class. Report on "
                "more of them (-p studies 0), another split, or another metric"
            )

    def write(self, task: str, result: Mapping[str, Any], protocol: Mapping[str, Any]) -> Path:
        """Write results/<task>-<data set>.json; NaN becomes null. `training` has the steps that the
        run has made, and their seconds.

        Raises:
            ValueError: a part that every result has is missing.
        """
        status = self.run.status
        training = {"steps": status.get("step"), "seconds": status.get("seconds")}
        values = present_names(plain({**result, "training": training, "protocol": protocol}))
        missing = [name for name in REQUIRED if name not in values]
        if missing:
            raise ValueError(f"a result of {task!r} must have {missing}")
        return self.run.write_result(f"{task}-{self.name}", values)

    def save_figure(self, task: str, figure: Any) -> Path:
        """Write figures/<task>-<data set>.png from a matplotlib figure."""
        path = self.run.folder / "figures" / f"{task}-{self.name}.png"

        def save(temporary: Path) -> None:
            figure.savefig(temporary, format="png", dpi=FIGURE_DPI, bbox_inches="tight")

        with unless_read_only(self.run.folder):
            write_atomically(path, save)
        return path

    def cached(self, name: str, *key: str | None) -> Path | None:
        """A file in the run's cache folder for this key; None if a part of the key is unknown.

        A data set without a fingerprint may change unseen, so nothing of it is kept.
        """
        parts = [part for part in key if part is not None]
        if len(parts) != len(key):
            return None
        return self.run.folder / "cache" / f"{name}-{short_hash(*parts)}.npz"


def model_hash(model: RECLF) -> str:
    """16 hexadecimal digits that change with any weight or setting."""
    digest = hashlib.blake2b(repr(model.config).encode(), digest_size=8)
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _short_name(dataset: str, root: str) -> str:
    if _made_of(dataset, root) == "table" and root:
        return Path(root).name.lower()  # any folder with a manifest: its own name says more
    name = _made_of(dataset, root).rpartition(":")[2].lower()
    return re.sub(r"[^\w.-]+", "-", name)  # it becomes a file's, and may stand in a copy's recipe


def _made_of(dataset: str, root: str) -> str:
    if dataset != "prepared":
        return dataset
    return read_recipe(root).dataset if (Path(root) / RECIPE).is_file() else dataset
