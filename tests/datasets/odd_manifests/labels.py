"""Labels: names in one cell, or a column each."""

from math import nan

from .case import Folder, case, read, refused

FILE = r"manifest\.csv"
BOTH, EDEMA, MASS = ({"Edema": e, "Mass": m} for e, m in [(1, 1), (1, 0), (0, 1)])
NONE = {"Edema": nan, "Mass": nan}
PLAIN = read(labels={0: BOTH, 1: EDEMA, 2: MASS, 3: NONE})


def names(*first, rest="Edema"):
    """Cells of the column labels: "Edema" and "Mass" are there whatever the first cells are."""
    return lambda f: f.column("labels", [*first, *[rest] * (9 - len(first)), "Mass"])


def values(*first, rest="1", name="Edema"):
    return lambda f: f.column(name, [*first, *[rest] * (10 - len(first))])


def by_names(name, write, *right, **options):
    return case(f"labels_{name}", write, *right, **options)


def by_column(name, write, *right):
    return case(f"label_column_{name}", write, *right, label_columns=["Edema"])


def two_columns(folder: Folder):
    folder.column("Edema", ["1", "0"] * 5)
    folder.column("Mass", ["0", ""] * 5)


def one(*numbers):
    """Read, with these values of the label Edema."""
    return read(labels={n: {"Edema": value} for n, value in enumerate(numbers)})


def wrong(cell):
    return refused(FILE, "Edema", cell)


SEVERAL = refused(FILE, "label_separator", "E|Nodule")
VALUES = refused(FILE, "label name that is a value", "label_columns")
SPELLED = refused(FILE, "two ways", "Edema")
ZERO = read(labels={0: BOTH, 3: {"Edema": 0, "Mass": 0}})

CASES = [
    by_names("semicolon", names("Edema; Mass", "Edema", "Mass", ""), PLAIN),
    by_names("pipe", names("Edema|Mass", "Edema", "Mass", ""), PLAIN),
    by_names("trailing_separators", names(";Edema;;Mass;", "Edema;", "|Mass", ";"), PLAIN),
    by_names("spaces", names("  Edema ; Mass ", " Edema", "Mass\xa0", "  "), PLAIN),
    by_names("twice_in_a_cell", names("Edema;Mass;Edema", "Edema;Edema", "Mass", ""), PLAIN),
    by_names("empty_as_zero", names("Edema;Mass", "", "", ""), ZERO, empty_labels="zero"),
    by_names("comma_option", names("Edema, Mass", "Edema", "Mass", ""), PLAIN, label_separator=","),
    by_names("comma_without_option", names("Edema, Mass", "Edema", "Mass", ""), PLAIN,
             refused(FILE, "label_separator", "Edema, Mass")),
    *(
        by_names(f"joined_{n}", names(cell, *others, rest="Edema"), SEVERAL)
        for n, (cell, *others) in enumerate([
            ("Edema, Effusion",), ("Edema/Effusion",), ("Edema\tEffusion",), ("Effusion, Edema",),
            ("Nodule, Effusion", "Nodule, Pleura"), ("Edema,Effusion,Nodule",),
        ])
    ),
    by_names("one_name_with_a_comma", names("Opacity, left", "Opacity, right"),
             read(labels={0: {"Edema": 0, "Mass": 0, "Opacity, left": 1, "Opacity, right": 0}}),
             label_separator=";"),
    *(
        by_names(f"values_{n}", lambda f, cells=cells: f.column("labels", cells * 5), VALUES)
        for n, cells in enumerate([
            ["True", "False"], ["yes", "no"], ["positive", "negative"], ["1", "uncertain"],
            ["2", "1"], ["Y", "N"], ["1.0", ""],
        ])
    ),
    *(
        by_names(f"with_a_value_{n}", names(cell), refused(FILE, "with a value", "Edema"))
        for n, cell in enumerate(["Edema=1;Mass=0", "Edema: yes", "Edema = 1.0", "Edema:-1",
                                  "Edema:0.9", "Edema: 90%"])
    ),
    *(
        by_names(f"doubt_{n}", names(cell), refused(FILE, "doubts or denies", "Edema"))
        for n, cell in enumerate(["Edema?", "Edema (uncertain)", "No Edema", "-Edema", "Edema (-)",
                                  "possible Edema", "Mass;?Edema"])
    ),
    by_names("doubt_in_other_case", names("no edema", "Edema"), refused(FILE, "doubts or denies")),
    by_names("doubt_of_a_nodule", names("Nodule?", "Nodule"), refused(FILE, "doubts or denies")),
    by_names("kind_in_parentheses", names("Mass (left)", "Edema"),
             read(labels={0: {"Edema": 0, "Mass": 0, "Mass (left)": 1}})),
    by_names("whole_with_a_slash", names("Edema/Mass", "Edema"),
             read(labels={0: {"Edema": 0, "Edema/Mass": 1, "Mass": 0}}), label_separator=";"),
    by_names("no_finding", names("No Finding", "Edema"),
             read(labels={0: {"Edema": 0, "Mass": 0, "No Finding": 1}})),
    by_names("slash_without_option", names("Edema/Mass", "Edema", "Mass", ""),
             refused(FILE, "label_separator", "Edema/Mass")),
    by_names("tab", names("Edema\tMass", "Edema", "Mass", ""), PLAIN,
             refused(FILE, "label_separator", "Edema")),
    by_names("newline", names("Edema\nMass", "Edema", "Mass", ""), PLAIN,
             refused(FILE, "label_separator", "Edema")),
    by_names("name_with_comma", names("Mass, left;Edema", "Edema"),
             read(labels={0: {"Edema": 1, "Mass": 0, "Mass, left": 1}}),
             refused(FILE, "label_separator", "Mass, left")),
    by_names("python_list", names("['Edema', 'Mass']", "['Edema']", "['Mass']", "[]"), PLAIN),
    by_names("json_list", names('["Edema", "Mass"]', '["Edema"]', '["Mass"]', "[]"), PLAIN),
    by_names("json_list_accents", names('["\\u0152d\\u00e8me", "Mass"]', "Œdème", rest="Mass"),
             read(labels={0: {"Mass": 1, "Œdème": 1}, 1: {"Mass": 0, "Œdème": 1}})),
    by_names("list_without_quotes", names("[Edema, Mass]", "[Edema]", "[Mass]", "[]"), PLAIN),
    by_names("list_of_numpy", names("['Edema' 'Mass']", "['Edema']", "['Mass']", "[]"), PLAIN,
             refused(FILE, "Edema")),
    by_names("list_with_comma_inside", names("['Mass, left', 'Edema']", "['Edema']"),
             read(labels={0: {"Edema": 1, "Mass": 0, "Mass, left": 1}})),
    by_names("list_with_apostrophe", names('["Hodgkin\'s", \'Edema\']', "['Edema']"),
             read(labels={0: {"Edema": 1, "Hodgkin's": 1, "Mass": 0}})),
    by_names("list_not_closed", names("['Edema', 'Mass'", "Edema"),
             refused(FILE, "label", "Mass'")),
    by_names("tuple", names("('Edema', 'Mass')", "('Edema',)", "Mass", "()"), PLAIN,
             refused(FILE, "label", "Edema")),
    by_names("set", names("{'Edema', 'Mass'}", "{'Edema'}", "{'Mass'}", "{}"), PLAIN,
             refused(FILE, "label", "Edema")),
    by_names("dict", names("{'Edema': 1, 'Mass': 0}", "Edema"), refused(FILE, "label", "Edema")),
    by_names("nan_text", names("Edema;Mass", "Edema", "Mass", "nan"), PLAIN,
             refused(FILE, "nan")),
    by_names("null_text", names("Edema;Mass", "Edema", "Mass", "NULL"), PLAIN,
             refused(FILE, "NULL")),
    by_names("none_text", names("Edema;Mass", "Edema", "Mass", "None"), PLAIN,
             refused(FILE, "None")),
    by_names("na_text", names("Edema;Mass", "Edema", "Mass", "N/A"), PLAIN,
             refused(FILE, "N/A")),
    by_names("case_variants", names("edema", "Edema"), SPELLED),
    by_names("space_variants", names("Mass  left", "Mass left"), refused(FILE, "two ways", "Mass")),
    by_names("underscore_variants", names("Mass_left", "Mass left"),
             refused(FILE, "two ways", "Mass")),
    by_names("hyphen_variants", names("Mass-left", "Mass left"),
             refused(FILE, "two ways", "Mass")),
    by_names("nfc_and_nfd", names("Oede\u0300me", "Oedème"), refused(FILE, "two ways", "Oed"),
             read(labels={0: {"Edema": 0, "Mass": 0, "Oedème": 1},
                          1: {"Edema": 0, "Mass": 0, "Oedème": 1}})),
    by_names("zero_width_variants", names("Edema\u200b", "Edema"), SPELLED,
             read(labels={0: EDEMA, 1: EDEMA})),
    by_names("numbers", lambda f: f.column("labels", ["1", "0"] * 5),
             refused(FILE, "label_columns", "'?0'?")),
    by_names("numbers_float", lambda f: f.column("labels", ["1.0", "0.0", ""] * 3 + ["1.0"]),
             refused(FILE, "label_columns", "'?0.0'?")),
    by_names("formula_names", names("$x^$", "a_b"),
             read(labels={0: {"$x^$": 1, "Edema": 0, "Mass": 0, "a_b": 0}})),
    by_names("chinese_names", names("胸腔积液", "Edema"),
             read(labels={0: {"Edema": 0, "Mass": 0, "胸腔积液": 1}})),
    by_names("long_name", names("x" * 500, "Edema"),
             read(labels={0: {"Edema": 0, "Mass": 0, "x" * 500: 1}})),
    by_names("column_missing", lambda f: None, refused(FILE, "'findings'", "label_columns"),
             label_columns="findings"),
    by_names("column_in_other_case", lambda f: f.column("Labels", ["Edema"] * 9 + ["Mass"]),
             refused(FILE, "'Labels'"), read(labels={0: EDEMA, 9: MASS})),
    by_names("column_named", lambda f: f.column("findings", ["Edema;Mass"] * 9 + [""]),
             read(labels={0: BOTH, 9: NONE}), label_columns="findings"),
    by_names("all_empty", lambda f: f.column("labels", [""] * 10), read(labels={0: {}}),
             refused(FILE, "labels")),
    by_names("no_column", lambda f: None, read(labels={0: {}})),
    case("label_columns_two", two_columns,
         read(labels={0: EDEMA, 1: {"Edema": 0, "Mass": nan}}), label_columns=["Edema", "Mass"]),
    by_column("integers", values("1", "0", ""), one(1, 0, nan)),
    by_column("floats", values("1.0", "0.0", "", "1.00"), one(1, 0, nan, 1)),
    by_column("spaces", values(" 1", "0 ", "  "), one(1, 0, nan)),
    by_column("nan_text", values("1", "0", "nan", "NaN"), one(1, 0, nan, nan)),
    by_column("none_text", values("1", "0", "None"), one(1, 0, nan), wrong("None")),
    by_column("true", values("true", "False"), one(1, 0), wrong("true")),
    by_column("yes", values("yes", "no"), one(1, 0), wrong("yes")),
    by_column("positive", values("positive", "0"), wrong("positive")),
    by_column("minus_one", values("-1", "-1.0"), wrong("-1")),
    by_column("two", values("2"), wrong("2")),
    by_column("share", values("0.7"), wrong("0.7")),
    by_column("decimal_comma", values("1,0"), wrong("1,0")),
    by_column("infinite", values("inf"), wrong("inf")),
    by_column("unicode_minus", values("−1"), wrong("−1")),
    by_column("words", values("effusion"), wrong("effusion")),
    by_column("missing", lambda f: None, refused(FILE, "'Edema'", "label_columns")),
    by_column("other_case", values(name="edema"), refused(FILE, "mean 'edema'")),
    by_column("all_empty", values(rest=""), one(nan, nan)),
]  # fmt: skip
