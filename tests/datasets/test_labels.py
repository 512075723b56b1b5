"""Labels of the CheXpert family: the policies for uncertain and blank cells."""

import math

import numpy as np
import pandas as pd
import pytest

from reclf.datasets.labels import (
    CHEXPERT_LABELS,
    GLORIA_UNCERTAIN,
    blank_value,
    label_rows,
    uncertain_values,
)
from reclf.datasets.problems import DataProblems

TABLE = pd.DataFrame({"Edema": ["1.0", "0", "-1.0", "", " nan"], "Fracture": ["-1"] * 5})


def edema(uncertain, blank="nan"):
    values = {name: uncertain_values(uncertain)[name] for name in TABLE}
    return [row["Edema"] for row in label_rows(TABLE, values, blank_value(blank), "here")]


def test_policies():
    assert len(CHEXPERT_LABELS) == 14
    np.testing.assert_equal(edema("nan"), [1, 0, math.nan, math.nan, math.nan])
    np.testing.assert_equal(edema("zero", "zero"), [1, 0, 0, 0, 0])
    np.testing.assert_equal(edema("one"), [1, 0, 1, math.nan, math.nan])
    values = uncertain_values(GLORIA_UNCERTAIN)
    assert values["Atelectasis"] == values["Edema"] == values["Pleural Effusion"] == 1
    assert values["Cardiomegaly"] == values["Consolidation"] == 0
    assert math.isnan(values["Fracture"])


def test_wrong_cells_and_names():
    wrong = pd.DataFrame({"Edema": ["2", "yes", "yes", "1"]})
    message = r"(?s)here.*no label \(2\): .*Edema = 'yes' in 2 rows"
    with pytest.raises(DataProblems, match=message):
        label_rows(wrong, {"Edema": math.nan}, math.nan, "here")
    with pytest.raises(ValueError, match="blank must be 'nan' or 'zero', got 'one'"):
        blank_value("one")
    with pytest.raises(ValueError, match="uncertain must be 'nan', 'zero' or 'one', got 'half'"):
        uncertain_values("half")
    with pytest.raises(ValueError, match="uncertain: no label 'Oedema'; the labels are No Finding"):
        uncertain_values({"Oedema": "one"})
