"""A manifest of six studies for tests, and what changes it; see `root`."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

SIZE = 16


def pixels(number, shape=(20, 40)):
    return np.full(shape, 10 * number, dtype=np.uint8)


@pytest.fixture
def root(tmp_path):
    """Six images of 20 x 40, patients 01 to 05 (04 twice), with reports, labels, masks, extras."""
    labels = ["Edema; Mass", "Mass|Edema", "No Finding", "", "Mass", "Nodule"]
    edema = ["1", "0", "", "nan", "1.0", "0"]
    (tmp_path / "images").mkdir()
    rows = []
    for number, patient in enumerate(["01", "02", "03", "04", "04", "05"], start=1):
        Image.fromarray(pixels(number)).save(tmp_path / f"images/{number}.png")
        rows.append(
            {
                "image": f"images/{number}.png",
                "report": f"Report {number}, 1.2 cm.",
                "patient_id": patient,
                "split": "valid" if number == 6 else "train",
                "labels": labels[number - 1],
                "Edema": edema[number - 1],
                "lung": "images/mask.png" if number == 1 else "",
                "age": f"0{number}",
            }
        )
    mask = np.zeros((20, 40), dtype=np.uint8)
    mask[:, 20:] = 255
    Image.fromarray(mask).save(tmp_path / "images/mask.png")
    pd.DataFrame(rows).to_csv(tmp_path / "manifest.csv", index=False)
    return tmp_path


def edit(root, change):
    table = pd.read_csv(root / "manifest.csv", dtype=str, keep_default_na=False)
    changed = change(table)
    (table if changed is None else changed).to_csv(root / "manifest.csv", index=False)


def put(column, row, value):
    def change(table):
        table.loc[row, column] = value

    return change
