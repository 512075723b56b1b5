"""Products of severity, kind and place: their sentences, and which of them are drawn."""

import json

import pytest

from reclf.datasets.labels import CHEXPERT_LABELS, COMPETITION_LABELS
from reclf.tasks.prompt_sets import check_prompts, load_prompts

PRODUCT = {"severity": ["", "mild"], "kind": ["edema", "ILD"], "place": ["", "at the bases"]}


@pytest.fixture
def write(tmp_path):
    def write(**classes):
        path = tmp_path / "mine.json"
        path.write_text(json.dumps({"classes": classes}))
        return str(path)

    return write


def test_a_product_has_a_sentence_for_each_combination(write):
    path = write(Edema={"positive": PRODUCT, "negative": ["No edema."]}, Other="Edema")
    prompts, _ = load_prompts(path, ["edema", "Other"])
    assert prompts["edema"] == {
        "positive": [
            "Edema.", "Edema at the bases.", "ILD.", "ILD at the bases.",
            "Mild edema.", "Mild edema at the bases.", "Mild ILD.", "Mild ILD at the bases.",
        ],
        "negative": ["No edema."],
    }  # fmt: skip
    assert prompts["Other"] == prompts["edema"]


def test_some_are_drawn_by_the_seed_whatever_the_other_classes(write):
    both = {"positive": PRODUCT, "negative": PRODUCT}
    path = write(Edema=both, Other=both)
    everything, _ = load_prompts(path, ["Edema"])
    drawn, _ = load_prompts(path, ["Edema", "Other"], sampled=5, seed=1)
    positive = drawn["Edema"]["positive"]
    assert len(positive) == len(set(positive)) == 5
    assert set(positive) < set(everything["Edema"]["positive"])
    assert len({tuple(texts) for prompt in drawn.values() for texts in prompt.values()}) > 1
    alone, _ = load_prompts(path, ["Edema"], sampled=5, seed=1)
    assert alone["Edema"] == drawn["Edema"]
    others = [load_prompts(path, ["Edema"], sampled=5, seed=s)[0] for s in range(2, 6)]
    assert any(other["Edema"] != drawn["Edema"] for other in others)
    assert load_prompts(path, ["Edema"], sampled=99)[0] == everything


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ({"a": {"positive": {"kind": ["x"]}, "negative": ["No."]}}, "positive prompts of class"),
        ({"a": {"positive": ["x"], "negative": PRODUCT | {"kind": [""]}}}, "negative prompts of"),
        ({"a": {"positive": PRODUCT | {"place": []}, "negative": ["No."]}}, "must be a list of se"),
        ({"a": {"positive": "There is.", "negative": ["No."]}}, "must be a list of sentences or"),
        ({"a": "b"}, "class 'a' of .* is 'b', which has no prompts there"),
        ({"a": ["There is."]}, "class 'a' of .* must be"),
    ],
)  # fmt: skip
def test_what_is_no_product_and_no_list_is_refused(write, classes, message):
    with pytest.raises(ValueError, match=message):
        check_prompts(write(**classes), [])


def test_the_shipped_products_hold_more_than_a_protocol_draws():
    prompts, source = load_prompts("products", list(CHEXPERT_LABELS))
    assert source == "products"
    assert set(prompts) == set(CHEXPERT_LABELS)
    assert all(len(prompts[name]["positive"]) >= 100 for name in COMPETITION_LABELS)
    drawn, _ = load_prompts("products", list(COMPETITION_LABELS), sampled=5)
    assert {len(prompt["positive"]) for prompt in drawn.values()} == {5}
    assert set(load_prompts("products", ["normal", "pneumonia", "COVID-19", "Effusion"])[0]) == {
        "normal", "pneumonia", "COVID-19", "Effusion",
    }  # fmt: skip
