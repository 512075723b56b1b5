"""Split cells and patients: misspelled, empty, in two splits, spelled in two ways."""

from .case import SPLITS, Folder, case, left_out, read, refused

FILE = r"manifest\.csv"


def split(*first, rest=None):
    """The first split cells; `rest` for all others."""

    def write(folder: Folder):
        for n, row in enumerate(folder.rows):
            row["split"] = first[n] if n < len(first) else row["split"] if rest is None else rest

    return write


def named(**names):
    return lambda folder: folder.column("split", [names[SPLITS[n]] for n in range(10)])


def patients(**cells):
    """Cells of patients by number, written p0=..."""

    def write(folder: Folder):
        for name, cell in cells.items():
            folder.put(int(name[1:]), patient_id=cell)

    return write


def all_patients(values):
    return lambda folder: folder.column("patient_id", list(values))


def both(*writes):
    return lambda folder: [write(folder) for write in writes]


def no_split(folder: Folder):
    folder.drop("split")


def ids(*first):
    return lambda folder: folder.column("sid", [*first, *(f"s{n}" for n in range(len(first), 10))])


def again(folder: Folder):
    folder.rows.append(dict(folder.rows[0]))


def another_row(**cells):
    return lambda folder: folder.rows.append(folder.rows[0] | cells)


def wrong(cell):
    return refused(FILE, "split", cell)


PLAIN = read()
# The hash is a promise, see test_table.py.
BY_HASH = {0: "test", 1: "train", 2: "train", 3: "train", 4: "train", 5: "train", 6: "train",
           7: "train", 8: "val", 9: "train"}  # fmt: skip
NUMERALS = read(patient_id={n: str(n) for n in range(10)}, split=BY_HASH)
ZEROS = read(patient_id={n: f"00{n}" for n in range(10)})
IDS = {n: f"s{n}" for n in range(10)}
OWN = {n: "external" if n < 2 else s for n, s in SPLITS.items()}
TWO = ("patient", r"p0 \(train and val\)")

CASES = [
    case("split_typo", split("trian"), wrong("trian")),
    case("split_typo_of_val", split(*["train"] * 7, "vlaid"), wrong("vlaid")),
    case("split_typo_of_validation", split(*["train"] * 7, "validaton"), wrong("validaton")),
    case("split_typo_of_training", split("traning"), wrong("traning")),
    case("split_typo_zero_width", split("train\u200b"), wrong("train")),
    case("split_one_empty", split(""), wrong("empty")),
    case("split_all_empty", split(rest=""), wrong("empty")),
    case("split_spaces_alone", split("   "), wrong("empty")),
    case("split_nan_text", split("nan"), wrong("nan")),
    case("split_none_text", split("None"), wrong("None")),
    case("split_null_text", split("NULL"), wrong("NULL")),
    case("split_question_mark", split("?"), wrong(r"\?")),
    case("split_cases", named(train="Train", val="VAL", test="tEST"), PLAIN),
    case("split_spaces", named(train=" train", val="val ", test="\ttest "), PLAIN),
    case("split_other_names", named(train="training", val="validate", test="testing"), PLAIN),
    case("split_valid", named(train="train", val="valid", test="test"), PLAIN),
    case("split_mixed_names", split(*["train"] * 7, "dev", "Validation", "test"), PLAIN),
    case("split_numbers", named(train="0", val="1", test="2"), wrong("'0'")),
    case("split_floats", named(train="0.0", val="1.0", test="2.0"), wrong("'0")),
    case("split_booleans", named(train="True", val="False", test="False"), wrong("'true'|'True'")),
    case("split_yes_no", named(train="yes", val="no", test="no"), wrong("'yes'")),
    case("split_one_false", split("FALSE"), wrong("FALSE")),
    case("split_one_dash", split("-"), wrong("'-'")),
    case("split_full_width", split("ｔｒａｉｎ"), PLAIN, wrong("ｔｒａｉｎ")),
    case("split_cyrillic", split("trаin"), wrong("in'")),
    case("split_folds", split(*"0123401234"), wrong("'0'")),
    case("split_one_number", split("0"), wrong("'0'")),
    case("split_train_set", split("training set"), wrong("training set")),
    case("split_own_name", split("external", "external"), read(split=OWN)),
    case("split_train_alone", split(rest="train"), read(split=dict.fromkeys(range(10), "train"))),
    case("split_column_missing", no_split, refused(FILE, "'fold'", "split_column"),
         split_column="fold"),
    case("split_column_renamed", both(lambda f: f.column("fold", list(SPLITS.values())), no_split),
         PLAIN, split_column="fold"),
    case("split_upper_case_column",
         both(lambda f: f.column("Split", list(SPLITS.values())), no_split), PLAIN,
         refused(FILE, "Split")),
    case("no_split_column", both(all_patients("0123456789"), no_split), NUMERALS),
    case("split_column_null", all_patients("0123456789"), NUMERALS, split_column=None),
    case("patient_in_two_splits", patients(p7="p0"), left_out((0, 7), *TWO)),
    case("patient_in_two_splits_spaces", patients(p7=" p0 "), left_out((0, 7), *TWO)),
    case("patient_in_two_splits_case", patients(p7="P0"), refused(FILE, "patient", "P0"),
         left_out((0, 7), "P0")),
    case("patient_in_two_splits_float", all_patients(["0.0", *"123456", "0", *"89"]),
         refused(FILE, "patient", r"0\.0"),
         left_out((0, 7), r"0\.0", patient_id={n: str(n) for n in range(10)})),
    case("patient_in_two_splits_nfd", patients(p0="José", p7="Jose\u0301"),
         refused(FILE, "patient", "Jos"), left_out((0, 7), "Jos")),
    case("patient_of_two_studies", patients(p1="p0"), read(patient_id={1: "p0"})),
    case("patient_floats", all_patients(f"{n}.0" for n in range(10)),
         read(patient_id={n: f"{n}.0" for n in range(10)}),
         read(patient_id={n: str(n) for n in range(10)})),
    case("patient_leading_zeros", all_patients(f"00{n}" for n in range(10)), ZEROS),
    case("patient_scientific", all_patients(["1.23457E+11"] * 10),
         refused(FILE, r"patient in two splits", r"E\+11")),
    case("patient_all_empty", all_patients([""] * 10),
         refused(FILE, "patient_id", "patient_column")),
    case("patient_all_spaces", all_patients(["  "] * 10), refused(FILE, "patient_id")),
    case("patient_all_empty_no_split", both(all_patients([""] * 10), no_split),
         refused(FILE, "patient_id", "patient_column")),
    case("patient_all_nan_text", all_patients(["nan"] * 10), refused(FILE, "patient_id")),
    case("patient_one_empty", patients(p0=""), refused(FILE, "patient_id", "line 2|images/0"),
         left_out(0, "patient", r"images/0\.png")),
    case("patient_three_empty", patients(p0="", p7="", p9=""),
         refused(FILE, "patient_id", "line 2|images/0")),
    case("patient_three_nan_texts", patients(p0="nan", p7="nan", p8="nan"),
         refused(FILE, "patient_id", "images/0")),
    case("patient_three_empty_no_split", both(patients(p0="", p1="", p2=""), no_split),
         refused(FILE, "patient_id", "line 2|images/0")),
    case("patient_null", lambda f: f.drop("patient_id"),
         read(patient_id={n: f"images/{n}.png" for n in range(10)}), patient_column=None),
    case("patient_in_two_splits_hyphen", patients(p0="P 0", p7="P-0"),
         refused(FILE, "patient", "P-0"), left_out((0, 7), "P-0")),
    case("patient_in_two_splits_full_width", patients(p7="ｐ0"),
         refused(FILE, "patient", "ｐ0"), left_out((0, 7), "ｐ0")),
    case("patient_in_two_splits_hard_space", patients(p7="p0\xa0"), left_out((0, 7), *TWO)),
    case("patient_in_three_splits", patients(p7="p0", p9="p0"),
         refused(r"p0 \(test and train and val\)")),
    case("patient_with_slash", patients(p0="a/../b"), read(patient_id={0: "a/../b"})),
    case("ids", ids(), read(study_id=IDS), id_column="sid"),
    case("ids_twice", ids("s1"), refused(FILE, "s1"), left_out(1, "s1", study_id=IDS | {0: "s1"}),
         id_column="sid"),
    case("ids_one_empty", ids(""), refused(FILE, "sid", "line 2|images/0"), id_column="sid"),
    case("ids_two_empty", ids("", ""), refused(FILE, "sid", "line 2|images/0"), id_column="sid"),
    case("ids_unicode", ids("胸部/1", "a b", "ä#?"), read(
         study_id=IDS | {0: "胸部/1", 1: "a b", 2: "ä#?"}), id_column="sid"),
    case("ids_long", ids("s" * 300), read(study_id=IDS | {0: "s" * 300}), id_column="sid"),
    case("ids_column_missing", lambda f: None,
         refused(FILE, "'sid'", "id_column"), id_column="sid"),
    case("row_twice", again, PLAIN, refused(FILE, "images/0"), left_out((), r"images/0\.png")),
    case("row_twice_other_report", another_row(report="Another."), refused(FILE, "images/0"),
         left_out((), "duplicate", r"images/0\.png"), left_out(0, r"images/0\.png")),
    case("row_twice_other_split", another_row(split="val"), left_out(0, "p0")),
    case("row_twice_other_spelling", another_row(image="./images/0.png"), PLAIN,
         refused(FILE, "images/0"), left_out((), r"images/0\.png")),
    case("row_twice_other_slashes", another_row(image="images//0.png"), PLAIN,
         refused(FILE, "images/0"), left_out((), r"images/0\.png")),
]  # fmt: skip
