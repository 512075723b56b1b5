"""Masks and boxes."""

import numpy as np
import pandas as pd

from .case import Folder, case, encoded, left_out, pixels, read, refused

FILE = r"manifest\.csv"
BOXES = r"boxes\.csv"
HALF = np.zeros((64, 64), dtype=np.uint8)
HALF[:, 32:] = 255
AREA = 64 * 32


def mask(content, name="masks/m.png", cell=None):
    def write(folder: Folder):
        folder.column("lung", [name if cell is None else cell] + [""] * 9)
        if content is not None:
            folder.file(name, content)

    return write


def masked(name, write, *right):
    return case(f"mask_{name}", write, *right, mask_columns=["lung"])


def area(pixels_inside):
    return read(masks={0: {"lung": pixels_inside}, 1: {}})


def bad_mask(name, content, file="masks/m.png", *also):
    return masked(name, mask(content, file), left_out(0, file.replace(".", r"\.")), *also)


def boxes(*rows, header="image,x,y,width,height,label", tail="", manifest_change=None):
    def write(folder: Folder):
        folder.file("boxes.csv", "\n".join([header, *rows]) + "\n")

    return write


def boxed(name, row, *right, **options):
    write = row if callable(row) else boxes(row)
    return case(f"box_{name}", write, *right, **{"box_file": "boxes.csv", **options})


def of_parquet(dtype=None, **columns):
    def write(folder: Folder):
        label = columns.pop("label")
        frame = pd.DataFrame({"image": ["images/0.png", "images/1.png"], "label": label})
        for name, values in columns.items():
            frame[name] = pd.Series(values, dtype=dtype)
        frame.to_parquet(folder.root / "boxes.parquet")

    return write


def one(*sides, label="Mass"):
    return read(boxes={0: ((label, *sides),), 1: ()})


def bad_box(name, row, *words, **options):
    """Refused, or the study left out; never read without its box."""
    return boxed(name, row, refused("box", *words), left_out(0, "box", *words), **options)


def in_manifest(folder: Folder):
    sides = {"x": "4", "y": "8", "width": "10", "height": "20", "label": "Mass"}
    for row in folder.rows:
        row |= dict.fromkeys(sides, "")
    folder.put(0, **sides)
    folder.rows.insert(1, folder.rows[0] | {"x": "30"})


def half_missing(folder: Folder):
    in_manifest(folder)
    folder.rows[0]["x"] = ""


def masks_as_null(folder: Folder):
    folder.column("lung", [""] * 10)


THREE = np.zeros((64, 64), dtype=np.uint8)
THREE[:16], THREE[16:32] = 1, 2
ALPHA = np.dstack([HALF * 0, HALF * 0, HALF * 0, HALF])
GOOD = "images/0.png,4,8,10,20,Mass"
TWO = read(boxes={0: (("Mass", 4, 8, 10, 20), ("Mass", 30, 8, 10, 20)), 1: ()})
COLUMNS = ["x", "y", "width", "height", "label"]
LUNGS = ["lung"]

CASES = [
    masked("0_255", mask(encoded(HALF)), area(AREA)),
    masked("0_1", mask(encoded(HALF // 255)), area(AREA)),
    masked("1_bit", mask(encoded(HALF > 0)), area(AREA)),
    masked("16_bits", mask(encoded(HALF.astype(np.uint16) * 257)), area(AREA)),
    masked("rgb", mask(encoded(HALF, mode="RGB")), area(AREA)),
    masked("palette", mask(encoded(HALF, mode="P")), area(AREA)),
    masked("jpeg", mask(encoded(HALF, "JPEG", quality=95), "masks/m.jpg"), area(AREA)),
    masked("empty", mask(encoded(HALF * 0)), area(0)),
    masked("full", mask(encoded(HALF * 0 + 255)), area(64 * 64)),
    masked("windows_path", mask(encoded(HALF), cell="masks\\m.png"), area(AREA)),
    masked("no_cell", masks_as_null, read(masks={0: {}})),
    masked("nan_text", mask(None, cell="nan"), left_out(0, "missing mask"), read(masks={0: {}})),
    masked("column_missing", lambda f: None, refused(FILE, "'lung'", "mask_columns")),
    masked("missing", mask(None), left_out(0, "missing mask", r"m\.png")),
    masked("folder", mask(None, cell="images"), left_out(0, "missing mask", "images")),
    masked("too_long", mask(None, cell="m" * 300), left_out(0, "mask")),
    masked("of_dicom_size", mask(encoded(np.kron(HALF, np.ones((2, 2), dtype=np.uint8)))),
           left_out(0, r"m\.png")),
    masked("four_bits_a_pixel", mask(encoded(HALF // 255 * 15)), area(AREA)),
    masked("url", mask(None, cell="https://example.org/m.png"), left_out(0, "missing mask")),
    masked("link_broken", lambda f: (mask(None)(f), (f.root / "masks").mkdir(),
           (f.root / "masks/m.png").symlink_to("no.png")), left_out(0, "missing mask")),
    bad_mask("other_size", encoded(HALF[:32])),
    bad_mask("turned", encoded(HALF[:, 16:].T)),
    bad_mask("text", "no mask"),
    bad_mask("empty_file", b""),
    bad_mask("half", encoded(np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8))[:2000]),
    bad_mask("jpeg_half", encoded(pixels(3), "JPEG", quality=95)[:500], "masks/m.jpg"),
    bad_mask("float", encoded((HALF / 255).astype(np.float32), "TIFF"), "masks/m.tif",
             area(AREA)),
    bad_mask("two_pages", encoded(HALF, "TIFF", save_all=True, append_images=[]), "masks/m.tif",
             area(AREA)),
    bad_mask("three_classes", encoded(THREE)),
    bad_mask("in_alpha", encoded(ALPHA), "masks/m.png", area(AREA)),
    masked("other_size_without_headers", mask(encoded(HALF[:32])), left_out(0, r"m\.png")),
    boxed("good", GOOD, one(4, 8, 10, 20)),
    boxed("floats", "images/0.png,4.5,8.25,1e1,20.0,Mass", one(4.5, 8.25, 10, 20)),
    boxed("windows_path", r"images\0.png,4,8,10,20,Mass", one(4, 8, 10, 20)),
    boxed("rounded_at_the_edge", "images/0.png,54,8,10.6,20,Mass", one(54, 8, 10, 20)),
    boxed("two", boxes(GOOD, "images/0.png,30,8,10,20,Mass"), TWO),
    boxed("twice", boxes(GOOD, GOOD), one(4, 8, 10, 20), refused(BOXES, "twice|double|same")),
    boxed("none", boxes(), read(boxes={0: ()})),
    boxed("row_without_numbers", "images/0.png,,,,,", read(boxes={0: ()})),
    boxed("row_of_nan_texts", "images/0.png,nan,nan,nan,nan,", read(boxes={0: ()})),
    boxed("semicolons", boxes(GOOD.replace(",", ";"), header="image;x;y;width;height;label"),
          one(4, 8, 10, 20)),
    boxed("other_columns", boxes(GOOD, header="image,l,t,w,h,name"), one(4, 8, 10, 20),
          box_columns=["l", "t", "w", "h", "name"]),
    boxed("columns_missing", boxes(GOOD, header="image,l,t,w,h,name"),
          refused(BOXES, "'x'", "box_columns")),
    boxed("image_column_missing", boxes(GOOD, header="file,x,y,width,height,label"),
          refused(BOXES, "'image'", "image_column")),
    boxed("file_missing", lambda f: None, refused(BOXES, "box_file")),
    boxed("file_empty", lambda f: f.file("boxes.csv", ""), refused(BOXES, "empty")),
    boxed("file_of_garbage", lambda f: f.file("boxes.csv", b"\x89PNG\r\n\x1a\n\0"), refused(BOXES)),
    boxed("cells_too_few", "images/0.png,4,8,10", refused(BOXES, "line 2")),
    boxed("decimal_commas", "images/0.png,4,5,8,2,10,20,Mass", refused(BOXES, "line 2")),
    boxed("unknown_image", "images/00.png,4,8,10,20,Mass", refused(BOXES, r"images/00\.png")),
    boxed("image_without_folder", "0.png,4,8,10,20,Mass", refused(BOXES, r"0\.png")),
    boxed("image_empty", ",4,8,10,20,Mass", refused(BOXES, "image")),
    boxed("of_another_split", "images/9.png,4,8,10,20,Mass",
          read(boxes={0: (), 9: (("Mass", 4, 8, 10, 20),)})),
    boxed("of_missing_image_left_out",
          lambda f: (f.put(0, report=""), boxes(GOOD)(f)), left_out(0, "empty report")),
    boxed("parquet", of_parquet(x=[4, None], y=[8, None], width=[10, None], height=[20, None],
                                label=["Mass", None]), one(4, 8, 10, 20), box_file="boxes.parquet"),
    boxed("parquet_nullable", of_parquet("Int64", x=[4, None], y=[8, None], width=[10, None],
                                         height=[20, None], label=["Mass", None]),
          one(4, 8, 10, 20), box_file="boxes.parquet"),
    boxed("with_more_columns", boxes(GOOD + ",9", header="image,x,y,width,height,label,area"),
          one(4, 8, 10, 20)),
    boxed("dotted_path", "./images/0.png,4,8,10,20,Mass", one(4, 8, 10, 20)),
    boxed("label_in_two_cases", boxes(GOOD, "images/1.png,4,8,10,20,mass"),
          refused(BOXES, "two ways", "mass")),
    bad_box("thousands", 'images/0.png,4,8,"1,000",20,Mass'),
    bad_box("empty_strings", 'images/0.png," "," "," ",20,Mass'),
    bad_box("half_a_pixel", "images/0.png,4,8,0.4,20,Mass"),
    boxed("one_of_two_in_fractions", boxes(GOOD, "images/1.png,0.1,0.2,0.3,0.4,Mass"),
          refused("box"), left_out(1, "box")),
    bad_box("negative_x", "images/0.png,-8,8,20,20,Mass"),
    bad_box("negative_width", "images/0.png,30,8,-10,20,Mass"),
    bad_box("no_area", "images/0.png,4,8,0,20,Mass"),
    bad_box("outside", "images/0.png,100,100,10,20,Mass"),
    bad_box("partly_outside", "images/0.png,50,8,40,20,Mass"),
    bad_box("partly_outside_below", "images/0.png,4,50,10,40,Mass"),
    bad_box("infinite", "images/0.png,4,8,inf,20,Mass"),
    bad_box("nan_width", "images/0.png,4,8,nan,20,Mass"),
    bad_box("x_alone_missing", "images/0.png,,8,10,20,Mass"),
    bad_box("x_alone_nan", "images/0.png,nan,8,10,20,Mass"),
    bad_box("width_missing", "images/0.png,4,8,,20,Mass"),
    bad_box("text", "images/0.png,left,8,10,20,Mass"),
    bad_box("decimal_commas_quoted", '"images/0.png","4,5","8,0","10,0","20,0",Mass'),
    bad_box("units", "images/0.png,4px,8px,10px,20px,Mass"),
    bad_box("fractions", "images/0.png,0.1,0.2,0.3,0.4,Mass", "box_units"),
    bad_box("fractions_of_all", "images/0.png,0,0,1,1,Mass", "box_units"),
    bad_box("corners_as_sizes", "images/0.png,30,40,40,60,Mass", "xyxy"),
    bad_box("label_missing", "images/0.png,4,8,10,20,", "label"),
    bad_box("negative_width_without_headers", "images/0.png,30,8,-10,20,Mass", headers=False),
    bad_box("negative_x_without_headers", "images/0.png,-8,8,20,20,Mass", headers=False),
    bad_box("fractions_without_headers", "images/0.png,0.1,0.2,0.3,0.4,Mass", headers=False),
    bad_box("outside_without_headers", "images/0.png,100,100,10,20,Mass", headers=False),
    boxed("fractions_with_option", "images/0.png,0.125,0.25,0.5,0.25,Mass", one(8, 16, 32, 16),
          box_units="fraction"),
    boxed("corners_with_option", "images/0.png,8,16,40,32,Mass", one(8, 16, 32, 16),
          box_format="xyxy"),
    bad_box("pixels_read_as_fractions", GOOD, box_units="fraction"),
    bad_box("sizes_read_as_corners", "images/0.png,30,8,10,20,Mass", box_format="xyxy"),
    case("box_in_manifest", in_manifest, TWO, box_columns=COLUMNS),
    case("box_in_manifest_x_missing", half_missing, refused(FILE, "box"), left_out(0, "box"),
         box_columns=COLUMNS),
]  # fmt: skip
