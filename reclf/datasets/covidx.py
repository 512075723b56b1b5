"""COVIDx: the chest radiographs that COVID-Net's scripts gather, in two of its versions.

    version "9A"      root/{train,test}_COVIDx9A.txt, three classes: normal, pneumonia, COVID-19
    version "CXR-3"   root/{train,test}.txt, two classes: negative, positive; CXR-2 too
    version "CXR-4"   root/{train,val,test}.txt, the same classes
    all               root/{train,val,test}/<filename>

Lines are "patient filename class source", separated by spaces, without a header; a file name may
hold spaces itself. Versions are different data sets: always name the one of a result. From
https://www.kaggle.com/datasets/andyczhao/covidx-cxr2 (CXR-4), or made by
https://github.com/lindawangg/COVID-Net (9A).
"""

from collections.abc import Iterator
from pathlib import Path

from .base import Loader, LoaderOptions, Row
from .parts import Part, find_parts, read_list
from .problems import refuse
from .splits import val_of_patient
from .tiny import draw_chest, patients_in, write_image

FILES: dict[tuple[str, ...], dict] = {
    ("train_COVIDx9A.txt",): {"version": "9A"},
    ("train.txt", "test.txt", "train"): {"version": "CXR-3"},
    ("train.txt", "val.txt", "test.txt", "train"): {"version": "CXR-4"},  # the later one counts
}
_TWO = ("negative", "positive")
CLASSES = {"9A": ("normal", "pneumonia", "COVID-19"), "CXR-3": _TWO, "CXR-4": _TWO}
_SOURCE = {
    "9A": "from COVID-Net's script create_COVIDx.ipynb, https://github.com/lindawangg/COVID-Net",
    "CXR-3": "with COVIDx CXR-3, https://www.kaggle.com/datasets/andyczhao/covidx-cxr2",
    "CXR-4": "with COVIDx CXR-4, https://www.kaggle.com/datasets/andyczhao/covidx-cxr2",
}
_LISTS = {
    "9A": {"train": "train_COVIDx9A.txt", "test": "test_COVIDx9A.txt"},
    "CXR-3": {"train": "train.txt", "test": "test.txt"},
    "CXR-4": {"train": "train.txt", "val": "val.txt", "test": "test.txt"},
}


class Covidx(Loader):
    """One study per image.

    Args:
        split: versions 9A and CXR-3 have no val: a tenth of the patients of train.
        version: "9A", "CXR-3" or "CXR-4".
        on_problem: some lists repeat lines, which is a "duplicate study": "skip" leaves the
            repetition out.

    Labels: 9A has normal, pneumonia and COVID-19, of which one is 1; the others have COVID-19.
    Study.meta has the class as in the list, and the source of the image.
    """

    title = "COVIDx"
    defaults = LoaderOptions(headers=False)
    with_reports = False

    def read_rows(self, root: Path, *, version: str = "9A") -> Iterator[Row]:
        if version not in CLASSES:
            raise ValueError(f"version must be one of {', '.join(CLASSES)}, got {version!r}")
        self.name = f"COVIDx {version} in {root}"
        parts = {key: Part((name,), _SOURCE[version]) for key, name in _LISTS[version].items()}
        folders = {f"{key}/": Part((key,), _SOURCE[version]) for key in parts}
        paths = find_parts(__name__, f"COVIDx {version}", root, parts | folders)
        for key in parts:
            own_val = key == "train" and "val" not in parts
            for patient, name, kind, source in _read(paths[key], CLASSES[version]):
                yield Row(
                    study_id=f"{key}/{name}",
                    patient_id=patient,
                    split=val_of_patient(patient) if own_val else key,
                    image=root / key / name,
                    labels=_labels(kind, version),
                    meta={"class": kind, "source": source},
                )


def _labels(kind: str, version: str) -> dict[str, float]:
    if version != "9A":
        return {"COVID-19": float(kind == "positive")}
    return {name: float(name == kind) for name in CLASSES[version]}


def _read(path: Path, classes: tuple[str, ...]) -> list[tuple[str, str, str, str]]:
    """Patient, file name, class, source of every line."""
    entries, wrong = [], []
    for line in read_list(path):
        patient, _, rest = line.partition(" ")
        # From the right, for a file name may hold spaces and the source be missing.
        words = rest.split(" ")
        at = next((i for i in range(len(words) - 1, 0, -1) if words[i] in classes), 0)
        if at:
            entries.append((patient, " ".join(words[:at]), words[at], " ".join(words[at + 1 :])))
        else:
            wrong.append(repr(line))
    advice = (
        f"Lines are 'patient filename class source' without a header, the class one of "
        f"{', '.join(classes)}. Another version? See the option version."
    )
    refuse(path, "line without a known class", wrong, advice)
    return entries


def write_tiny(root: str | Path, *, version: str = "9A") -> Path:
    """Write a made-up copy of a version: 30 images of train, two a patient, the last 6 of patients
    who are val where a version has no list of it; 6 of each other list."""
    root, number = Path(root), 0
    patients = patients_in(["train"] * 12 + ["val"] * 3, "train{}", val_of_patient)
    for key, name in _LISTS[version].items():
        lines = []
        for count in range(30 if key == "train" else 6):
            number += 1
            # One of the names holds spaces, as older versions have them.
            end = "view 1 (2).png" if count == 1 else "view.png"
            file, kind = f"{key}-{count} {end}", CLASSES[version][count % len(CLASSES[version])]
            file = file if count == 1 else file.replace(" ", "-")
            write_image(root / key / file, draw_chest(number))
            patient = patients[count // 2] if key == "train" else f"{key}{count // 2}"
            lines.append(f"{patient} {file} {kind} tiny")
        (root / name).write_text("\n".join(lines) + "\n")
    return root
