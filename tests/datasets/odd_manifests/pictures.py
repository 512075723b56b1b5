"""Images that are no DICOM: every mode and form, and every kind of damage."""

import io
import struct
import zlib

import numpy as np
from PIL import Image

from .case import Folder, case, encoded, left_out, pixels, read, told

GRAY = pixels(0)
DEEP = GRAY.astype(np.uint16) * 257
NOISE = np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)
PNG = encoded(GRAY)
NOISY_PNG = encoded(NOISE)
JPEG = encoded(NOISE, "JPEG", quality=95)
COLOR = np.stack([GRAY, GRAY // 2, 255 - GRAY], axis=-1)
LUMA = (COLOR @ [0.299, 0.587, 0.114]) / 255


def chunk(kind, content):
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)


def png(header, *chunks):
    """Header: width, height, bits, color, compression, filter, interlace."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", *header))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + chunk(b"IEND", b"")


def interlaced(image):
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2),
              (1, 0, 2, 1)]  # fmt: skip
    rows = [row for y, x, dy, dx in passes for row in image[y::dy, x::dx]]
    content = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    return png((64, 64, 8, 0, 0, 0, 1), chunk(b"IDAT", content))


def spoiled(content, place, by=b"\xff\x00\xaa\x55"):
    """Bytes at a place, as a share of the file, written over."""
    start = int(len(content) * place)
    return content[:start] + by + content[start + len(by) :]


def bad_check(content, kind):
    """The checksum of a chunk is wrong, and nothing else."""
    start = content.index(kind)
    (length,) = struct.unpack(">I", content[start - 4 : start])
    end = start + 4 + length
    return content[:end] + bytes(4) + content[end + 4 :]


def packed(values, bits):
    """Several pixels to a byte, the first in the high bits."""
    parts = values.reshape(64, -1, 8 // bits).astype(int)
    return sum(parts[..., n] << (8 - bits * (n + 1)) for n in range(8 // bits)).astype(np.uint8)


def filtered(bits, color, rows):
    """A PNG of rows without a filter."""
    content = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    return png((64, 64, bits, color, 0, 0, 0), chunk(b"IDAT", content))


def tiff(image, **options):
    return encoded(image, "TIFF", **options)


def tagged(content, tag, value):
    """A little-endian TIFF with another value of a tag of one short."""
    start = content.index(struct.pack("<HHI", tag, 3, 1))
    return content[: start + 8] + struct.pack("<H", value) + content[start + 10 :]


def frames(form, **options):
    others = [Image.fromarray(pixels(n)) for n in (1, 2)]
    return encoded(GRAY, form, save_all=True, append_images=others, **options)


def turned():
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(GRAY, "JPEG", quality=95, exif=exif)


def transparent(mode):
    picture = Image.fromarray(GRAY).convert(mode)
    picture.putalpha(Image.fromarray(255 - GRAY))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def good(name, file, content, image=None, **options):
    """Read, with these pixels."""
    image = GRAY / 255 if image is None else image
    values = {"study_id": {0: f"images/{file}"}, "pixels": {0: image}}
    if isinstance(image, str):
        del values["pixels"]
        values["pixels"] = {0: None}

    def write(f):
        f.image(0, f"images/{file}", content)

    return case(f"image_{name}", write, read(**values), **options)


def bad(name, file, content, *also):

    def write(f):
        f.image(0, f"images/{file}", content)

    return case(f"image_{name}", write, left_out(0, file.replace(".", r"\.")), *also)


def as_read(file, image=None):
    image = GRAY / 255 if image is None else image
    return read(study_id={0: f"images/{file}"}, pixels={0: image})


def blank(name, value):
    image = np.full((64, 64), value, dtype=np.uint8)
    return case(f"image_{name}", lambda f: f.file("images/0.png", encoded(image)),
                told("shows nothing", r"0\.png", pixels={0: image / 255}))  # fmt: skip


def all_black(folder: Folder):
    for n in range(10):
        folder.file(f"images/{n}.png", encoded(np.zeros((64, 64), dtype=np.uint8)))


ANY_READ = read(study_id={0: "images/x.jpg"}, pixels={0: None})
ANY = "any"  # pixels that are not compared
PALETTE = Image.fromarray(COLOR).quantize(256)
PALETTE_LUMA = np.asarray(PALETTE.convert("RGB")) @ [0.299, 0.587, 0.114] / 255
BITS = GRAY > 60
TALL = np.tile(np.arange(5000, dtype=np.uint16)[:, None] // 20, (1, 1)).astype(np.uint8)

WITHOUT_HEADERS = {
    "text": ("x.png", b"no image"),
    "empty_file": ("x.png", b""),
    "png_half": ("x.png", NOISY_PNG[: len(NOISY_PNG) // 2]),
    "jpeg_half": ("x.jpg", JPEG[: len(JPEG) // 2]),
    "tiff_float": ("x.tif", tiff(GRAY.astype(np.float32))),
    "tiff_two_pages": ("x.tif", frames("TIFF")),
    "20000_x_20000": ("x.png", png((20000, 20000, 8, 0, 0, 0, 0), chunk(b"IDAT", b""))),
}

CASES = [
    good("png_8", "x.png", PNG),
    good("png_16", "x.png", encoded(DEEP)),
    good("png_1", "x.png", encoded(BITS), BITS * 1.0),
    good("png_palette", "x.png", encoded(COLOR, mode="P"), ANY),
    good("png_rgb", "x.png", encoded(COLOR), LUMA),
    good("png_gray_as_rgb", "x.png", encoded(GRAY, mode="RGB")),
    good("png_rgba", "x.png", transparent("RGB")),
    good("png_la", "x.png", transparent("L")),
    good("png_interlaced", "x.png", interlaced(GRAY)),
    good("png_2", "x.png", filtered(2, 0, packed(GRAY >> 6, 2)), (GRAY >> 6) / 3),
    good("png_4", "x.png", filtered(4, 0, packed(GRAY >> 4, 4)), (GRAY >> 4) / 15),
    good("png_rgb_16", "x.png", filtered(16, 2, np.repeat(DEEP, 3, axis=1).astype(">u2"))),
    good("png_la_16", "x.png",
         filtered(16, 4, np.dstack([DEEP, DEEP * 0 + 9]).astype(">u2").reshape(64, -1))),
    good("png_rgba_16", "x.png",
         filtered(16, 6, np.dstack([DEEP] * 4).astype(">u2").reshape(64, -1))),
    case("image_png_8_in_16", lambda f: f.file("images/0.png", encoded(GRAY.astype(np.uint16))),
         told("own_max", r"0\.png", pixels={0: GRAY / 65535})),
    case("image_png_12_in_16_own_max",
         lambda f: [f.file(f"images/{n}.png", encoded(pixels(n).astype(np.uint16) * 16))
                    for n in range(10)],
         read(pixels={n: pixels(n) / pixels(n).max() for n in range(10)}), own_max=True),
    good("png_text_chunk", "x.png",
         png((64, 64, 8, 0, 0, 0, 0), chunk(b"tEXt", b"Comment\0left"),
             chunk(b"IDAT", zlib.compress(b"".join(b"\0" + r.tobytes() for r in GRAY))))),
    good("png_trailing_bytes", "x.png", PNG + b"more" * 50),
    good("jpeg", "x.jpg", encoded(GRAY, "JPEG", quality=95)),
    good("jpeg_progressive", "x.jpg", encoded(GRAY, "JPEG", quality=95, progressive=True)),
    good("jpeg_color", "x.jpg", encoded(COLOR, "JPEG", quality=98, subsampling=0), LUMA),
    good("jpeg_cmyk", "x.jpg", encoded(GRAY, "JPEG", "CMYK", quality=98)),
    good("jpeg_turned_by_exif", "x.jpg", turned()),
    good("jpeg_trailing_bytes", "x.jpg", encoded(GRAY, "JPEG", quality=95) + b"more" * 50),
    good("jpeg2000", "x.jp2", encoded(GRAY, "JPEG2000")),
    good("jpeg2000_16", "x.jp2", encoded(DEEP, "JPEG2000")),
    good("bmp", "x.bmp", encoded(GRAY, "BMP")),
    good("gif", "x.gif", encoded(GRAY, "GIF")),
    good("webp", "x.webp", encoded(GRAY, "WEBP", lossless=True)),
    good("pgm", "x.pgm", encoded(GRAY, "PPM")),
    good("tiff_8", "x.tif", tiff(GRAY)),
    good("tiff_16", "x.tif", tiff(DEEP)),
    good("tiff_lzw", "x.tif", tiff(GRAY, compression="tiff_lzw")),
    good("tiff_rgb", "x.tif", tiff(COLOR), LUMA),
    good("tiff_1", "x.tif", tiff(BITS), BITS * 1.0),
    good("tiff_palette", "x.tif", encoded(GRAY, "TIFF", "P"), GRAY / 255),
    good("tiff_16_big_endian", "x.tif", tiff(DEEP.astype(">u2"))),
    good("tiff_big", "x.tif", tiff(GRAY, big_tiff=True)),
    good("tiff_deflate_16", "x.tif", tiff(DEEP, compression="tiff_adobe_deflate")),
    good("tiff_jpeg", "x.tif", tiff(GRAY, compression="jpeg", quality=95)),
    bad("heic", "x.heic", b"\0\0\0\x18ftypheic" + bytes(500)),
    bad("jpeg_of_two_pictures", "x.jpg", frames("MPO"), ANY_READ),
    good("tiff_white_is_zero", "x.tif", tagged(tiff(255 - GRAY), 262, 0)),
    bad("tiff_16_white_is_zero", "x.tif", tagged(tiff(65535 - DEEP), 262, 0), as_read("x.tif")),
    good("one_pixel", "x.png", encoded(GRAY[:1, :1]), ANY),
    good("5000_x_1", "x.png", encoded(TALL), ANY),
    good("large", "x.png", encoded(np.zeros((3000, 3000), dtype=np.uint8)), ANY),
    bad("5000_x_5000_of_40_bytes", "x.png", png((5000, 5000, 8, 0, 0, 0, 0), chunk(b"IDAT", b""))),
    bad("20000_x_20000", "x.png",
        png((20000, 20000, 8, 0, 0, 0, 0), chunk(b"IDAT", zlib.compress(b"\0" * 20001)))),
    bad("12000_x_12000", "x.png",
        png((12000, 12000, 8, 0, 0, 0, 0), chunk(b"IDAT", b""))),
    bad("no_width", "x.png", png((0, 64, 8, 0, 0, 0, 0), chunk(b"IDAT", b""))),
    bad("png_header_alone", "x.png", PNG[:40]),
    bad("png_signature_alone", "x.png", PNG[:8]),
    bad("png_half", "x.png", NOISY_PNG[: len(NOISY_PNG) // 2]),
    bad("png_without_its_end", "x.png", NOISY_PNG[:-12], as_read("x.png", NOISE / 255)),
    bad("png_last_bytes", "x.png", NOISY_PNG[:-40], as_read("x.png", NOISE / 255)),
    bad("png_garbage_in_the_middle", "x.png", spoiled(NOISY_PNG, 0.5)),
    bad("png_bad_check_of_header", "x.png", bad_check(PNG, b"IHDR")),
    bad("png_bad_check_of_pixels", "x.png", bad_check(PNG, b"IDAT"), as_read("x.png")),
    bad("png_bad_compression", "x.png",
        png((64, 64, 8, 0, 0, 0, 0), chunk(b"IDAT", b"no zlib at all"))),
    bad("png_rows_missing", "x.png",
        png((64, 64, 8, 0, 0, 0, 0), chunk(b"IDAT", zlib.compress(bytes(65 * 20))))),
    bad("png_line_ends_changed", "x.png", PNG.replace(b"\r\n", b"\n")),
    bad("jpeg_header_alone", "x.jpg", JPEG[:200]),
    bad("jpeg_two_bytes", "x.jpg", JPEG[:2]),
    bad("jpeg_half", "x.jpg", JPEG[: len(JPEG) // 2]),
    bad("jpeg_90_percent", "x.jpg", JPEG[: len(JPEG) * 9 // 10]),
    bad("jpeg_without_its_end", "x.jpg", encoded(GRAY, "JPEG", quality=95)[:-2], as_read("x.jpg")),
    bad("jpeg_garbage_in_the_middle", "x.jpg", spoiled(JPEG, 0.5, b"\xff\xc4\x00\x08" * 40)),
    bad("jpeg_zeros_in_the_middle", "x.jpg", spoiled(JPEG, 0.5, bytes(400))),
    bad("jpeg2000_half", "x.jp2",
        (lambda whole: whole[: len(whole) // 2])(encoded(NOISE, "JPEG2000"))),
    bad("gif_animated", "x.gif", frames("GIF"), as_read("x.gif")),
    bad("png_animated", "x.png", frames("PNG"), as_read("x.png")),
    bad("webp_animated", "x.webp", frames("WEBP", lossless=True), as_read("x.webp")),
    bad("tiff_two_pages", "x.tif", frames("TIFF")),
    bad("tiff_float", "x.tif", tiff(GRAY.astype(np.float32))),
    bad("tiff_float_0_to_1", "x.tif", tiff((GRAY / 255).astype(np.float32))),
    bad("tiff_signed_16", "x.tif", tagged(tiff(DEEP // 4), 339, 2)
        if struct.pack("<HHI", 339, 3, 1) in tiff(DEEP) else tiff(-DEEP.astype(np.int32))),
    bad("tiff_signed_32", "x.tif", tiff(-GRAY.astype(np.int32))),
    bad("tiff_half", "x.tif", (lambda whole: whole[: len(whole) // 2])(tiff(NOISE))),
    bad("bmp_half", "x.bmp", (lambda whole: whole[: len(whole) // 2])(encoded(GRAY, "BMP"))),
    bad("webp_half", "x.webp",
        (lambda whole: whole[: len(whole) // 2])(encoded(NOISE, "WEBP", lossless=True))),
    *(case(f"image_{name}_without_headers", lambda f, x=x: f.image(0, f"images/{x[0]}", x[1]),
           left_out(0, x[0].replace(".", r"\.")), headers=False)
      for name, x in WITHOUT_HEADERS.items()),
    blank("black", 0),
    blank("white", 255),
    blank("constant", 117),
    case("image_all_black", all_black,
         told("shows nothing", pixels=dict.fromkeys(range(10), np.zeros((64, 64))))),
]  # fmt: skip
