"""Where a number stands among published ones: ends, ties, directions, several sources."""

import pytest

from reclf_study.paper_table.published import PublishedNumber, standing


def made(method, value, source="G2D, Table 4", **changes):
    fields = {"dataset": "rsna", "split": "", "measure": "auroc", "fraction": 0.1, **changes}
    return PublishedNumber(
        method, "linear_probe", value=value, source=source, citation="", **fields
    )


THREE = [made("MRM", 0.927), made("ConVIRT", 0.801), made("GLoRIA", 0.88)]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.85, "between ConVIRT (.801) and GLoRIA (.880), G2D, Table 4"),
        (0.9, "between GLoRIA (.880) and MRM (.927), G2D, Table 4"),
        (0.95, "above all 3"),
        (0.5, "below all 3"),
        (0.8803, "equal to GLoRIA (.880), G2D, Table 4"),
        (0.927, "equal to MRM (.927), G2D, Table 4"),
        (0.801, "equal to ConVIRT (.801), G2D, Table 4"),
        (0.8806, "between GLoRIA (.880) and MRM (.927), G2D, Table 4"),
        (float("nan"), ""),
    ],
)
def test_where_a_number_stands(value, expected):
    assert standing(value, THREE) == expected
    assert standing(value, THREE[::-1]) == expected


def test_where_it_stands_if_lower_is_better():
    found = standing(0.85, THREE, higher_is_better=False)
    assert found == "between GLoRIA (.880) and ConVIRT (.801), G2D, Table 4"
    assert standing(0.5, THREE, higher_is_better=False) == "above all 3"
    assert standing(0.95, THREE, higher_is_better=False) == "below all 3"


def test_published_numbers_that_tie_are_all_named():
    tied = [*THREE, made("MGCA", 0.88)]
    names = "GLoRIA (.880) and MGCA (.880)"
    assert standing(0.88, tied) == f"equal to {names}, G2D, Table 4"
    assert standing(0.9, tied) == f"between {names} and MRM (.927), G2D, Table 4"


def test_several_sources_are_named_and_one_number_is():
    two = [made("MGCA", 0.8522, "EGMA"), made("MGCA", 0.886)]
    found = standing(0.87, two)
    assert found == "between MGCA (.8522, EGMA) and MGCA (.886, G2D, Table 4)"
    assert standing(0.8, two[:1]) == "below MGCA (.8522), EGMA"
    assert standing(0.9, two[:1]) == "above MGCA (.8522), EGMA"
    assert standing(0.9, []) == ""
    assert standing(1.1, [made("A", 1.027), made("B", 1.21)]).startswith("between A (1.027)")


def test_numbers_of_several_columns_have_no_order():
    for changes in ({"fraction": 1.0}, {"measure": "accuracy"}, {"dataset": "siim"}):
        with pytest.raises(ValueError, match="among those of one column"):
            standing(0.9, [*THREE, made("A", 0.5, **changes)])
    ways = [made("A", 0.5, choices={"direction": way}) for way in ("to text", "to image")]
    with pytest.raises(ValueError, match="among those of one column"):
        standing(0.9, ways)
