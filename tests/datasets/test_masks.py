"""Masks drawn from numbers, by hand."""

import pytest

from reclf.data.study import Box
from reclf.datasets.masks import FilledBoxes, RunLengths


def rows(mask):
    return ["".join("#" if pixel else "." for pixel in row) for row in mask]


def test_run_lengths_are_relative_and_column_major():
    # 3 rows, 4 columns; pixels are counted down the columns: skip 1, mark 2, skip 4, mark 3.
    mask = RunLengths(("1 2 4 3",)).draw(3, 4)
    assert mask.dtype == bool
    assert rows(mask) == [
        "...#",
        "#.#.",
        "#.#.",
    ]


def test_several_rows_are_joined_and_none_is_empty():
    first, second = ("0 2",), ("3 1 4 2",)
    joined = RunLengths(first + second).draw(3, 4)
    assert (joined == (RunLengths(first).draw(3, 4) | RunLengths(second).draw(3, 4))).all()
    assert joined.sum() == 5
    assert not RunLengths(()).draw(3, 4).any()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("1 2 3", "pairs of gap and length, got '1 2 3'"),
        ("-1", "pairs of gap and length"),
        ("1 2 8 3", "reach pixel 14 of an image of 3 x 4 = 12; .* at another size"),
    ],
)
def test_numbers_that_are_no_runs(row, message):
    with pytest.raises(ValueError, match=message):
        RunLengths((row,)).draw(3, 4)


def test_boxes_are_filled_where_the_middle_of_a_pixel_is_inside():
    mask = FilledBoxes((Box("a", 0.5, 1, 2, 1), Box("b", 3, 0, 9, 9))).draw(3, 5)
    assert rows(mask) == ["...##", "##.##", "...##"]
    assert not FilledBoxes(()).draw(3, 5).any()
