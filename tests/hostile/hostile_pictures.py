"""Of `hostile_cases`: pictures, and DICOM."""

import io
import struct
import zlib

from changes import content, pipe
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate


def png(width, height, rows=b"", color=0):
    def chunk(name, inside):
        crc = struct.pack(">I", zlib.crc32(name + inside))
        return struct.pack(">I", len(inside)) + name + inside + crc

    header = struct.pack(">IIBBBBB", width, height, 8, color, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return content("film.png", b"\x89PNG\r\n\x1a\n" + chunks)


def jpeg(folder):
    """Of which the header names more pixels than there are."""
    file = io.BytesIO()
    Image.new("L", (64, 64)).save(file, "JPEG")
    made = bytearray(file.getvalue())
    place = made.index(b"\xff\xc0") + 5
    made[place : place + 4] = struct.pack(">HH", 12000, 12000)
    return bytes(made)


def dicom(syntax, pixels, **changed):
    def change(folder):
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = f"1.2.840.10008.1.2.{syntax}"
        meta.MediaStorageSOPClassUID = meta.MediaStorageSOPInstanceUID = "1.2.3"
        file = FileDataset("", {}, file_meta=meta, preamble=bytes(128))
        settings = {"Rows": 64, "Columns": 64, "SamplesPerPixel": 1, "BitsAllocated": 8,
                    "BitsStored": 8, "HighBit": 7, "PixelRepresentation": 0,
                    "PhotometricInterpretation": "MONOCHROME2", "PixelData": pixels}  # fmt: skip
        for name, value in (settings | changed).items():
            setattr(file, name, value)
        file.save_as(folder / "film.dcm", enforce_file_format=True)

    return change


SIDE = {"Rows": 60_000, "Columns": 60_000}
RLE = struct.pack("<16I", 1, 64, *[0] * 14) + b"\x81\0\x81\0"
EPS = (  # gray, and with its bits where a JPEG 2000 has them
    "%!PS-Adobe-3.0 EPSF-3.0\n%%Title: some film\x07\n%%BoundingBox: 0 0 512 512\n%%EndComments\n\n"
    '%ImageData: 512 512 8 1 0 1 1 "beginimage"\n(canary) (w) file\nshowpage\n%%EOF\n'
)
LARGE = {"Rows": 512, "Columns": 512}  # large enough to be decoded at a part of its size
FRAME = encapsulate([EPS.encode() + b"\xff\xd9"])  # with the end of a JPEG
PICTURES = {
    "PNG of 60,000 x 60,000": png(60_000, 60_000),
    "PNG of 12,000 x 12,000": png(12_000, 12_000, bytes(10**7), 6),
    "JPEG of 12,000 x 12,000": content("film.jpg", jpeg),
    "PostScript": content("film.png", EPS),
    "SVG with an entity": content(
        "film.png", '<!DOCTYPE s [<!ENTITY a SYSTEM "secret.txt">]><svg>&a;</svg>'),
    "XBM": content("film.png", "#define im_width 100000\n#define im_height 100000\n"
                   "static char im_bits[] = {\n0x00};\n"),
    "DICOM of 60,000 x 60,000": dicom("1", bytes(4096), **SIDE),
    "DICOM of run lengths": dicom("5", encapsulate([RLE]), **SIDE),
    "DICOM of JPEG-LS": dicom("4.80", encapsulate([b"\xff\xd8" + bytes(60) + b"\xff\xd9"]), **SIDE),
    "DICOM of PostScript": dicom("4.50", FRAME, **LARGE),
    "DICOM of PostScript as JPEG 2000": dicom("4.91", FRAME, **LARGE),
    "deflated DICOM": dicom("1.99", bytes(3 * 10**8)),
    "DICOM of 10^6 frames": dicom("1", bytes(4096), NumberOfFrames=10**6),
    "DICOM that is a pipe": pipe("film.dcm"),
    "picture that is a pipe": pipe("film.png"),
}  # fmt: skip
