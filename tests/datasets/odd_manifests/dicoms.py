"""DICOM files: every form of pixels, missing attributes, and damage."""

import io
import warnings

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    RLELossless,
    generate_uid,
)

from .case import case, encoded, left_out, pixels, read, told

GRAY = pixels(0)
TWELVE = GRAY.astype(np.uint16) * 16  # 12 bits
COLOR = np.stack([GRAY, GRAY // 2, 255 - GRAY], axis=-1)
LUMA = (COLOR @ [0.299, 0.587, 0.114]) / 255
NOISE = np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)


def dataset(image=GRAY, bits=None, syntax=ExplicitVRLittleEndian, **attributes):
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = syntax
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=["odd"])
    one = FileDataset("x.dcm", {}, file_meta=meta, preamble=bytes(128))
    one.SOPClassUID, one.SOPInstanceUID = (
        meta.MediaStorageSOPClassUID,
        meta.MediaStorageSOPInstanceUID,
    )
    one.Rows, one.Columns = image.shape[:2]
    one.SamplesPerPixel = 1 if image.ndim == 2 else 3
    one.PhotometricInterpretation = "MONOCHROME2" if image.ndim == 2 else "RGB"
    if image.ndim == 3:
        one.PlanarConfiguration = 0
    one.BitsAllocated = 8 * image.itemsize
    one.BitsStored = bits or one.BitsAllocated
    one.HighBit = one.BitsStored - 1
    one.PixelRepresentation = int(image.dtype.kind == "i")
    one.PixelData = image.tobytes()
    for name, value in attributes.items():
        if value is None:
            delattr(one, name)
        else:
            setattr(one, name, value)
    return one


def written(one, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        buffer = io.BytesIO()
        pydicom.dcmwrite(buffer, one, **options)
    return buffer.getvalue()


def dicom(image=GRAY, bits=None, syntax=ExplicitVRLittleEndian, **attributes):
    return written(dataset(image, bits, syntax, **attributes))


def compressed(frame, syntax, image=GRAY, **attributes):
    return dicom(image, syntax=syntax, PixelData=encapsulate([frame]), **attributes)


def palette():
    one = dataset(PhotometricInterpretation="PALETTE COLOR")
    for color, table in [
        ("Red", 255 - np.arange(256)),
        ("Green", np.arange(256)),
        ("Blue", np.arange(256)),
    ]:
        setattr(one, f"{color}PaletteColorLookupTableDescriptor", [256, 0, 16])
        setattr(one, f"{color}PaletteColorLookupTableData", (257 * table).astype("<u2").tobytes())
    return written(one)


def without_meta(name):
    one = dataset()
    delattr(one.file_meta, name)
    return written(one, enforce_file_format=False)


def without_preamble():
    return dicom(syntax=ImplicitVRLittleEndian)[132:]


def bare():
    """The data set alone: no preamble and no meta, as old archives have it."""
    one = dataset(syntax=ImplicitVRLittleEndian)
    buffer = io.BytesIO()
    plain = Dataset({element.tag: element for element in one})
    pydicom.dcmwrite(buffer, plain, implicit_vr=True, little_endian=True)
    return buffer.getvalue()


def run_lengths():
    one = dataset(NOISE)
    one.compress(RLELossless)
    return written(one)


def compress(image, syntax, **attributes):
    one = dataset(image, 12, **attributes)
    one.compress(syntax)
    return written(one)


def big_endian():
    return dicom(TWELVE.astype(">u2"), 12, ExplicitVRBigEndian, WindowCenter=2048, WindowWidth=4096)


def lookup():
    """A VOI table that inverts."""
    item = Dataset()
    item.LUTDescriptor = [256, 0, 16]
    item.LUTData = (257 * np.arange(255, -1, -1)).astype("<u2").tobytes()
    return dicom(VOILUTSequence=[item])


def good(name, content, image=None):
    image = GRAY / 255 if image is None else image
    right = read(study_id={0: "images/x.dcm"}, pixels={0: image})
    return case(f"dicom_{name}", lambda f: f.image(0, "images/x.dcm", content), right)


def bad(name, content, *also):

    def write(f):
        f.image(0, "images/x.dcm", content)

    return case(f"dicom_{name}", write, left_out(0, r"x\.dcm"), *also)


def as_read(image=None):
    image = GRAY / 255 if image is None else image
    return read(study_id={0: "images/x.dcm"}, pixels={0: image})


X = {0: "images/x.dcm"}
ANY = read(study_id=X, pixels={0: None})
WINDOW = {"WindowCenter": 2048, "WindowWidth": 4096}
DEEP = dicom(TWELVE, 12, **WINDOW)
SIGNED = TWELVE.astype(np.int16) - 2048
J2K = encoded(GRAY, "JPEG2000", no_jp2=True)
JPEG = encoded(NOISE, "JPEG", quality=95)
PALETTE_LUMA = np.stack([255 - GRAY, GRAY, GRAY], axis=-1) @ [0.299, 0.587, 0.114] / 255
# With overlays in the four high bits, as old machines wrote them.
OVERLAY = (TWELVE | 0x8000).astype(np.uint16)

CASES = [
    good("8_bits", dicom()),
    good("12_bits", DEEP),
    good("monochrome1", dicom(255 - GRAY, PhotometricInterpretation="MONOCHROME1")),
    good("signed", dicom(SIGNED, 12, WindowCenter=0, WindowWidth=4096)),
    good("rescale", dicom(TWELVE, 12, RescaleSlope=2, RescaleIntercept=-100, WindowCenter=3996,
                          WindowWidth=8192)),
    good("rescale_to_negative", dicom(TWELVE, 12, RescaleSlope=1, RescaleIntercept=-1024,
                                      WindowCenter=1024, WindowWidth=4096)),
    good("two_windows", dicom(TWELVE, 12, WindowCenter=[2048, 10], WindowWidth=[4096, 5])),
    good("window_of_no_width", dicom(WindowCenter=100, WindowWidth=0)),
    good("window_empty", dicom(WindowCenter="", WindowWidth="")),
    good("window_without_width", dicom(WindowCenter=100)),
    good("window_elsewhere", dicom(WindowCenter=30_000, WindowWidth=100)),
    good("voi_table", lookup(), 1 - GRAY / 255),
    good("rgb", dicom(COLOR), LUMA),
    good("rgb_by_planes", dicom(COLOR, PlanarConfiguration=1,
                                PixelData=COLOR.transpose(2, 0, 1).tobytes()), LUMA),
    bad("rgb_without_planar", dicom(COLOR, PlanarConfiguration=None), as_read(LUMA)),
    good("ybr", dicom(np.stack([GRAY, GRAY * 0 + 128, GRAY * 0 + 128], -1).astype(np.uint8),
                      PhotometricInterpretation="YBR_FULL")),
    good("big_endian", big_endian()),
    good("implicit", dicom(syntax=ImplicitVRLittleEndian)),
    good("deflated", dicom(syntax=DeflatedExplicitVRLittleEndian)),
    good("run_lengths", run_lengths(), NOISE / 255),
    good("jpeg", compressed(encoded(GRAY, "JPEG", quality=95), JPEGBaseline8Bit)),
    good("jpeg2000", compressed(J2K, JPEG2000Lossless)),
    good("overlay_bits", dicom(OVERLAY, 12, **WINDOW)),
    good("12_bits_run_lengths", compress(TWELVE, RLELossless, **WINDOW)),
    good("12_bits_jpeg2000", compress(TWELVE, JPEG2000Lossless, **WINDOW)),
    good("signed_jpeg2000", compress(SIGNED, JPEG2000Lossless, WindowCenter=0, WindowWidth=4096)),
    good("jpeg_in_two_parts", dicom(
        syntax=JPEGBaseline8Bit, PixelData=encapsulate(
            [encoded(GRAY, "JPEG", quality=95)], fragments_per_frame=2))),
    bad("12_bits_in_the_high_ones", dicom(TWELVE << 4, 12, HighBit=15, **WINDOW), as_read()),
    bad("1_bit", dicom(np.packbits(GRAY > 60, axis=1, bitorder="little"), BitsAllocated=1,
                       BitsStored=1, HighBit=0, Columns=64), as_read((GRAY > 60) * 1.0)),
    good("window_sigmoid", dicom(WindowCenter=60, WindowWidth=100, VOILUTFunction="SIGMOID"),
         1 / (1 + np.exp(-4 * (GRAY - 60.0) / 100))),
    good("monochrome1_window", dicom(4095 - TWELVE, 12, PhotometricInterpretation="MONOCHROME1",
                                     **WINDOW)),
    bad("deflated_half", dicom(syntax=DeflatedExplicitVRLittleEndian)[:-300]),
    bad("run_lengths_half", run_lengths()[:-2500]),
    bad("frames_of_text",
        dicom(NumberOfFrames=1).replace(b"IS\x02\x001 ", b"IS\x02\x00x "), as_read()),
    *(case(f"dicom_{name}_without_headers", lambda f, x=x: f.image(0, "images/x.dcm", x),
           left_out(0, r"x\.dcm"), headers=False)
      for name, x in {"no_pixels": dicom(PixelData=None), "pixels_half": dicom()[:-2000],
                      "multi_frame": dicom(NumberOfFrames=2, PixelData=GRAY.tobytes() * 2),
                      "without_Rows": dicom(Rows=None)}.items()),
    case("dicom_named_png", lambda f: f.image(0, "images/x.png", dicom()),
         read(study_id={0: "images/x.png"})),
    case("dicom_without_ending", lambda f: f.image(0, "images/x", dicom()),
         read(study_id={0: "images/x"})),
    good("one_frame", dicom(NumberOfFrames=1)),
    good("trailing_bytes", dicom(PixelData=GRAY.tobytes() + bytes(100))),
    good("padding_value", dicom(PixelPaddingValue=3)),
    bad("32_bits", dicom(TWELVE.astype(np.uint32), 32), ANY),
    bad("palette", palette(), as_read(PALETTE_LUMA)),
    bad("multi_frame", dicom(NumberOfFrames=2, PixelData=GRAY.tobytes() * 2)),
    bad("no_frames", dicom(NumberOfFrames=0), as_read()),
    bad("no_pixels", dicom(PixelData=None)),
    bad("empty_pixels", dicom(PixelData=b"")),
    bad("pixels_half", dicom(PixelData=GRAY.tobytes()[:2048])),
    bad("file_half", dicom()[:-3000]),
    bad("header_alone", dicom()[:300]),
    bad("preamble_alone", bytes(128) + b"DICM"),
    bad("empty_file", b""),
    bad("text", "no DICOM"),
    bad("jpeg_half", compressed(JPEG[: len(JPEG) // 2], JPEGBaseline8Bit)),
    bad("jpeg_file_half", compressed(JPEG, JPEGBaseline8Bit)[:-2000]),
    bad("jpeg_garbage", compressed(b"\x00garbage" * 50, JPEGBaseline8Bit)),
    bad("jpeg2000_half",
        compressed(encoded(NOISE, "JPEG2000", no_jp2=True)[:2000], JPEG2000Lossless)),
    bad("raw_named_run_lengths",
        dicom().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.5\0")),
    *(bad(f"without_{name}", dicom(**{name: None}))
      for name in ("Rows", "Columns", "BitsAllocated")),
    *(bad(f"without_{name}", dicom(**{name: None}), as_read())
      for name in ("BitsStored", "HighBit", "PixelRepresentation", "PhotometricInterpretation",
                   "SamplesPerPixel")),
    bad("12_bits_without_BitsStored", dicom(TWELVE, 12, BitsStored=None, **WINDOW), as_read()),
    bad("12_bits_without_PixelRepresentation",
        dicom(TWELVE, 12, PixelRepresentation=None, **WINDOW), as_read()),
    bad("empty_Rows", dicom(Rows=[])),
    bad("zero_Rows", dicom(Rows=0)),
    bad("empty_PhotometricInterpretation", dicom(PhotometricInterpretation=""), as_read()),
    bad("rows_too_many", dicom(Rows=128)),
    bad("photometric_unknown", dicom(PhotometricInterpretation="MONOCHROME3"), as_read()),
    bad("without_syntax", without_meta("TransferSyntaxUID"), as_read()),
    bad("without_preamble", without_preamble(), as_read()),
    bad("bare", bare(), as_read()),
    bad("float_pixels", dicom(PixelData=None, FloatPixelData=GRAY.astype(np.float32).tobytes(),
                              BitsAllocated=32), ANY),
    bad("samples_2", dicom(SamplesPerPixel=2)),
    bad("slope_of_zero", dicom(RescaleSlope=0, RescaleIntercept=0), as_read(),
        told("shows nothing", r"x\.dcm", study_id=X, pixels={0: np.zeros((64, 64))})),
]  # fmt: skip
