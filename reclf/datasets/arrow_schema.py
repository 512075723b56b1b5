"""A study as a row of Arrow: what a prepared copy holds of each.

    Study --pack, image rounded to 8 or 16 bits--> row --unpack--> Study

All but the rounding is kept: labels with NaN, boxes, words, the way back to the file, and whatever
lies in `meta` as text, numbers, lists, dicts or arrays.
"""

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import datasets as arrow
import numpy as np

from reclf.data.radiographs import Frame
from reclf.data.study import Box, Study, Word

FEATURES = arrow.Features(
    {
        "study_id": arrow.Value("string"),
        "patient_id": arrow.Value("string"),
        "report": arrow.Value("string"),
        "bits": arrow.Value("uint8"),  # 8 or 16 per pixel
        "image": arrow.Value("binary"),  # (size, size), row by row
        "masks": arrow.List({"name": arrow.Value("string"), "packed": arrow.Value("binary")}),
        "rest": arrow.Value("string"),  # labels, boxes, words, frame, meta as JSON
    }
)


def pack(study: Study, bits: int) -> dict[str, Any]:
    """A study as a row of Arrow; the image is rounded to `bits` per pixel, all else is kept."""
    top = 2**bits - 1
    image = np.rint(study.image * np.float32(top)).astype(np.uint8 if bits == 8 else np.uint16)
    rest = {
        "labels": dict(study.labels),
        "boxes": [asdict(box) for box in study.boxes],
        "words": None if study.words is None else [asdict(word) for word in study.words],
        "frame": None if study.frame is None else asdict(study.frame),
        "meta": dict(study.meta),
    }
    return {
        "study_id": study.study_id,
        "patient_id": study.patient_id,
        "report": study.report,
        "bits": bits,
        "image": image.tobytes(),
        "masks": [
            {"name": name, "packed": np.packbits(mask).tobytes()}
            for name, mask in study.masks.items()
        ],
        "rest": _plain(rest),
    }


def unpack(row: Mapping[str, Any], size: int) -> Study:
    """The study of a row that `pack` made."""
    rest = json.loads(row["rest"], object_hook=_revive)
    bits = row["bits"]
    pixels = np.frombuffer(row["image"], np.uint8 if bits == 8 else np.uint16)
    masks = {}
    for mask in row["masks"]:
        cells = np.unpackbits(np.frombuffer(mask["packed"], np.uint8), count=size * size)
        masks[mask["name"]] = cells.reshape(size, size).astype(bool)
    return Study(
        study_id=row["study_id"],
        patient_id=row["patient_id"],
        image=pixels.reshape(size, size).astype(np.float32) / np.float32(2**bits - 1),
        report=row["report"],
        labels=rest["labels"],
        masks=masks,
        boxes=tuple(Box(**box) for box in rest["boxes"]),
        words=None if rest["words"] is None else tuple(Word(**word) for word in rest["words"]),
        frame=None if rest["frame"] is None else Frame.of(rest["frame"]),
        meta=rest["meta"],
    )


def _plain(value: Any) -> str:
    """JSON that keeps NaN, arrays and the order of labels; tuples become lists."""
    return json.dumps(value, default=_write_array)


def _write_array(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        text = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode()
        return {"__array__": text, "dtype": str(value.dtype), "shape": list(value.shape)}
    raise TypeError(
        f"Study.meta holds a {type(value).__name__}, which a prepared copy cannot keep; use text, "
        "numbers, lists, dicts or arrays"
    )


def _revive(item: dict[str, Any]) -> Any:
    if "__array__" not in item:
        return item
    values = np.frombuffer(base64.b64decode(item["__array__"]), item["dtype"])
    return values.reshape(item["shape"])
