"""Imaging: files to floats, squares and the way back, augmentation."""

import math

import cv2
import numpy as np
import pydicom
import pytest
import torch
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.uid import ExplicitVRLittleEndian

from reclf.data.augmentation import augment
from reclf.data.dicom_files import _is_padding
from reclf.data.radiographs import FITS, ImageError, fit, image_size, read_image, read_mask
from reclf.data.study import Box

H, W = 3, 5


def dicom(path, stored, **elements):
    """A DICOM file with the pixels `stored` (H, W), uint16 with 12 bits unless said otherwise."""
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    stored = np.asarray(stored)
    dataset.Rows, dataset.Columns = stored.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation, dataset.SamplesPerPixel = 0, 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.PixelData = stored.astype(np.uint16).tobytes()
    for name, value in elements.items():
        setattr(dataset, name, value)
    dataset.save_as(path, enforce_file_format=True)
    return path


def save(path, pixels, **options):
    Image.fromarray(np.asarray(pixels)).save(path, **options)
    return path


def test_8_bit_grey_is_divided_by_255(tmp_path):
    image = read_image(save(tmp_path / "a.png", np.array([[0, 51, 255]], dtype=np.uint8)))
    assert image.dtype == np.float32
    np.testing.assert_allclose(image, [[0, 0.2, 1]], rtol=1e-6)


def test_16_bit_is_divided_by_its_type_or_its_own_maximum(tmp_path):
    path = save(tmp_path / "a.png", np.array([[0, 1000, 4000]], dtype=np.uint16))
    np.testing.assert_allclose(read_image(path), np.array([[0, 1000, 4000]]) / 65535, rtol=1e-6)
    np.testing.assert_allclose(read_image(path, own_max=True), [[0, 0.25, 1]])
    black = save(tmp_path / "black.png", np.zeros((H, W), dtype=np.uint16))
    assert (read_image(black, own_max=True) == 0).all()


def test_colour_becomes_grey_and_alpha_is_left_out(tmp_path):
    grey = np.arange(15, dtype=np.uint8).reshape(H, W) * 17
    colour = np.repeat(grey[..., None], 3, axis=2)
    clear = np.concatenate([colour, np.zeros((H, W, 1), np.uint8)], axis=2)
    for pixels in (colour, clear):
        np.testing.assert_allclose(read_image(save(tmp_path / "c.png", pixels)), grey / 255, 1e-5)
    Image.fromarray(grey).convert("P").save(tmp_path / "p.png")
    np.testing.assert_allclose(read_image(tmp_path / "p.png"), grey / 255, rtol=1e-5)
    assert read_image(save(tmp_path / "j.jpg", colour)).shape == (H, W)


def test_mask_is_true_above_half_of_its_own_maximum(tmp_path):
    mask = np.eye(3, 5, dtype=np.uint8)
    for name, top in (("one.png", 1), ("all.png", 255)):
        assert (read_mask(save(tmp_path / name, mask * top)) == (mask > 0)).all()
    assert not read_mask(save(tmp_path / "none.png", mask * 0)).any()


def test_dicom_window_by_hand(tmp_path):
    stored = [[0, 100, 200], [300, 400, 4095]]
    path = dicom(tmp_path / "a.dcm", stored, WindowCenter=[200.5, 7], WindowWidth=[201, 9])
    # LINEAR: (x - (c - 0.5)) / (w - 1) + 0.5 with the first of two windows
    np.testing.assert_allclose(read_image(path), [[0, 0, 0.5], [1, 1, 1]])
    path = dicom(
        tmp_path / "b.dcm",
        stored,
        WindowCenter=100,
        WindowWidth=400,
        VOILUTFunction="LINEAR_EXACT",
        RescaleSlope=0.5,
        RescaleIntercept=-100,
    )
    # stored 0, 100, .. -> -100, -50, 0, 50, 100, 1947
    expected = [[0, 0.125, 0.25], [0.375, 0.5, 1]]
    np.testing.assert_allclose(read_image(path), expected, atol=1e-6)
    sigmoid = {"WindowCenter": 200, "WindowWidth": 40, "VOILUTFunction": "SIGMOID"}
    image = read_image(dicom(tmp_path / "c.dcm", stored, **sigmoid))
    np.testing.assert_allclose(image[0, 1:], [1 / (1 + np.exp(10)), 0.5], rtol=1e-5)


def test_dicom_voi_table(tmp_path):
    table = pydicom.Dataset()
    table.LUTDescriptor = [4, 10, 8]  # 4 entries, the first for 10, of 8 bits
    table.LUTData = np.array([0, 51, 204, 255], dtype=np.uint16).tobytes()
    path = dicom(tmp_path / "a.dcm", [[9, 10, 11, 12, 13, 99]], VOILUTSequence=[table])
    np.testing.assert_allclose(read_image(path), [[0, 0, 0.2, 0.8, 1, 1]], rtol=1e-6)


def test_dicom_monochrome1_is_inverted_and_padding_is_black(tmp_path):
    path = dicom(
        tmp_path / "a.dcm",
        [[0, 100, 200, 4000]],
        WindowCenter=100.5,
        WindowWidth=201,
        PhotometricInterpretation="MONOCHROME1",
        PixelPaddingValue=4000,
    )
    np.testing.assert_allclose(read_image(path), [[1, 0.5, 0, 0]])


@pytest.mark.parametrize("window", [{}, {"WindowCenter": 50_000, "WindowWidth": 10}])
def test_dicom_without_a_useful_window_uses_percentiles(tmp_path, window):
    stored = np.append(np.arange(1000, 2001), 4095).reshape(2, -1)
    image = read_image(dicom(tmp_path / "a.dcm", stored, PixelPaddingValue=4095, **window))
    shown = image.ravel()[:-1]
    np.testing.assert_allclose(shown[[0, 5, 500, 995, 1000]], [0, 0, 0.5, 1, 1], atol=1e-6)
    assert image.ravel()[-1] == 0


def test_dicom_of_8_bits_without_a_window_is_as_it_is(tmp_path):
    path = dicom(tmp_path / "a.dcm", [[0, 51, 102]], BitsStored=8, HighBit=7)
    np.testing.assert_allclose(read_image(path), [[0, 0.2, 0.4]], rtol=1e-6)


@pytest.mark.parametrize("name", ["RG1_UNCR", "RG1_UNCI", "RG1_J2KI", "RG1_J2KR"])
def test_a_real_radiograph_in_several_transfer_syntaxes(name):
    image = read_image(get_testdata_file(f"{name}.dcm", download=False))
    assert image.shape == (1955, 1841)
    # MONOCHROME1, window 15000 / 30000: by hand for the pixel in the middle of the plain file
    plain = pydicom.dcmread(get_testdata_file(f"{name[:4]}UNC{name[-1]}.dcm", download=False))
    stored = float(plain.pixel_array[977, 920])
    expected = 1 - ((stored - 14999.5) / 29999 + 0.5)
    assert image[977, 920] == pytest.approx(expected, abs=0.02 if name.endswith("I") else 1e-5)


@pytest.mark.parametrize("name", ["JPEG-LL", "JPGExtended", "SC_rgb_jpeg_dcmtk", "693_J2KR"])
def test_other_compressed_dicom(name):
    image = read_image(get_testdata_file(f"{name}.dcm", download=False))
    assert image.ndim == 2
    assert image.min() >= 0
    assert image.max() > 0.2
    assert image.max() <= 1


def test_errors_name_the_file_and_the_reason(tmp_path):
    with pytest.raises(ImageError, match=r"cannot read .*nothing\.png: there is no such file"):
        read_image(tmp_path / "nothing.png")
    (tmp_path / "text.jpg").write_text("not an image")
    noise = np.random.default_rng(0).integers(0, 255, (99, 99), dtype=np.uint8)
    whole = save(tmp_path / "whole.jpg", noise).read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.dcm").write_bytes(b"")
    save(tmp_path / "float.tiff", np.ones((H, W), dtype=np.float32))
    for name, reason in [
        ("text.jpg", "cannot identify image file"),
        ("cut.jpg", "truncated"),
        ("empty.dcm", ""),
        ("float.tiff", "floating-point pixels have no known range"),
    ]:
        with pytest.raises(ImageError, match=rf"cannot read .*{name}: .*{reason}"):
            read_image(tmp_path / name)
    with pytest.raises(ImageError, match=r"text\.jpg: cannot identify"):
        image_size(tmp_path / "text.jpg")
    many = get_testdata_file("emri_small_RLE.dcm", download=False)
    with pytest.raises(ImageError, match=r"holds 10 frames, a radiograph has one; save"):
        read_image(many)


def test_fit_by_hand():
    image = np.array([[0.1, 0.3, 0.5, 0.7], [0.1, 0.3, 0.5, 0.7]], dtype=np.float32)
    padded, _ = fit(image, 4, "pad")
    np.testing.assert_allclose(padded, [[0] * 4, image[0], image[0], [0] * 4])
    cropped, _ = fit(image, 2, "crop")
    np.testing.assert_allclose(cropped, [[0.3, 0.5]] * 2)
    stretched, _ = fit(image, 2, "stretch")
    np.testing.assert_allclose(stretched, [[0.2, 0.6]] * 2, rtol=1e-6)
    with pytest.raises(ValueError, match="fit must be one of pad, crop, stretch, got 'squash'"):
        fit(image, 2, "squash")


@pytest.mark.parametrize("shape", [(301, 203), (90, 31), (40, 60)])
@pytest.mark.parametrize("how", FITS)
def test_box_goes_there_and_back(shape, how):
    _, frame = fit(np.zeros(shape, dtype=np.float32), 64, how)
    height, width = shape
    box = Box("mass", width * 0.4, height * 0.45, width * 0.2, height * 0.1)
    there = frame.from_original(box)
    back = frame.to_original(there)
    np.testing.assert_allclose(
        [back.x, back.y, back.width, back.height], [box.x, box.y, box.width, box.height], atol=1e-9
    )
    assert back.label == "mass"


def test_box_outside_the_crop_is_none_and_half_outside_is_cut():
    _, frame = fit(np.zeros((100, 200), dtype=np.float32), 50, "crop")  # shows x 50 .. 150
    assert frame.from_original(Box("a", 0, 0, 40, 40)) is None
    assert frame.from_original(Box("a", 40, 20, 20, 10)) == Box("a", 0, 10, 5, 5)
    _, frame = fit(np.zeros((100, 200), dtype=np.float32), 50, "pad")
    assert frame.to_original(Box("a", 0, 0, 50, 5)) is None


@pytest.mark.parametrize("how", FITS)
def test_map_returns_to_original_pixels(how):
    # A ramp along each axis is exact under linear interpolation, up to half a cell at the edges.
    down, right = np.mgrid[0:120, 0:200].astype(np.float32) + 0.5
    for ramp in (down, right):
        fitted, frame = fit(ramp, 40, how)
        back = frame.to_original(fitted)
        assert back.shape == (120, 200)
        seen = ~np.isnan(back)
        assert seen[:, 45:155].all()
        assert seen.all() == (how != "crop")
        inner = seen[10:-10, 50:-50]
        assert inner.all()
        np.testing.assert_allclose(back[10:-10, 50:-50], ramp[10:-10, 50:-50], atol=0.01)
    if how == "crop":
        assert np.isnan(back[:, :38]).all()  # 38.8 or 41.8, as the crop is whole pixels wide
        assert np.isnan(back[:, 162:]).all()


def test_coarse_map_by_hand():
    _, frame = fit(np.zeros((4, 8), dtype=np.float32), 4, "stretch")
    back = frame.to_original(np.array([[0.0, 1.0]]))  # two regions, each four columns wide
    np.testing.assert_allclose(back, [[0, 0, 0.125, 0.375, 0.625, 0.875, 1, 1]] * 4)
    back = frame.to_original(np.array([[False, True]]))
    np.testing.assert_allclose(back, [[0] * 4 + [1] * 4] * 4)


def test_masks_stay_masks_and_lie_on_the_image():
    image = np.zeros((90, 60), dtype=np.float32)
    cv2.circle(image, (20, 30), 12, 1.0, -1)
    for how in FITS:
        fitted, frame = fit(image, 48, how)
        mask = frame.from_original(image > 0.5)
        assert mask.dtype == bool
        assert ((fitted > 0.5) ^ mask).mean() < 0.01
        back = frame.to_original(mask)
        assert np.nanmean(np.abs(back - image)) < 0.01


@pytest.fixture
def images():
    return torch.rand(4, 1, 20, 30, generator=torch.Generator().manual_seed(1))


def test_augment_is_decided_by_the_generator(images):
    first = augment(images, torch.Generator().manual_seed(5))
    again = augment(images, torch.Generator().manual_seed(5))
    other = augment(images, torch.Generator().manual_seed(6))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == images.shape
    assert first.min() >= 0
    assert first.max() <= 1
    same = augment(images[:1].expand(4, -1, -1, -1), torch.Generator().manual_seed(5))
    assert not torch.equal(same[0], same[1])  # every image its own position


def one_by_one(images, seed):
    """`augment` of the defaults for one image after the other, one pixel after the other."""
    b, _, height, width = images.shape
    draws = 2 * torch.rand(7, b, generator=torch.Generator().manual_seed(seed)).double() - 1
    result = torch.zeros_like(images, dtype=torch.float64)
    for n in range(b):
        angle, size, right, down, light, factor, curve = draws[:, n].tolist()
        cos, sin = math.cos(math.radians(5) * angle), math.sin(math.radians(5) * angle)
        for row in range(height):
            for column in range(width):
                # pixels from the center, turned, scaled, shifted
                x, y = column + 0.5 - width / 2, row + 0.5 - height / 2
                scale = math.exp(0.08 * size)
                from_x = scale * (cos * x - sin * y) + 0.04 * right * width + width / 2 - 0.5
                from_y = scale * (sin * x + cos * y) + 0.04 * down * height + height / 2 - 0.5
                value = 0.0
                for i in (math.floor(from_y), math.floor(from_y) + 1):
                    for j in (math.floor(from_x), math.floor(from_x) + 1):
                        if 0 <= i < height and 0 <= j < width:
                            weight = (1 - abs(from_y - i)) * (1 - abs(from_x - j))
                            value += weight * images[n, 0, i, j].item()
                exposed = (value - 0.5) * (1 + 0.15 * factor) + 0.5 + 0.08 * light
                result[n, 0, row, column] = min(max(exposed, 0), 1) ** math.exp(0.2 * curve)
    return result


def test_augment_equals_a_loop_over_images_and_pixels(images):
    found = augment(images, torch.Generator().manual_seed(3))
    torch.testing.assert_close(found.double(), one_by_one(images, 3), atol=2e-5, rtol=0)


def test_augment_asks_the_device_for_nothing(images):
    # A tensor without values cannot be asked for one.
    assert augment(images.to("meta"), torch.Generator()).shape == images.shape


def test_augment_leaves_its_input(images):
    before = images.clone()
    augment(images, torch.Generator())
    assert torch.equal(images, before)


def test_augment_without_any_strength_changes_nothing(images):
    still = dict.fromkeys(("degrees", "zoom", "shift", "brightness", "contrast", "gamma"), 0.0)
    same = augment(images, torch.Generator(), **still)
    torch.testing.assert_close(same, images, atol=1e-5, rtol=0)


def test_augment_keeps_proportions_of_an_oblong_image():
    image = torch.zeros(1, 1, 40, 80)
    image[0, 0, 10:30, 30:50] = 1  # a square; rotated, it must keep its area and right angles
    still = dict.fromkeys(("zoom", "shift", "brightness", "contrast", "gamma"), 0.0)
    turned = augment(image, torch.Generator().manual_seed(0), degrees=45, **still)
    assert turned.sum() == pytest.approx(400, rel=0.02)
    y, x = torch.nonzero(turned[0, 0] > 0.5, as_tuple=True)
    assert x.float().std() == pytest.approx(float(y.float().std()), rel=0.03)


def test_augment_never_flips():
    image = torch.zeros(64, 1, 32, 32)
    image[:, :, 4:12, 2:8] = 1  # upper left
    out = augment(image, torch.Generator().manual_seed(0), brightness=0.0)
    assert (out[:, :, :16, :16].sum((1, 2, 3)) > out[:, :, 16:, 16:].sum((1, 2, 3))).all()
    assert (out[:, :, :16, :16].sum((1, 2, 3)) > out[:, :, :16, 16:].sum((1, 2, 3))).all()


@pytest.mark.gpu
def test_augment_is_the_same_on_a_gpu(images):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    here = augment(images, torch.Generator().manual_seed(5))
    there = augment(images.cuda(), torch.Generator().manual_seed(5)).cpu()
    torch.testing.assert_close(here, there, atol=1e-4, rtol=0)


@pytest.mark.parametrize("signed", [False, True])
def test_padding_is_a_range_and_told_by_its_bits(tmp_path, signed):
    stored = np.tile(np.arange(100, 164, dtype=np.uint16) * 8, (64, 1))
    stored[:, :8], stored[:, 8:16] = 4095, 4090
    elements = {"PixelPaddingValue": 4095, "PixelPaddingRangeLimit": 4090}
    if signed:
        stored = stored.astype(np.int16)
        stored[:, :16] = -2048
        elements = {"PixelRepresentation": 1, "PhotometricInterpretation": "MONOCHROME1"}
    path = dicom(tmp_path / "a.dcm", stored, **elements)
    if signed:
        dataset = pydicom.dcmread(path)
        dataset.add_new(0x00280120, "US", 63488)
        dataset.save_as(path)
    image = read_image(path)
    assert (image[:, :16] == 0).all()
    assert image[:, 16:].max() - image[:, 16:].min() > 0.9


@pytest.mark.parametrize("padding", [65535, None])
def test_padding_of_other_bits_or_none_blackens_nothing(padding):
    dataset = pydicom.Dataset()
    dataset.PixelPaddingValue = padding
    dataset.PixelPaddingRangeLimit = None
    assert not _is_padding(np.arange(256, dtype=np.uint8), dataset).any()
