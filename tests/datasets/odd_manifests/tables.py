"""The manifest as text: encodings, separators, line ends, quotes, compression, columns."""

import bz2
import gzip
import io
import zipfile

from .case import REPORTS, Folder, case, left_out, read, refused

ACCENTS = "Épanchement à gauche, 5 µm."
FILE = r"manifest\.csv"


def encode(encoding, report=ACCENTS):
    def write(folder: Folder):
        folder.put(0, report=report)
        folder.manifest(folder.text().encode(encoding))

    return write


def content(change):
    """The manifest's text, changed."""
    return lambda folder: folder.manifest(change(folder.text()))


def line(number, text):
    """A line more, after the header (0) or row `number`."""

    def change(whole):
        lines = whole.splitlines()
        return "\n".join([*lines[: number + 1], text, *lines[number + 1 :]]) + "\n"

    return content(change)


def report_last(cell):
    """The report is the last column, and that of the first study is `cell` as it stands."""

    def write(folder: Folder):
        folder.rows = [
            {key: row[key] for key in ("image", "patient_id", "split", "report")}
            for row in folder.rows
        ]
        lines = folder.text().splitlines()
        lines[1] = f"images/0.png,p0,train,{cell}"
        folder.manifest("\n".join(lines) + "\n")

    return write


def first_report(cell):
    """The first report is `cell` as it stands, quotes included."""
    return content(lambda text: text.replace(REPORTS[0], cell))


def separated(separator):
    def write(folder: Folder):
        folder.put(0, report="Left; right, both.")
        folder.manifest(folder.text(separator))

    return write


def renamed(**names):
    def write(folder: Folder):
        folder.rows = [{names.get(k, k): v for k, v in row.items()} for row in folder.rows]

    return write


def column(name, value="x"):
    return lambda folder: folder.column(name, [value] * 10)


def doubled(name):
    return content(
        lambda text: "\n".join(
            f"{row},{name if n == 0 else 'other'}" for n, row in enumerate(text.splitlines())
        )
    )


def zipped(*names):
    def write(folder: Folder):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name in names:
                archive.writestr(name, folder.text())
        folder.manifest(buffer.getvalue())

    return write


def mixed(folder: Folder):
    folder.put(0, report=ACCENTS)
    lines = folder.text().encode().splitlines(keepends=True)
    lines[4] = lines[4].replace(b"Left", "Léft".encode("latin-1"))
    folder.manifest(b"".join(lines))


def in_subfolder(folder: Folder):
    folder.manifest(folder.text(), "tables/all of it.csv")


def without_a_table(folder: Folder):
    folder.written = True


def as_folder(folder: Folder):
    (folder.root / "manifest.csv").mkdir()
    folder.written = True


def linked(folder: Folder):
    folder.manifest(folder.text(), "real.csv")
    (folder.root / "manifest.csv").symlink_to("real.csv")


ACCENTED = read(report={0: ACCENTS})
NOT_UTF8 = refused(FILE, "line 2", "UTF-8", "iconv|encoding")
BOTH_SIDES = read(report={0: "Left; right, both."})
LENGTH = refused(FILE, "does not fit", "line 2")
QUOTES = refused(FILE, "quote|does not fit", r"line \d")
PLAIN = read()
AGAIN = "image,report,patient_id,split"
LONG = "Left effusion. " * 20_000

CASES = [
    case("utf8", encode("utf-8"), ACCENTED),
    case("utf8_bom", encode("utf-8-sig"), ACCENTED),
    case("utf16", encode("utf-16"), ACCENTED),
    case("utf16_be_bom", content(lambda t: b"\xfe\xff" + t.encode("utf-16-be")), PLAIN),
    case("utf16_without_bom", encode("utf-16-le"), ACCENTED, refused(FILE, "zero bytes|UTF-16")),
    case("utf32", encode("utf-32"), ACCENTED, refused(FILE, "zero bytes|UTF")),
    case("latin1", encode("latin-1"), ACCENTED, NOT_UTF8),
    case("cp1252", encode("cp1252", "Said “left” – 5 µm."), NOT_UTF8),
    case("gb18030", encode("gb18030", "左侧胸腔积液"), NOT_UTF8),
    case("shift_jis", encode("shift_jis", "左胸水あり"), NOT_UTF8),
    case("utf8_and_latin1", mixed, refused(FILE, "line 5", "UTF-8")),
    case("utf16_odd_bytes", content(lambda t: t.encode("utf-16")[:-1]), refused(FILE, "UTF|trunc")),
    case("crlf", content(lambda t: t.replace("\n", "\r\n")), PLAIN),
    case("cr", content(lambda t: t.replace("\n", "\r")), PLAIN),
    case("cr_cr_lf", content(lambda t: t.replace("\n", "\r\r\n")), PLAIN),
    case("space_before_quotes", first_report(' "Left, right."'),
         read(report={0: "Left, right."}), LENGTH),
    case("two_boms", content(lambda t: "\ufeff\ufeff" + t), PLAIN, refused(FILE, "ufeffimage")),
    case("semicolons_and_decimal_commas",
         lambda f: (f.column("age", ["61,5"] * 10), f.manifest(f.text(";"))), PLAIN),
    case("one_column", lambda f: f.manifest("image\nimages/0.png\n"),
         refused(FILE, "'report'", "report_column")),
    case("quotes_around_all",
         content(lambda t: "\n".join('"' + r.replace(",", '","') + '"' for r in t.splitlines())),
         PLAIN),
    case("quotes_around_rows",
         content(lambda t: "\n".join(f'"{row}"' for row in t.splitlines())),
         refused(FILE, "column")),
    case("typographic_quotes", first_report("“Left, right.”"), LENGTH),
    case("header_twice_at_top", line(0, AGAIN), refused(FILE, "line 2", "columns")),
    case("title_line", content(lambda t: "Chest films,,,\n" + t), refused(FILE, "column")),
    case("spaces_as_separator", content(lambda t: t.replace(",", "  ")),
         refused(FILE, "line|column")),
    case("bzip2", lambda f: f.manifest(bz2.compress(f.text().encode())), refused(FILE)),
    case("rtf", lambda f: f.manifest("{\\rtf1 image, report}\n"), refused(FILE)),
    case("mixed_line_ends", content(lambda t: t.replace("\n", "\r\n", 4)), PLAIN),
    case("no_last_line_end", content(lambda t: t.rstrip("\n")), PLAIN),
    case("comma", separated(","), BOTH_SIDES),
    case("semicolon", separated(";"), BOTH_SIDES),
    case("tab", separated("\t"), BOTH_SIDES),
    case("pipe", separated("|"), BOTH_SIDES, refused(FILE, "column", r"\|")),
    case("space_after_comma", content(lambda t: t.replace(",", ", ")), PLAIN),
    case("sep_line_of_excel", content(lambda t: "sep=,\n" + t), PLAIN, refused(FILE, "line")),
    case("gzip", lambda f: f.manifest(gzip.compress(f.text().encode()), "manifest.csv.gz"), PLAIN,
         manifest="manifest.csv.gz"),
    case("gzip_truncated",
         lambda f: f.manifest(gzip.compress(f.text().encode())[:-20], "manifest.csv.gz"),
         refused(r"manifest\.csv\.gz"), manifest="manifest.csv.gz"),
    case("gzip_named_csv", lambda f: f.manifest(gzip.compress(f.text().encode())), PLAIN,
         refused(FILE, "gzip|compressed")),
    case("csv_named_gz", lambda f: f.manifest(f.text(), "manifest.csv.gz"), PLAIN,
         refused(r"manifest\.csv\.gz", "gzip"), manifest="manifest.csv.gz"),
    case("zip", zipped("manifest.csv"), PLAIN, refused(FILE, "zip|archive|compressed")),
    case("zip_of_two", zipped("a.csv", "b.csv"), refused(FILE, "zip|archive|compressed|spread")),
    case("xlsx", zipped("xl/workbook.xml", "[Content_Types].xml"),
         refused(FILE, "zip|archive|spreadsheet")),
    case("empty_file", lambda f: f.manifest(""), refused(FILE, "empty")),
    case("bom_alone", lambda f: f.manifest(b"\xef\xbb\xbf"), refused(FILE, "empty")),
    case("blank_lines_alone", lambda f: f.manifest("\n\n  \n"), refused(FILE, "empty")),
    case("header_alone", content(lambda t: t.splitlines()[0] + "\n"),
         refused(FILE, "no rows|0 rows")),
    case("blank_lines_between", content(lambda t: t.replace("\n", "\n\n")), PLAIN),
    case("blank_lines_before", content(lambda t: "\n\n" + t), PLAIN),
    case("line_of_commas", line(3, ",,,"), PLAIN, refused(FILE, "line 5|empty|without"),
         left_out((), "line 5|empty|row 4|without")),
    case("line_of_spaces", line(3, "   "), PLAIN, refused(FILE, "line 5")),
    case("header_again", line(4, AGAIN), refused(FILE, "line 6", "columns")),
    case("total_line", line(10, "10 rows"), refused(FILE, "line 12")),
    case("ctrl_z", content(lambda t: t + "\x1a"), refused(FILE, "line 12"), PLAIN),
    case("comment_line", content(lambda t: "# exported on Monday\n" + t), refused(FILE, "line 2")),
    case("comment_with_commas", content(lambda t: "# by A, B, C, D\n" + t),
         refused(FILE, "column")),
    case("no_header", content(lambda t: t.split("\n", 1)[1]), refused(FILE, "missing column")),
    case("cell_too_many", first_report("Left, right."), LENGTH),
    case("cell_too_few", content(lambda t: t.replace(",p0,train", "")), LENGTH),
    case("trailing_commas", content(lambda t: t.replace("\n", ",,\n")), PLAIN),
    case("trailing_comma_in_rows", content(lambda t: t.replace("train\n", "train,\n")), PLAIN),
    case("quotes_doubled", first_report('"Said ""left, not right""."'),
         read(report={0: 'Said "left, not right".'})),
    case("quote_inside", first_report('A 5" tube.'), read(report={0: 'A 5" tube.'})),
    case("quote_not_closed", first_report('"Left effusion.'), QUOTES),
    case("quote_not_closed_last_column", report_last('"Left effusion.'), QUOTES),
    case("quote_closed_too_early", first_report('"Left" effusion.'), QUOTES,
         read(report={0: "Left effusion."}), read(report={0: '"Left" effusion.'})),
    case("quotes_with_backslash", first_report(r'"Said \"left\", not right."'), QUOTES),
    case("single_quotes", first_report("'Left, right.'"), LENGTH),
    case("newline_in_cell", first_report('"Left.\n\nRight."'), read(report={0: "Left.\n\nRight."})),
    case("crlf_in_cell", first_report('"Left.\r\nRight."'), read(report={0: "Left.\r\nRight."})),
    case("header_quoted",
         content(lambda t: '"image","report","patient_id","split"' + t[29:]), PLAIN),
    case("header_quoted_after_bom",
         content(lambda t: '\ufeff"image","report","patient_id","split"' + t[29:]), PLAIN),
    case("zero_bytes_inside", first_report("Left\0effusion."), refused(FILE, "zero bytes|NUL")),
    case("index_column", content(lambda t: "\n".join(f"{n},{row}" if n else f",{row}"
         for n, row in enumerate(t.splitlines()))), PLAIN),
    case("unnamed_column", column("Unnamed: 0"), PLAIN),
    case("column_twice", doubled("report"), refused(FILE, "twice", "'report'")),
    case("column_twice_by_case", doubled("Report"), refused(FILE, "twice", "'Report'")),
    case("column_twice_by_spaces", doubled(" report "), refused(FILE, "twice", "'report'")),
    case("column_in_upper_case", renamed(report="Report"), PLAIN, refused(FILE, "mean 'Report'")),
    case("column_with_hard_space", renamed(report="report\xa0"), PLAIN),
    case("column_with_zero_width", renamed(report="report\u200b"), PLAIN,
         refused(FILE, "missing column", "'report'", r"u200b")),
    case("no_image_column", renamed(image="picture"), refused(FILE, "'image'", "image_column")),
    case("no_report_column", renamed(report="text"), refused(FILE, "'report'", "report_column")),
    case("no_patient_column", renamed(patient_id="who"),
         refused(FILE, "'patient_id'", "patient_column")),
    case("image_column_option", renamed(image="picture"), PLAIN, image_column="picture"),
    case("hundred_columns", lambda f: [f.column(f"c{n}", ["7"] * 10) for n in range(100)], PLAIN),
    case("cell_of_300_kB", lambda f: f.put(0, report=LONG), read(report={0: LONG.strip()})),
    case("html_page", lambda f: f.manifest("<!DOCTYPE html>\n<html><body>Please log in, or register"
         "</body>\n</html>\n"), refused(FILE)),
    case("json_file", lambda f: f.manifest('[{"image": "images/0.png", "report": "Left."}]'),
         refused(FILE)),
    case("png_as_table", lambda f: f.manifest((f.root / "images/0.png").read_bytes()),
         refused(FILE, "UTF-8|zero bytes")),
    case("no_table", without_a_table, refused(FILE, "no table")),
    case("folder_as_table", as_folder, refused(FILE, "no table|folder")),
    case("table_in_subfolder", in_subfolder, PLAIN, manifest="tables/all of it.csv"),
    case("table_linked", linked, PLAIN),
    case("tsv", lambda f: f.manifest(f.text("\t"), "manifest.tsv"), PLAIN, manifest="manifest.tsv"),
]  # fmt: skip
