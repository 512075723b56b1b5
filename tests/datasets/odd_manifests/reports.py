"""Report cells, and the paths of images."""

import unicodedata

from .case import Folder, case, encoded, left_out, pixels, read, refused, told

FILE = r"manifest\.csv"
PLAIN = read()


def report(cell):
    return lambda folder: folder.put(0, report=cell)


def kept(name, cell):
    """The report is read as it stands."""
    return case(
        f"report_{name}", report(cell), read(report={0: unicodedata.normalize("NFC", cell)})
    )


def no_report(name, cell):
    """A cell without a word that a person wrote."""
    return case(f"report_{name}", report(cell), left_out(0, "report", r"images/0\.png"))


def path(cell):
    return lambda folder: folder.put(0, image=cell)


def found(name, write, study_id, **values):
    """The image is found, whatever its path."""
    return case(f"path_{name}", write, read(study_id={0: study_id}, **values))


def missing(name, cell, *words):
    words = words or ("missing image",)
    return case(f"path_{name}", path(cell), left_out(0, *words), refused(FILE, *words))


def file_at(name, cell=None, content=None):
    """The first image lies under another name."""

    def write(folder: Folder):
        folder.file(name, content or encoded(pixels(0)))
        folder.put(0, image=name if cell is None else cell)

    return write


def absolute(folder: Folder):
    folder.put(0, image=str(folder.root / "images/0.png"))


def link(target, name="images/link.png"):
    def write(folder: Folder):
        (folder.root / name).symlink_to(target)
        folder.put(0, image=name)

    return write


def no_headers(folder: Folder):
    (folder.root / "images/0.png").unlink()


def bad(name, file, content, *words):
    return case(f"path_{name}", lambda f: f.image(0, file, content), left_out(0, *words))


OTHER_PIXELS = {0: pixels(1) / 255}
LONG = "Effusion. " * 20_000

CASES = [
    no_report("empty", ""),
    no_report("spaces", "  \t "),
    no_report("punctuation", "... --- !"),
    no_report("hidden", "XXXX ___ [**Name**]"),
    no_report("emoji_alone", "🫁🩻"),
    no_report("nan_text", "nan"),
    no_report("null_text", "NULL"),
    no_report("na_text", "<NA>"),
    no_report("control_characters_alone", "\x01\x02"),
    no_report("null_in_spaces", " NaN "),
    no_report("zero_width_alone", "\u200b\ufeff"),
    case("report_bytes_text", lambda f: f.column("report", [f"b'Left {n}.'" for n in range(10)]),
         read(report={n: f"Left {n}." for n in range(10)}), refused("report", "bytes")),
    case("report_one_bytes_text", report('b"Left\\xc3\\xa9"'), refused("report", "bytes"),
         left_out(0, "report", "bytes"), read(report={0: "Lefté"})),
    case("report_all_none_text", lambda f: f.column("report", ["None"] * 10),
         told("None", report=dict.fromkeys(range(10), "None")), refused("report"),
         told("none", report=dict.fromkeys(range(10), "None"))),
    case("report_same_for_all", lambda f: f.column("report", ["No nodule."] * 10),
         told("no nodule", report=dict.fromkeys(range(10), "No nodule."))),
    case("report_all_empty", lambda f: f.column("report", [""] * 10), refused("empty report")),
    case("report_column_null", lambda f: f.drop("report"),
         read(report=dict.fromkeys(range(10), "")), report_column=None),
    kept("none_as_a_word", "None of the above."),
    kept("long", LONG.strip()),
    kept("html", "<p>Left effusion &gt; 5&nbsp;mm.</p>"),
    kept("control_characters", "Left\x07 effusion\x1b[0m."),
    kept("line_separators", "Left\u2028effusion\x85here\x0bnow."),
    kept("emoji", "Left effusion 🫁."),
    kept("chinese", "左侧胸腔积液。"),
    kept("arabic", "انصباب جنبي أيسر"),
    kept("formula", "$x^$ and $\\frac{1$"),
    kept("nfd", unicodedata.normalize("NFD", "Épanchement à gauche.")),
    kept("number", "5"),
    kept("quotes_and_separators", 'A "left; right", and\tboth | none.'),
    kept("spreadsheet_formula", "=1+2 left"),
    kept("leading_apostrophe", "'Left effusion"),
    kept("brackets", "[Left] {effusion} (5 cm)"),
    kept("backslashes", r"Left\neffusion \x41"),
    kept("capitals", "LEFT EFFUSION. LUNGS: CLEAR."),
    kept("hard_spaces", "Left\xa0effusion\u202f5 cm."),
    kept("one_long_word", "x" * 5_000),
    kept("brackets_open", "[** " * 2_000 + "left"),
    kept("surrogate_pairs", "𝑳𝒆𝒇𝒕 effusion"),
    found("absolute", absolute, "{root}/images/0.png"),
    found("windows", path("images\\0.png"), "images/0.png"),
    found("windows_mixed", path("images\\./0.png"), "images/0.png"),
    found("spaces_around", path("  images/0.png "), "images/0.png"),
    found("dot", path("./images/0.png"), "images/0.png"),
    found("two_dots", path("images/../images/0.png"), "images/0.png"),
    found("spaces_inside", file_at("my films/a b  c.png"), "my films/a b  c.png"),
    found("hash_and_percent", file_at("images/a#1%20b?.png"), "images/a#1%20b?.png"),
    found("dollar_and_underscore", file_at("images/$x_1^$.png"), "images/$x_1^$.png"),
    found("quotes", file_at("images/it's \"0\".png"), "images/it's \"0\".png"),
    found("comma_and_semicolon", file_at("images/a,b;c.png"), "images/a,b;c.png"),
    found("unicode", file_at("图像/é.png"), "图像/é.png"),
    found("newline", file_at("images/a\nb.png"), "images/a\nb.png"),
    found("no_extension", file_at("images/film"), "images/film"),
    found("upper_case_extension", file_at("images/0.PNG"), "images/0.PNG"),
    found("jpeg_named_png",
          file_at("images/j.png", content=encoded(pixels(0), "JPEG", quality=95)), "images/j.png"),
    found("png_named_jpg", file_at("images/p.jpg"), "images/p.jpg"),
    found("long_folders", file_at("/".join(["folder"] * 30) + "/0.png"),
          "/".join(["folder"] * 30) + "/0.png"),
    found("link", link("0.png"), "images/link.png"),
    found("link_to_other", link("1.png"), "images/link.png", pixels=OTHER_PIXELS),
    case("path_nfd_on_disk", file_at(unicodedata.normalize("NFD", "images/é.png"), "images/é.png"),
         left_out(0, "missing image"), read(study_id={0: "images/é.png"}),
         read(study_id={0: unicodedata.normalize("NFD", "images/é.png")})),
    case("path_two_names_of_one_file", link("1.png"),
         told("same image", study_id={0: "images/link.png"}, pixels=OTHER_PIXELS)),
    case("path_copy_in_other_split",
         lambda f: f.file("images/9.png", encoded(pixels(0))),
         told("same image in two splits", pixels={9: pixels(0) / 255})),
    case("path_png_named_dcm", file_at("images/p.dcm"), read(study_id={0: "images/p.dcm"}),
         left_out(0, r"p\.dcm")),
    missing("missing", "images/none.png", "missing image", r"none\.png"),
    missing("missing_in_backslashes", "C:\\films\\0.png", "missing image"),
    missing("case_of_folder", "Images/0.png"),
    missing("case_of_name", "images/0.PNG"),
    missing("percent_code", "images%2F0.png"),
    missing("url", "https://example.org/0.png"),
    missing("file_url", "file:" + "//" + "/images/0.png"),
    missing("folder", "images"),
    missing("without_extension", "images/0"),
    missing("two_in_a_cell", "images/0.png;images/1.png"),
    missing("list_text", "['images/0.png']"),
    missing("home", "~/images/0.png"),
    missing("too_long", "images/" + "x" * 300 + ".png"),
    missing("too_long_in_all", "images/" + "x/" * 3000 + ".png"),
    missing("empty", "", "line 2|row|without|empty", "image"),
    missing("nan_text", "nan", "missing|without|empty"),
    missing("root_of_data_set", ".", "missing image"),
    case("path_missing_without_headers", no_headers, left_out(0, "missing image", r"0\.png"),
         headers=False),
    case("path_all_missing", lambda f: f.column("image", [f"no/{n}.png" for n in range(10)]),
         refused("missing image", r"\(7\)|\(2\)|\(1\)|\(10\)")),
    case("path_link_broken", link("nothing.png"), left_out(0, "missing image", r"link\.png")),
    case("path_link_in_circle", link("link.png"), left_out(0, "missing image", r"link\.png")),
    bad("empty_file", "images/bad.png", b"", r"bad\.png"),
    bad("text_file", "images/bad.png", "no image", r"bad\.png"),
    bad("html_file", "images/bad.jpg", "<!DOCTYPE html><html>log in</html>", r"bad\.jpg"),
    bad("pdf_file", "images/bad.png", b"%PDF-1.4 \n1 0 obj", r"bad\.png"),
    bad("svg_file", "images/bad.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>", r"bad\.svg"),
    bad("numpy_file", "images/bad.npy", b"\x93NUMPY\x01\x00v\x00", r"bad\.npy"),
    bad("nifti_file", "images/bad.nii", b"\x5c\x01\0\0" + bytes(344) + b"n+1\0", r"bad\.nii"),
    bad("lfs_pointer", "images/bad.png",
        "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n", r"bad\.png"),
    bad("zero_bytes_file", "images/bad.png", bytes(5000), r"bad\.png"),
]  # fmt: skip
