"""Decoding: less of a large file gives the same square, and a table of greys equals arithmetic."""

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
)

from reclf.data.image_files import ImageError, decode, image_size
from reclf.data.radiographs import fit, read_fitted, read_image
from reclf.datasets.phantom import Phantom

H, W, SIZE = 640, 533, 64  # 533 is no multiple of a block


@pytest.fixture(scope="module")
def film():
    """A radiograph with its grain, float32 (H, W)."""
    return Phantom(None, "train", H)[3].image[:, :W]


def dicom(path, stored, syntax=ExplicitVRLittleEndian, **elements):
    """A DICOM file with 12 bits per pixel unless said otherwise."""
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    big = syntax == ExplicitVRBigEndian
    dataset.file_meta.TransferSyntaxUID = syntax if big else ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset.Rows, dataset.Columns = stored.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation, dataset.SamplesPerPixel = int(stored.dtype.kind == "i"), 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.PixelData = stored.astype(stored.dtype.newbyteorder(">" if big else "<")).tobytes()
    for name, value in elements.items():
        setattr(dataset, name, value)
    if syntax == JPEG2000Lossless:
        dataset.compress(syntax)
    if syntax == JPEGBaseline8Bit:  # pixels are the bytes of a JPEG
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset["PixelData"].VR = "OB"
    dataset.save_as(path, enforce_file_format=True)
    return path


def write(folder, kind, film):
    """The film in a file of one kind."""
    path = folder / f"film.{kind.split()[0]}"
    grey, deep = (film * 255).astype(np.uint8), (film * 65535).astype(np.uint16)
    window = {"WindowCenter": 1800, "WindowWidth": 2000}  # black and white both clipped
    if kind == "png 16":
        Image.fromarray(deep).save(path)
    elif kind == "dcm":
        dicom(path, deep >> 4, **window)
    elif kind == "dcm inverted, signed":
        stored = 2047 - (deep >> 4).astype(np.int16)
        inverted = {"PhotometricInterpretation": "MONOCHROME1", "RescaleSlope": 2}
        dicom(path, stored, WindowCenter=500, WindowWidth=4000, RescaleIntercept=-7, **inverted)
    elif kind == "dcm without window":
        dicom(path, deep >> 4)
    elif kind == "dcm jpeg 2000":
        dicom(path, deep >> 4, JPEG2000Lossless, **window)
    elif kind == "dcm jpeg":
        Image.fromarray(grey).save(folder / "frame.jpg", quality=92)
        frame = pydicom.encaps.encapsulate([(folder / "frame.jpg").read_bytes()])
        dicom(path, grey, JPEGBaseline8Bit, BitsAllocated=8, BitsStored=8, HighBit=7,
              PixelData=frame)  # fmt: skip
    else:
        image = Image.fromarray(grey)
        if "colour" in kind:
            image = image.convert("RGB")
        if "cmyk" in kind:
            image = image.convert("CMYK")
        image.save(path, quality=92, progressive="progressive" in kind)
    return path


KINDS = (
    "jpg", "jpg progressive", "jpg colour", "jpg cmyk", "png", "png 16", "dcm",
    "dcm inverted, signed", "dcm without window", "dcm jpeg", "dcm jpeg 2000",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_a_square_needs_less_than_the_whole_file(tmp_path, film, kind):
    path = write(tmp_path, kind, film)
    pixels, size = decode(path, lambda h, w: SIZE / h)
    assert size == (H, W)
    is_jpeg = kind.startswith("jpg") or kind == "dcm jpeg"
    assert pixels.shape == ((80, 67) if is_jpeg else (160, 134))
    assert decode(path)[0].shape == (H, W)
    for how in ("pad", "crop", "stretch"):
        image, frame = read_fitted(path, SIZE, how)
        whole, expected = fit(read_image(path), SIZE, how)
        assert frame == expected
        assert image.dtype == np.float32
        difference = np.abs(image - whole)
        assert difference.mean() < (0.008 if is_jpeg else 0.004), how
        assert difference.max() < (0.08 if is_jpeg else 0.05), how
        assert whole.std() > 0.1


def test_nothing_is_decoded_smaller_than_the_square(tmp_path, film):
    for kind in ("jpg", "png", "dcm jpeg 2000"):
        path = write(tmp_path, kind, film)
        image, _ = read_fitted(path, 500)
        np.testing.assert_array_equal(image, np.clip(fit(read_image(path), 500)[0], 0, 1))
        assert read_fitted(path, 1000)[0].shape == (1000, 1000)
        for needed, height in [(0.26, 320), (0.124, 80)]:
            assert decode(path, lambda h, w, n=needed: n)[0].shape[0] >= height


@pytest.mark.parametrize("kind", ["jpg", "dcm jpeg 2000"])
@pytest.mark.parametrize("width", [512, 533])
def test_small_pixels_lie_where_they_belong(tmp_path, kind, width):
    across = np.linspace(0.1, 0.9, width, dtype=np.float32)  # a ramp shows every shift
    path = write(tmp_path, kind, np.broadcast_to(across, (160, width)))
    pixels, _ = decode(path, lambda h, w: 0.25 if kind == "jpg" else 0.125)
    assert pixels.shape == (40, -(-width // 4))
    whole = decode(path)[0].mean(0)
    places = (np.arange(pixels.shape[1]) + 0.5) * width / pixels.shape[1] - 0.5
    expected = np.interp(places, np.arange(width), whole)
    middle = slice(35, 100)  # where the window of the DICOM file does not clip
    slope = (whole[400] - whole[140]) / 260  # per pixel of the file; the grey steps average out
    assert abs((pixels.mean(0) - expected)[middle].mean()) < 0.3 * slope


def test_an_orientation_is_not_followed(tmp_path):
    image = Image.fromarray(np.arange(600, dtype=np.uint8).reshape(20, 30))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn it to be looked at
    image.save(tmp_path / "a.jpg", exif=exif)
    assert read_image(tmp_path / "a.jpg").shape == (20, 30)
    assert read_fitted(tmp_path / "a.jpg", 8)[1].height == 20


@pytest.mark.filterwarnings("ignore:End of file reached")  # pydicom says it too
def test_a_cut_file_is_refused_at_any_size(tmp_path, film):
    for kind, reason in [("jpg", "[Tt]runcated"), ("png 16", "Truncated"), ("dcm jpeg 2000", "")]:
        path = write(tmp_path, kind, film)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(ImageError, match=rf"cannot read .*{path.name}: .*{reason}"):
            read_fitted(path, SIZE)


def test_own_max_of_a_png_is_that_of_the_whole_file(tmp_path):
    pixels = np.full((64, 64), 1000, np.uint16)
    pixels[5, 7] = 4000
    Image.fromarray(pixels).save(tmp_path / "a.png")
    image, _ = read_fitted(tmp_path / "a.png", 4, own_max=True)
    np.testing.assert_allclose(image[1:], 0.25, rtol=1e-6)
    assert image.max() < 0.26


def test_a_wavelet_whose_sizes_cannot_be_halved_alike_is_decoded_larger():
    # 1955 x 1841: Pillow rounds 460.25 down and OpenJPEG up, so that one level is left
    path = get_testdata_file("RG1_J2KR.dcm", download=False)
    assert decode(path, lambda h, w: 128 / h)[0].shape == (489, 461)
    image, whole = read_fitted(path, 128)[0], fit(read_image(path), 128)[0]
    assert np.abs(image - whole).mean() < 0.005


@pytest.mark.parametrize("dtype", [np.uint16, np.int16])
@pytest.mark.parametrize("padding", [None, -5])
def test_percentiles_of_counts_are_those_of_the_pixels(tmp_path, dtype, padding):
    generator = np.random.default_rng(0)
    stored = generator.gamma(2, 200, (41, 37)).astype(dtype)
    elements = {"RescaleSlope": -0.5, "RescaleIntercept": 30}
    shown = np.ones(stored.shape, bool)
    if padding is not None and dtype is np.int16:
        stored[:9] = padding
        elements["PixelPaddingValue"], shown = padding, stored != padding
    image = read_image(dicom(tmp_path / "a.dcm", stored, BitsStored=16, HighBit=15, **elements))
    values = stored * -0.5 + 30
    low, high = np.percentile(values[shown], (0.5, 99.5))
    expected = np.where(shown, np.clip((values - low) / (high - low), 0, 1), 0)
    np.testing.assert_allclose(image, expected, atol=1e-6)


def test_bytes_in_the_other_order(tmp_path):
    stored = np.arange(3000, dtype=np.uint16).reshape(50, 60)
    window = {"WindowCenter": 1500, "WindowWidth": 2000}
    little = read_image(dicom(tmp_path / "a.dcm", stored, **window))
    big = read_image(dicom(tmp_path / "b.dcm", stored, ExplicitVRBigEndian, **window))
    np.testing.assert_array_equal(little, big)
    assert len(np.unique(big)) > 1000


def test_values_too_many_for_a_table(tmp_path):
    stored = np.arange(70_000, 70_300, dtype=np.uint32).reshape(15, 20)
    path = dicom(tmp_path / "a.dcm", stored, BitsAllocated=32, BitsStored=32, HighBit=31,
                 WindowCenter=70_150, WindowWidth=101)  # fmt: skip
    expected = np.clip((stored - 70_149.5) / 100 + 0.5, 0, 1)
    np.testing.assert_allclose(read_image(path), expected, atol=1e-6)


def _both_refuse(path, words=None):
    """The check of the header and the reader say the same."""
    for read in (image_size, decode):
        with pytest.raises(ImageError, match=words) as caught:
            read(path)
        assert path.name in str(caught.value)


@pytest.mark.parametrize(
    "attribute", ["Rows", "SamplesPerPixel", "PhotometricInterpretation", "BitsStored", "PixelData"]
)
def test_a_missing_attribute_is_named(tmp_path, attribute):
    path = tmp_path / "film.dcm"
    dicom(path, np.ones((20, 16), np.uint16))
    dataset = pydicom.dcmread(path)
    del dataset[attribute]
    dataset.save_as(path)
    _both_refuse(path, attribute)


@pytest.mark.parametrize("syntax", [JPEGBaseline8Bit, JPEG2000Lossless, ExplicitVRLittleEndian])
@pytest.mark.parametrize("kept", [0.5, 0.9])
def test_half_a_frame_is_refused_at_every_scale(tmp_path, film, syntax, kept):
    """pylibjpeg fills up what is missing with gray."""
    path = tmp_path / "half.dcm"
    dicom(path, (film * 255).astype(np.uint16))
    dataset = pydicom.dcmread(path)
    if syntax == ExplicitVRLittleEndian:
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * kept)])
    else:
        picture, kind = Image.fromarray((film * 255).astype(np.uint8)), "JPEG"
        if syntax == JPEG2000Lossless:
            kind = "JPEG2000"
        picture.save(tmp_path / "frame", kind)
        frame = (tmp_path / "frame").read_bytes()
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
        cut = frame[: int(len(frame) * kept)]
        dataset.PixelData = pydicom.encaps.encapsulate([cut + b"\0" * (len(cut) % 2)])
        dataset["PixelData"].is_undefined_length = True
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.save_as(path)
    _both_refuse(path)
    with pytest.raises(ImageError):
        decode(path, lambda height, width: 0.2)


def test_the_header_check_sees_what_the_reader_refuses(tmp_path):
    gray = np.full((24, 20), 90, np.uint8)
    Image.fromarray(gray).save(
        tmp_path / "two.tif", save_all=True, append_images=[Image.fromarray(gray)]
    )
    _both_refuse(tmp_path / "two.tif", "several images")
    Image.fromarray(gray.astype(np.float32)).save(tmp_path / "float.tif")
    _both_refuse(tmp_path / "float.tif", "floating-point")
    Image.fromarray(np.full((24, 20), -5, np.int32)).save(tmp_path / "signed.tif")
    _both_refuse(tmp_path / "signed.tif", "not 16-bit")
    noise = np.random.default_rng(0).integers(0, 255, (99, 99), dtype=np.uint8)
    for ending in ("png", "jpg", "tif", "bmp"):
        whole = tmp_path / f"whole.{ending}"
        Image.fromarray(noise).save(whole)
        assert image_size(whole) == (99, 99)
        for kept in (0.3, 0.7, 0.99):
            half = tmp_path / f"half-{kept}.{ending}"
            content = whole.read_bytes()
            half.write_bytes(content[: int(len(content) * kept)])
            _both_refuse(half)


def test_bytes_behind_the_end_are_no_damage(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (40, 30), dtype=np.uint8)
    for ending in ("png", "jpg"):
        path = tmp_path / f"film.{ending}"
        Image.fromarray(noise).save(path)
        path.write_bytes(path.read_bytes() + b"\0" * 500)
        assert image_size(path) == decode(path)[1] == (40, 30)


def test_of_a_large_png_the_check_reads_the_first_and_the_last_bytes(tmp_path, monkeypatch):
    noise = np.random.default_rng(0).integers(0, 2**16, (1200, 1000), dtype=np.uint16)
    path = tmp_path / "large.png"
    Image.fromarray(noise).save(path)
    before = _bytes_read()
    assert image_size(path) == (1200, 1000)
    assert _bytes_read() - before < 100_000 < path.stat().st_size / 10


@pytest.mark.parametrize("hole", [slice(60, 90), slice(3000, 3010), slice(200, -40)])
def test_pixels_of_a_png_that_fail_their_checksum_are_refused(tmp_path, hole):
    noise = np.random.default_rng(0).integers(0, 255, (99, 99), dtype=np.uint8)
    path = tmp_path / "film.png"
    Image.fromarray(noise).save(path)
    content = bytearray(path.read_bytes())
    content[hole] = bytes(len(content[hole]))
    path.write_bytes(content)
    for scale in (None, lambda height, width: 0.2):
        with pytest.raises(ImageError, match=r"film\.png"):
            decode(path, scale)


def _bytes_read() -> int:
    with open("/proc/self/io") as file:
        return int(next(line for line in file if line.startswith("rchar")).split()[1])
