"""The table of cases in a page: sorting, filters, what is chosen, keys, marks, a thousand lines."""

import pytest
from sample_explanations import sample
from steering import select, wait_for

from reclf_widgets import MatchingExplorer

RANKS = [3, 90, None, 12, 41, 1, 7, 55, 2, 30, 8, 64]


def cases(count=12, model=0):
    def one(i):
        rank = RANKS[i % len(RANKS)]
        labels = {"labels": {"edema": 1.0}} if i % 4 == 0 else {}
        place = rank and (float(rank), 100)
        return sample(i, model, rank=place, study_id=f"study-{i}", provenance=labels)

    return [one(i) for i in range(count)]


def opened(open_page, tmp_path, given=None, width=1280, **state):
    explorer = MatchingExplorer(given or cases(), **{"table": True} | state)
    return open_page(explorer.to_html(tmp_path / "page.html", "all"), width=width)


def rows(page):
    """Numbers of the cases shown, from the top."""
    found = page.locator("[data-testid=cases] [data-case]").evaluate_all(
        "(rows) => rows.map((row) => [parseInt(row.style.top), Number(row.dataset.case)])"
    )
    return [case for _, case in sorted(found)]


def line(page, case):
    return page.locator(f"[data-testid=cases] [data-case='{case}']")


def head(page, name):
    return page.locator(f"[data-testid=cases] [data-sort={name}]")


def test_a_click_opens_a_case(open_page, tmp_path):
    page = opened(open_page, tmp_path)
    line(page, 3).click()
    wait_for(page, case="study-3")
    assert line(page, 3).get_attribute("aria-current") == "true"
    assert line(page, 0).get_attribute("aria-current") is None
    page.keyboard.press("ArrowDown")
    wait_for(page, case="study-4")
    page.keyboard.press("End")
    wait_for(page, case="study-11")
    page.keyboard.press("PageUp")
    page.keyboard.press("Home")
    wait_for(page, case="study-0")
    assert page.problems == []


def test_it_is_sorted_both_ways_and_the_unknown_come_last(open_page, tmp_path):
    page = opened(open_page, tmp_path, width=1300)
    known = [i for i, rank in enumerate(RANKS) if rank]
    worst = sorted(known, key=lambda i: -RANKS[i])
    head(page, "rank").click()
    page.locator("[aria-sort=descending] [data-sort=rank]").wait_for()
    assert rows(page)[:6] == worst[:6]
    head(page, "rank").click()
    page.locator("[aria-sort=ascending] [data-sort=rank]").wait_for()
    assert rows(page)[:6] == worst[::-1][:6]
    page.get_by_test_id("cases").focus()
    page.keyboard.press("End")
    wait_for(page, case="study-2")  # of which no rank is known
    head(page, "study").click()
    page.locator("[aria-sort=ascending] [data-sort=study]").wait_for()
    page.get_by_test_id("cases").focus()
    page.keyboard.press("End")
    wait_for(page, case="study-11")  # after study-9
    page.locator("[data-act=previous]").click()
    wait_for(page, case="study-10")
    assert page.problems == []


def test_misses_are_named_and_kept_apart(open_page, tmp_path):
    given = cases()
    missing = [
        i for i, entry in enumerate(MatchingExplorer(given).index) if not entry["hits"][0][0][1]
    ]
    assert 0 < len(missing) < len(given)
    page = opened(open_page, tmp_path, given, only="misses")
    page.get_by_text(f"{len(missing)} of 12 cases").wait_for()
    assert rows(page)[:5] == missing[:5]
    cell = line(page, missing[0]).locator(".reclf-cell-hits")
    assert (cell.inner_text(), cell.get_attribute("title")) == ("0 of 1", "misses pleural effusion")


def test_search_and_label_leave_lines_out(open_page, tmp_path):
    page = opened(open_page, tmp_path)
    page.get_by_test_id("search").fill("study-1")
    page.get_by_text("3 of 12 cases").wait_for()
    assert rows(page) == [1, 10, 11]
    page.get_by_test_id("search").fill("")
    select(page, "label", "edema")
    page.get_by_text("3 of 12 cases").wait_for()
    assert rows(page) == [0, 4, 8]
    select(page, "only", "starred")
    page.get_by_text("no case is left: change the search, the label or what is shown").wait_for()
    page.locator("[data-act=next]").click()
    page.get_by_text("no case is left: change the label or what the table shows").wait_for()
    assert page.problems == []


def chosen(page):
    return page.locator("[data-testid=cases] [aria-selected=true]").evaluate_all(
        "(rows) => rows.map((row) => Number(row.dataset.case)).sort((a, b) => a - b)"
    )


def test_several_cases_are_chosen(open_page, tmp_path):
    page = opened(open_page, tmp_path)
    line(page, 1).click(modifiers=["Control"])
    line(page, 3).click(modifiers=["Shift"])
    page.get_by_text("12 of 12 cases, 3 chosen").wait_for()
    assert chosen(page) == [1, 2, 3]
    line(page, 2).click(modifiers=["Control"])
    page.keyboard.press("Space")  # the open case, study-0
    page.keyboard.press("Shift+ArrowDown")
    wait_for(page, case="study-1")
    assert chosen(page) == [0, 1, 3]
    select(page, "only", "chosen")
    page.get_by_text("3 of 12 cases, 3 chosen").wait_for()
    page.locator("[data-choose=none]").click()
    page.get_by_text("no case is left").wait_for()
    select(page, "only", "all")
    page.locator("[data-choose=all]").click()
    page.get_by_text("12 of 12 cases, 12 chosen").wait_for()
    assert page.problems == []


def test_stars_and_notes(open_page, tmp_path):
    page = opened(open_page, tmp_path)
    line(page, 2).locator("[data-star]").click()
    line(page, 2).get_by_role("button", name="Star study-2", pressed=True).wait_for()
    page.get_by_test_id("cases").focus()
    page.keyboard.press("s")
    line(page, 0).get_by_role("button", name="Star study-0", pressed=True).wait_for()
    page.keyboard.press("n")
    page.keyboard.type("<b>left</b> base")
    page.keyboard.press("Enter")
    page.get_by_text("<b>left</b> base", exact=True).wait_for()
    page.keyboard.press("ArrowDown")
    wait_for(page, case="study-1")
    assert page.get_by_test_id("note").input_value() == ""
    assert page.get_by_role("textbox", name="Note on study-1").count() == 1
    select(page, "only", "starred")
    page.get_by_text("2 of 12 cases").wait_for()
    assert rows(page) == [0, 2]
    assert "gone when it is closed" in page.get_by_test_id("marks-said").inner_text()
    assert page.problems == []


def test_a_note_is_not_lost_when_the_case_changes(open_page, tmp_path):
    page = opened(open_page, tmp_path)
    page.get_by_test_id("note").fill("first")
    line(page, 1).click()
    wait_for(page, case="study-1")
    assert line(page, 0).locator(".reclf-cell-note").inner_text() == "first"
    assert line(page, 1).locator(".reclf-cell-note").inner_text() == ""


def test_a_note_is_not_lost_when_python_changes_the_case(open_page, tmp_path):
    page = opened(open_page, tmp_path)
    page.get_by_test_id("note").fill("half a sent")
    page.locator("[data-act=next]").evaluate("(button) => button.click()")  # takes no focus
    wait_for(page, case="study-1")
    page.get_by_text("half a sent", exact=True).wait_for()
    assert line(page, 0).locator(".reclf-cell-note").inner_text() == "half a sent"
    assert page.get_by_test_id("note").input_value() == ""


def test_thumbnails_are_those_of_the_cases(open_page, tmp_path):
    given = cases()
    page = opened(open_page, tmp_path, given)
    page.wait_for_timeout(100)
    grays = (
        line(page, 3)
        .locator("canvas")
        .evaluate(
            "(canvas) => [...canvas.getContext('2d').getImageData(0, 0, 40, 40).data]"
            ".filter((_, i) => i % 4 == 0)"
        )
    )
    assert bytes(grays) == MatchingExplorer(given).cases.picture(3)


def test_it_is_hidden_until_asked_for(open_page, tmp_path):
    page = opened(open_page, tmp_path, table=False)
    assert not page.get_by_test_id("cases").is_visible()
    page.keyboard.press("Tab")
    page.keyboard.press("c")
    page.get_by_test_id("cases").wait_for()
    page.locator("[data-act=table]").click()
    page.get_by_test_id("cases").wait_for(state="hidden")


@pytest.mark.parametrize("width", [1280, 700, 420])
def test_nothing_is_wider_than_the_page(open_page, tmp_path, width):
    page = opened(open_page, tmp_path, width=width)
    box = page.get_by_test_id("cases")
    assert box.evaluate("(box) => box.scrollWidth <= box.clientWidth")
    top = box.bounding_box()["y"]
    page.get_by_test_id("cases").focus()
    page.keyboard.press("End")
    wait_for(page, case="study-11")
    assert head(page, "rank").bounding_box()["y"] - top < 10  # the head stays
    last, all_ = line(page, 11).bounding_box(), box.bounding_box()
    assert last["y"] + last["height"] <= all_["y"] + all_["height"] + 1


def test_a_thousand_cases(open_page, tmp_path, record_property):
    """Lines out of view are no elements, and the next case is drawn as soon as that of twelve."""

    def times(page):
        page.get_by_test_id("cases").focus()

        def one():
            before = page.locator(".reclf").get_attribute("data-case")
            page.keyboard.press("ArrowDown")
            page.locator(f".reclf:not([data-case='{before}'])").wait_for()
            return float(page.locator(".reclf").get_attribute("data-draw-ms"))

        return [one() for _ in range(10)]

    few = opened(open_page, tmp_path, cases(40))
    many = opened(open_page, tmp_path, cases(1000), sort="rank")
    assert len(rows(many)) <= 16
    quick, slow = min(times(few)), min(times(many))
    record_property("next case of 40 and of 1,000, best ms", (quick, slow))
    assert slow < 2 * quick + 8
    many.get_by_test_id("cases").evaluate("(box) => { box.scrollTop = 20000; }")
    many.locator("[data-testid=cases] [aria-rowindex='460']").wait_for()
    assert len(rows(many)) <= 20
    assert many.get_by_test_id("cases").get_attribute("aria-rowcount") == "1001"
    assert many.problems == []
