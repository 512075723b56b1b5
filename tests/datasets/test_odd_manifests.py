"""Every odd manifest gives what is right for it, see `odd_manifests.case`."""

import pytest
from odd_manifests import CASES
from odd_manifests.outcome import judge

# Not right yet: name -> the way in which it is wrong.
NOT_YET = {
    "parquet_patient_float_gap": "silent wrong",
    "split_typo_of_val": "silent wrong",
    "split_typo_of_validation": "silent wrong",
    "split_nan_text": "silent wrong",
    "split_none_text": "silent wrong",
    "split_null_text": "silent wrong",
    "split_question_mark": "silent wrong",
    "split_one_number": "silent wrong",
    "split_train_set": "silent wrong",
    "split_upper_case_column": "silent wrong",
    "patient_in_two_splits_case": "silent wrong",
    "patient_in_two_splits_float": "silent wrong",
    "patient_in_two_splits_nfd": "silent wrong",
    "patient_one_empty": "silent wrong",
    "patient_three_empty_no_split": "silent wrong",
    "ids_one_empty": "silent wrong",
    "row_twice_other_spelling": "silent wrong",
    "row_twice_other_slashes": "silent wrong",
    "labels_comma_without_option": "silent wrong",
    "labels_slash_without_option": "silent wrong",
    "labels_tab": "silent wrong",
    "labels_newline": "silent wrong",
    "labels_json_list_accents": "silent wrong",
    "labels_list_of_numpy": "silent wrong",
    "labels_list_with_comma_inside": "silent wrong",
    "labels_list_not_closed": "silent wrong",
    "labels_tuple": "silent wrong",
    "labels_set": "silent wrong",
    "labels_dict": "silent wrong",
    "labels_nan_text": "silent wrong",
    "labels_null_text": "silent wrong",
    "labels_none_text": "silent wrong",
    "labels_na_text": "silent wrong",
    "labels_underscore_variants": "silent wrong",
    "labels_hyphen_variants": "silent wrong",
    "labels_nfc_and_nfd": "silent wrong",
    "labels_zero_width_variants": "silent wrong",
    "labels_numbers": "silent wrong",
    "labels_numbers_float": "silent wrong",
    "labels_column_in_other_case": "silent wrong",
    "path_windows_mixed": "silent wrong",
    "path_dot": "silent wrong",
    "path_two_dots": "silent wrong",
    "image_png_rows_missing": "silent wrong",
    "image_jpeg_zeros_in_the_middle": "silent wrong",
    "box_label_missing": "silent wrong",
    "parquet_report_list": "raw library error",
    "parquet_patient_nullable_gap": "raw library error",
    "parquet_strings": "raw library error",
    "parquet_labels_lists": "raw library error",
    "parquet_label_nullable_type": "raw library error",
    "utf16_without_bom": "unclear error",
    "pipe": "unclear error",
    "gzip_named_csv": "unclear error",
    "zip": "unclear error",
    "header_alone": "unclear error",
    "quote_not_closed_last_column": "unclear error",
    "parquet_named_csv": "unclear error",
    "parquet_named_pq": "unclear error",
    "parquet_no_rows": "unclear error",
    "patient_three_empty": "unclear error",
    "ids_two_empty": "unclear error",
    "path_empty": "unclear error",
}


def marked(one):
    wrong = NOT_YET.get(one.name)
    marks = [pytest.mark.xfail(reason=wrong, strict=True)] if wrong else []
    return pytest.param(one, id=one.name, marks=marks)


@pytest.mark.parametrize("one", [marked(one) for one in CASES])
def test_an_odd_manifest(one, tmp_path):
    assert judge(one, tmp_path) == ("right", "")


def test_every_case_has_a_name_of_its_own():
    names = [one.name for one in CASES]
    assert len(names) == len(set(names)) > 500
    assert set(names) >= NOT_YET.keys()
