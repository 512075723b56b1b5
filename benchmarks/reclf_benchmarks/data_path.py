"""How many images one core reads in a second: raw files of several kinds, and prepared data.

    film of a phantom -> a file of each kind -> read in turns by one thread -> images a second

All files are in memory already (the page cache): a disk that is slower than the decoder is not
measured here. Speeds are of CPU seconds, so that another busy process disturbs them less.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from statistics import median, quantiles

import cv2
import numpy as np
import pydicom
import torch
from PIL import Image
from pydicom.uid import UID, ExplicitVRLittleEndian, JPEG2000Lossless

from reclf.data.collate import Collate
from reclf.data.radiographs import fit, read_fitted
from reclf.data.tokenization import train_tokenizer
from reclf.datasets.phantom import Phantom
from reclf.datasets.prepare import prepare
from reclf.datasets.registry import load_dataset

LARGE = "jpeg_2500x2048"
BATCH = 32
ROUNDS = 5

# One measurement: reads some images, and gives their number and the CPU seconds they took.
Turn = Callable[[], tuple[int, float]]


def data_path(
    seconds: float = 1.0,
    *,
    size: int = 256,
    gpu: float = 2500.0,
    shrink: int = 1,
    prepared_images: int = 512,
) -> dict[str, float]:
    """Measure the reading of radiographs into squares, one thread, in turns.

    Args:
        seconds: CPU seconds for each kind.
        size: side of the square, in pixels.
        gpu: images that one GPU trains on in a second; 2,500 is our assumption for ResNet-50 at
            224 pixels in bfloat16 on one H100, not a measurement.
        shrink: divides the sides of the files, for tests; names keep the sides of shrink 1.
        prepared_images: in the prepared copy.

    Returns:
        For each KIND of file: `KIND_per_second`, images of one core, the median of the rounds;
        `KIND_spread`, their quartiles apart, by the median; `KIND_cores`, that one GPU needs for
        its images and their reports. `reports_per_second`: words, pieces and padding. And
        `prepared_data`, the bar of the project: prepared data by the fastest decoder of the large
        JPEG.
    """
    with tempfile.TemporaryDirectory() as folder, _one_thread():
        turns = _turns(Path(folder), size, shrink, prepared_images)
        speeds = _in_turns(turns, seconds)
    middle = {name: median(found) for name, found in speeds.items()}
    reports = middle.pop("reports")
    result: dict[str, float] = {"reports_per_second": reports}
    for name, speed in middle.items():
        low, _, high = quantiles(speeds[name], n=4)
        result[f"{name}_per_second"] = speed
        result[f"{name}_spread"] = (high - low) / speed
        result[f"{name}_cores"] = gpu * (1 / speed + 1 / reports)
    best = max(speed for name, speed in middle.items() if name.startswith(LARGE))
    result["prepared_data"] = middle["prepared"] / best
    return result


@contextmanager
def _one_thread() -> Iterator[None]:
    before = cv2.getNumThreads(), torch.get_num_threads()
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before[0])
        torch.set_num_threads(before[1])


def _in_turns(turns: dict[str, Turn], seconds: float) -> dict[str, list[float]]:
    """Images a second, one number per round; every round measures every kind."""
    for turn in turns.values():
        turn()  # imports, caches
    speeds: dict[str, list[float]] = {name: [] for name in turns}
    for _ in range(ROUNDS):
        for name, turn in turns.items():
            count, spent = 0, 0.0
            while spent < seconds / ROUNDS:
                more, took = turn()
                count, spent = count + more, spent + took
            speeds[name].append(count / spent)
    return speeds


def _turns(folder: Path, size: int, shrink: int, prepared_images: int) -> dict[str, Turn]:
    files = write_files(folder, shrink)
    turns = {name: _timed(partial(read_fitted, path, size)) for name, path in files.items()}
    large = files[LARGE]
    turns[f"{LARGE}_by_opencv"] = _timed(partial(read_by_opencv, large, size))
    turns[f"{LARGE}_by_pillow"] = _timed(partial(read_by_pillow, large, size))

    copy = folder / "prepared"
    prepare(copy, "phantom", image_size=size, splits=("train",), bits="8", length=prepared_images,
            processes=1, progress=False)  # fmt: skip
    reports = load_dataset("prepared", copy, "train", size).reports
    collate = Collate(train_tokenizer(reports, 2000), 96, 192)
    orders = np.random.default_rng(0)

    def prepared() -> tuple[int, float]:
        # Opened anew: in an epoch too large for the caches, every page is met for the first time.
        data = load_dataset("prepared", copy, "train", size)
        data.pairs([0])
        order = orders.permutation(len(data)).tolist()
        start = time.thread_time()
        for first in range(0, len(order), BATCH):
            np.stack([pair.image for pair in data.pairs(order[first : first + BATCH])])
        return len(order), time.thread_time() - start

    turns["prepared"] = prepared
    turns["reports"] = _timed(partial(collate.texts, reports[:BATCH]), min(BATCH, len(reports)))
    return turns


def _timed(read: Callable[[], object], count: int = 1) -> Turn:
    def turn() -> tuple[int, float]:
        start = time.thread_time()
        read()
        return count, time.thread_time() - start

    return turn


def read_by_pillow(path: Path, size: int) -> np.ndarray:
    """The reference: all of the file, then a resize."""
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("L"), dtype=np.float32) / np.float32(255)
    return fit(pixels, size)[0]


def read_by_opencv(path: Path, size: int) -> np.ndarray:
    """The fastest decoder known to us; it takes half a file for a whole one, so we do not use it.

    Of a file whose sides are no multiples of 8, the last pixels reach beyond the edge.
    """
    small = np.asarray(cv2.imread(str(path), cv2.IMREAD_REDUCED_GRAYSCALE_8))
    return fit(small.astype(np.float32) / np.float32(255), size)[0]


def write_files(folder: Path, shrink: int = 1) -> dict[str, Path]:
    """One film in a file of every kind; kind -> path."""
    film = _film(2500 // shrink, 2048 // shrink)
    middle = cv2.resize(film, (512 // shrink, 625 // shrink), interpolation=cv2.INTER_AREA)
    square = cv2.resize(film, (1024 // shrink, 1024 // shrink), interpolation=cv2.INTER_AREA)
    files: dict[str, Path] = {}

    def new(name: str, suffix: str) -> Path:
        files[name] = folder / f"{name}{suffix}"
        return files[name]

    # 1.4 MB, as the files of MIMIC-CXR-JPG are on average
    Image.fromarray(_stored(film, 8)).save(new(LARGE, ".jpg"), quality=95)
    Image.fromarray(_stored(middle, 8)).save(new("jpeg_625x512", ".jpg"), quality=95)
    Image.fromarray(_stored(square, 16)).save(new("png16_1024x1024", ".png"))
    Image.fromarray(_stored(film, 16)).save(new("png16_2500x2048", ".png"))
    deep = _stored(film, 12)
    _write_dicom(new("dicom_2500x2048", ".dcm"), deep)
    _write_dicom(new("dicom_jpeg2000_2500x2048", ".dcm"), deep, JPEG2000Lossless)
    return files


def _film(height: int, width: int) -> np.ndarray:
    """A phantom enlarged, with the grain of a film: float32 (height, width) in [0, 1].

    Drawn at this size, the phantom's own slow noise would take minutes.
    """
    side = min(640, height)
    image = cv2.resize(
        Phantom(None, "train", side)[3].image, (width, height), interpolation=cv2.INTER_CUBIC
    )
    grain = np.random.default_rng(0).standard_normal((height, width), dtype=np.float32)
    return np.clip(image + np.float32(0.01) * grain, 0, 1)


def _stored(film: np.ndarray, bits: int) -> np.ndarray:
    return np.rint(film * (2**bits - 1)).astype(np.uint8 if bits == 8 else np.uint16)


def _write_dicom(path: Path, stored: np.ndarray, syntax: str | None = None) -> None:
    """A DICOM file of 12 bits with a window that shows all of them."""
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    # Secondary capture: the class with the fewest elements that a reader may miss.
    meta, kind = dataset.file_meta, UID("1.2.840.10008.5.1.4.1.1.7")
    dataset.SOPClassUID = meta.MediaStorageSOPClassUID = kind
    dataset.SOPInstanceUID = meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    dataset.Rows, dataset.Columns = stored.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation, dataset.SamplesPerPixel = 0, 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.WindowCenter, dataset.WindowWidth = 2048, 4096
    dataset.PixelData = stored.tobytes()
    if syntax is not None:
        dataset.compress(syntax)
    dataset.save_as(path, enforce_file_format=True)
