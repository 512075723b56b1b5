"""NIH ChestX-ray14: 112,120 frontal radiographs, text-mined labels, some boxes.

    root/Data_Entry_2017_v2020.csv       Image Index, Finding Labels ("A|B"), Patient ID, ...
    root/train_val_list.txt, test_list.txt                the official split, by patient
    root/BBox_List_2017.csv              984 boxes of 8 findings, in pixels of the 1024 x 1024 files
    root/images/00000001_000.png         or root/images_001/images/... as the archives unpack

From https://nihcc.app.box.com/v/ChestXray-NIHCC. The box table says "Infiltrate" where the labels
say "Infiltration": here both are Infiltration. Two splits are in use: the official one, and one of
70/10/20 by REFERS, MRM and BenchX, which a split_file brings in; their numbers do not compare.
"""

import re
from collections import Counter
from collections.abc import Iterator, Set
from pathlib import Path

from reclf.data.study import Box

from .base import Loader, LoaderOptions, Row
from .boxes import read_boxes
from .parts import Part, find_parts, read_list, read_split_file, read_table
from .problems import refuse
from .splits import val_of_patient
from .tables_on_disk import refuse_unlike_spellings
from .tiny import draw_chest, write_image, write_table

FILES: dict[tuple[str, ...], dict] = {("Data_Entry_2017*.csv*",): {}}
LABELS = (
    "Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Effusion", "Emphysema", "Fibrosis",
    "Hernia", "Infiltration", "Mass", "Nodule", "Pleural_Thickening", "Pneumonia", "Pneumothorax",
)  # fmt: skip
_SOURCE = "from https://nihcc.app.box.com/v/ChestXray-NIHCC"
_TABLE = Part(("Data_Entry_2017_v2020.csv", "Data_Entry_2017.csv"), _SOURCE)
_BOXES = Part(("BBox_List_2017.csv",), _SOURCE)
_LISTS = {
    "train": Part(("train_val_list.txt",), _SOURCE),
    "test": Part(("test_list.txt",), _SOURCE),
}


class Nih(Loader):
    """One study per image; a patient has one or many.

    Args:
        split: the official lists have no val: here it is a tenth of the patients of
            train_val_list.txt.
        views: values of View Position to keep; the release has only these two.
        split_file: CSV with columns image (00000001_000.png) and split, relative to the root,
            instead of the official lists.
        boxes: read BBox_List_2017.csv; off, it need not be there. A study without boxes was not
            looked at: it may still show what its labels say.
        headers: without it, boxes on images of another size than 1024 x 1024 go unnoticed.

    An image "No Finding" has 0 for all labels. The labels were mined from reports, and are wrong
    for about one in ten.
    """

    title = "NIH ChestX-ray14"
    defaults = LoaderOptions(headers=False)
    with_reports = False

    def read_rows(
        self,
        root: Path,
        *,
        views: tuple[str, ...] | list[str] = ("PA", "AP"),
        split_file: str | None = None,
        boxes: bool = True,
    ) -> Iterator[Row]:
        parts = {"table": _TABLE, **({"boxes": _BOXES} if boxes else {})}
        paths = find_parts(__name__, self.title, root, parts | ({} if split_file else _LISTS))
        columns = ["Image Index", "Finding Labels", "Patient ID", "View Position"]
        table = read_table(paths["table"], columns)[columns]
        self.view_counts = table["View Position"].value_counts().to_dict()
        if unknown := [view for view in views if view not in (*self.view_counts, "PA", "AP")]:
            raise ValueError(
                f"no image has a View Position of {', '.join(unknown)}; {paths['table'].name} has "
                f"{', '.join(self.view_counts)}"
            )
        listed = set(table["Image Index"])
        table = table[table["View Position"].isin(views)]
        findings = [set(cell.split("|")) - {"No Finding"} for cell in table["Finding Labels"]]
        others = sorted(set().union(*findings) - set(LABELS))
        refuse(paths["table"], "unknown label", others, f"The labels are: {', '.join(LABELS)}.")
        patients = Counter(table["Patient ID"])
        refuse_unlike_spellings(paths["table"], "patient spelled in two ways", patients)
        boxes_of = _boxes(paths["boxes"], listed) if boxes else {}
        official: dict[str, str] = {}
        if not split_file:
            official = dict.fromkeys(read_list(paths["train"]), "train_val")
            official |= dict.fromkeys(read_list(paths["test"]), "test")
        split_of = read_split_file(root, split_file, official.__getitem__)
        if not split_file:
            without = table.loc[~table["Image Index"].isin(official), "Image Index"]
            advice = "Table and lists must be of one release; a list of your own is a split_file."
            names = without.str.removesuffix(".png")
            refuse(root, "image in neither official list", names, advice)
        files = _files(root)
        records = table.itertuples(index=False)
        for (image, _, patient, view), found in zip(records, findings, strict=True):
            where = split_of(image)
            yield Row(
                study_id=image.removesuffix(".png"),
                patient_id=patient,
                split=where if where != "train_val" else val_of_patient(patient),
                image=files.get(image, root / "images" / image),
                labels={name: float(name in found) for name in LABELS},
                boxes=boxes_of.get(image, ()),
                meta={"view": view},
            )


def _files(root: Path) -> dict[str, Path]:
    """File name -> path, of images that lie as the twelve archives unpack."""
    if (root / "images").is_dir():
        return {}
    return {path.name: path for path in root.glob("images_*/images/*.png")}


def _boxes(path: Path, listed: Set[str]) -> dict[str, tuple[Box, ...]]:
    """Image Index -> its boxes. The last header cells are "Bbox [x", "y", "w", "h]"."""
    table = read_table(path, ["Image Index", "Finding Label"]).iloc[:, :6]
    sides = [re.sub(r"\W|bbox", "", name.lower()) for name in table.columns[2:]]
    advice = "The columns are Image Index, Finding Label, Bbox [x, y, w, h], in this order."
    refuse(path, "box columns in another order", [] if sides == [*"xywh"] else sides, advice)
    table["Finding Label"] = table["Finding Label"].str.strip()
    table = table.replace({"Finding Label": {"Infiltrate": "Infiltration"}})
    advice = f"The labels are: {', '.join(LABELS)}."
    refuse(path, "unknown label", sorted({*table["Finding Label"]} - {*LABELS}), advice)
    # A part of the release has the boxes of all of it; but names in another spelling lose theirs.
    known = {name.removesuffix(".png") for name in listed}
    unknown = {*table["Image Index"]} - listed
    unlike = sorted(name for name in unknown if name.rpartition(".")[0] in known or name in known)
    advice = "Boxes and Data_Entry must spell the names of images alike, with their ending."
    refuse(path, "image that is not in the table of images", unlike, advice)
    table = table[table["Image Index"].isin(listed)]
    return read_boxes(table.itertuples(index=False), path)


def write_tiny(root: str | Path) -> Path:
    """Write 30 made-up images of 24 patients (six of test) with two boxes on the first one."""
    root = Path(root)
    labels = ["No Finding", "Infiltration", "Effusion|Pleural_Thickening", "Mass|Nodule"]
    rows, lists = [], {"train_val_list.txt": "", "test_list.txt": ""}
    for number in range(30):
        patient, follow_up = number % 24 + 1, number // 24
        image = f"{patient:08d}_{follow_up:03d}.png"
        write_image(root / "images" / image, draw_chest(number, 128, 128))
        finding, view = labels[(number + 1) % 4], ("PA", "AP")[number % 2]
        rows.append((image, finding, follow_up, patient, 50, "F", view, 2048, 2500, 0.168, 0.168))
        lists["test_list.txt" if patient > 18 else "train_val_list.txt"] += image + "\n"
    names = (
        "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,"
        "View Position,OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y]"
    )
    write_table(root / "Data_Entry_2017_v2020.csv", names, rows)
    for name, lines in lists.items():
        (root / name).write_text(lines)
    boxes = [
        ("00000001_000.png", "Infiltrate", 16, 32.5, 40, 20, "", "", ""),
        ("00000001_000.png", "Effusion", 80, 90, 30, 38, "", "", ""),
    ]
    write_table(root / "BBox_List_2017.csv", "Image Index,Finding Label,Bbox [x,y,w,h],,,", boxes)
    return root
