"""Tables in Markdown."""

from reclf.stats.tables import markdown, no_html


def test_text_in_a_table_is_no_html():
    name = "<img src=x onerror=alert(1)> a<b, 1 < 2, </td><!-- -->"
    shown = "&lt;img src=x onerror=alert(1)> a&lt;b, 1 < 2, &lt;/td>&lt;!-- -->"
    assert no_html(name) == shown
    assert markdown(["", name], [[name, "<5"]]).splitlines() == [
        f"|  | {shown} |", "| --- | --- |", f"| {shown} | <5 |",
    ]  # fmt: skip
