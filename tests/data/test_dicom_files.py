"""Kinds of DICOM pixels: palettes and color become gray, and what cannot be read right is named."""

import io

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit, RLELossless

from reclf.data.image_files import ImageError, decode, image_size
from reclf.datasets.tiny import write_image

GRAY = np.arange(60, 180, dtype=np.uint8).repeat(20).reshape(40, 60)
COLOR = np.stack([GRAY, GRAY // 2, 255 - GRAY], -1)
LUMA = (COLOR @ np.array([0.299, 0.587, 0.114])) / 255


def write(path, pixels, photometric, frame=None, syntax=ExplicitVRLittleEndian, **elements):
    """`pixels` as a file; their bytes are `frame` if it is given."""
    dataset = pydicom.dcmread(write_image(path, GRAY))
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.SamplesPerPixel = 1 if pixels.ndim == 2 else 3
    dataset.PhotometricInterpretation, dataset.PlanarConfiguration = photometric, 0
    dataset.PixelData = pixels.tobytes() if frame is None else encapsulate([frame])
    dataset["PixelData"].is_undefined_length = frame is not None
    dataset.file_meta.TransferSyntaxUID = syntax
    for name, value in elements.items():
        setattr(dataset, name, value)
        if name.endswith("Descriptor"):
            dataset[name].VR = "US"
    dataset.save_as(path)
    return path


def jpeg(pixels):
    with io.BytesIO() as file:
        Image.fromarray(pixels).save(file, "JPEG", quality=98)
        return file.getvalue()


@pytest.mark.parametrize("bits", [8, 16])
def test_a_palette_is_applied(tmp_path, bits):
    index = np.random.default_rng(0).permutation(256).astype(np.uint8)
    elements = {}
    for channel, name in enumerate(("Red", "Green", "Blue")):
        table = np.zeros(256, np.uint16)
        table[index[GRAY]] = COLOR[..., channel] * np.uint16(257 if bits == 16 else 1)
        name += "PaletteColorLookupTable"
        elements[f"{name}Descriptor"] = [256, 0, bits]
        elements[f"{name}Data"] = table.astype("<u2" if bits == 16 else "u1").tobytes()
    path = write(tmp_path / "a.dcm", index[GRAY], "PALETTE COLOR", **elements)
    np.testing.assert_allclose(decode(path)[0], LUMA, atol=1e-4)
    del elements["RedPaletteColorLookupTableData"]
    with pytest.raises(ImageError, match=r"b\.dcm.*Palette"):
        decode(write(tmp_path / "b.dcm", index[GRAY], "PALETTE COLOR", **elements))


def test_color_by_pixel_by_plane_and_as_jpeg(tmp_path):
    ycc = np.asarray(Image.fromarray(COLOR).convert("YCbCr"))
    planes = {"PlanarConfiguration": 1, "PixelData": COLOR.transpose(2, 0, 1).tobytes()}
    for number, (path, pixels, options) in enumerate(
        [
            ("RGB", COLOR, {}),
            ("RGB", COLOR, planes),
            ("YBR_FULL", ycc, {}),
            ("YBR_FULL_422", COLOR, {"frame": jpeg(COLOR), "syntax": JPEGBaseline8Bit}),
        ]
    ):
        file = write(tmp_path / f"{number}.dcm", pixels, path, **options)
        np.testing.assert_allclose(decode(file)[0], LUMA, atol=0.02)


@pytest.mark.parametrize("other", [COLOR, GRAY[:30]])
def test_a_frame_unlike_its_header_is_refused_at_every_scale(tmp_path, other):
    path = write(tmp_path / "a.dcm", GRAY, "MONOCHROME2", jpeg(other), JPEGBaseline8Bit)
    for scale in (None, lambda height, width: 0.2):
        with pytest.raises(ImageError, match=r"a\.dcm"):
            decode(path, scale)


def test_pixels_that_are_not_all_there(tmp_path):
    half = {"PixelData": GRAY.tobytes()[:1000]}
    for elements, words in [(half, "less than expected"), ({"PixelData": None}, "no PixelData")]:
        path = write(tmp_path / "a.dcm", GRAY, "MONOCHROME2", **elements)
        for read in (decode, image_size):
            with pytest.raises(ImageError, match=rf"a\.dcm.*{words}"):
                read(path)
    dataset = pydicom.dcmread(write(tmp_path / "a.dcm", GRAY, "MONOCHROME2"))
    dataset.compress(RLELossless)
    frame = next(pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=1))
    path = write(tmp_path / "a.dcm", GRAY, "MONOCHROME2", frame[: len(frame) // 2], RLELossless)
    with pytest.raises(ImageError, match=r"a\.dcm"):
        decode(path)


def test_values_that_do_not_begin_at_bit_0_are_refused(tmp_path):
    shifted = GRAY.astype(np.uint16) << 8
    bits = {"BitsAllocated": 16, "BitsStored": 8, "HighBit": 15}
    path = write(tmp_path / "a.dcm", shifted, "MONOCHROME2", **bits)
    for read in (decode, image_size):
        with pytest.raises(ImageError, match="HighBit 15 is not the last of 8 BitsStored"):
            read(path)
