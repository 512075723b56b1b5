"""What the commands of the documents need on disk: tiny copies of every data set by the names that
the documents use."""

import importlib
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
from transformers import BertConfig, BertModel

from reclf.data.tokenization import train_tokenizer
from reclf.datasets import chexpert, ms_cxr
from reclf.datasets.tiny import draw_chest, write_image


def write_data(root: Path) -> Path:
    for name in ("mimic_cxr", "ms_cxr", "chexpert", "covidx", "siim", "rsna", "nih", "open_i"):
        importlib.import_module(f"reclf.datasets.{name}").write_tiny(root / name)
    (root / "chexpert").rename(root / "CheXpert-v1.0-small")
    chexpert.make_5x200(root / "CheXpert-v1.0-small", per_class=1)
    # MIMIC-CXR: reports in a folder of their own, one in a hundred without text, and the images of
    # MS-CXR among the others.
    mimic, reports = (root / "mimic_cxr").rename(root / "mimic-cxr-jpg"), root / "mimic-cxr-reports"
    for path in sorted(mimic.glob("files/**/*.txt")):
        (reports / path.relative_to(mimic)).parent.mkdir(parents=True, exist_ok=True)
        path.rename(reports / path.relative_to(mimic))
    (reports / "files/p10/p10000002/s50000002.txt").write_text("FINDINGS: ___\n")
    phrases = ms_cxr.write_tiny(root / "ms-cxr")
    shutil.copytree(phrases / "files", mimic / "files", dirs_exist_ok=True)
    shutil.rmtree(phrases / "files")

    write_pairs(root)  # a manifest is given by its folder or by its own name
    shutil.copy(root / "39.png", root / "film.png")  # of one's own
    for name in ("folder_with_manifest", "folder", "folder_or_manifest", "open_i", "nih"):
        write_pairs(root / name)
    write_masks(root / "lungs")
    write_text_tower(root / "minilm")
    return root


def write_pairs(root: Path) -> None:
    """A manifest of 40 image-report pairs, and a table with a box of each."""
    rows, boxes = [], []
    for number in range(40):
        image = write_image(root / f"{number}.png", draw_chest(number)).name
        kind, side = ("effusion", "nodule", "edema")[number % 3], ("left", "right")[number % 2]
        text = f"Case {number}: there is {kind} of the {side} lung. No pneumothorax."
        split = ("train", "train", "val", "test")[number // 10]
        codes = f"{kind.title()}/lung/{side}"
        rows.append((image, text, text, f"patient{number}", split, kind, codes))
        boxes.append((image, 20, 30, 40, 50, kind))
    columns = ["image", "report", "findings", "patient_id", "split", "labels", "mesh"]
    pd.DataFrame(rows, columns=columns).to_csv(root / "manifest.csv", index=False)
    columns = ["image", "x", "y", "w", "h", "label"]
    pd.DataFrame(boxes, columns=columns).to_csv(root / "boxes.csv", index=False)


def write_masks(root: Path) -> None:
    """A manifest of 30 images with masks, of train and val."""
    rows = []
    for number in range(30):
        mask = np.zeros((122, 98), dtype=np.uint8)
        mask[30 : 60 + number, 20:40] = 255
        write_image(root / f"film{number}.png", draw_chest(number))
        write_image(root / f"film{number}_mask.png", mask)
        rows.append(
            (f"film{number}.png", f"film{number}_mask.png", "train" if number < 20 else "val")
        )
    table = pd.DataFrame(rows, columns=["image", "mask", "split"])
    table.to_csv(root / "manifest.csv", index=False)


def write_text_tower(root: Path) -> None:
    """A tower with its tokenizer, as a download is."""
    tokenizer = train_tokenizer(["there is effusion of the left lung"], 100)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=16, num_hidden_layers=4, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=160,
    )  # fmt: skip
    BertModel(config).save_pretrained(root)
    tokenizer.save_pretrained(root)
