"""A stored drawing is shown as our renderer made it, and nothing else gets into the page with it."""

import pytest

from evaluation.runs.charts import ForestRow, SeedSeries, forest, seeds
from hardcases.web.drawings import drawing

HEAD = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:h="http://www.w3.org/1999/xhtml">'


@pytest.mark.parametrize("label", ["Portable", "<script>alert(1)</script>", "url(//x)"])
def test_our_own_charts_come_through_unchanged(label: str) -> None:
    row = ForestRow(label=label, n=312, value=-0.046, low=-0.071, high=-0.022, result="fail", url="/p/x/?stratum=a%20b&outcome=c#d")
    undefined = ForestRow(label="few", n=3, value=None, low=None, high=None, reason="no positives", overall=True)
    series = [SeedSeries(label="net", is_candidate=True, values=[("0", 0.9), ("1", 0.91), ("2", 0.92)], mean=0.91, sd=0.01)]
    for figure in (forest([undefined, row], title="Change"), seeds(series, title="Seeds")):
        assert drawing(figure.svg) == figure.svg
        assert "<script" not in drawing(figure.svg)


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "<h:script>alert(1)</h:script>",
        '<g onclick="alert(1)"/>',
        '<a href="javascript:alert(1)"><text>x</text></a>',
        '<a href="//alert.example/"><text>x</text></a>',
        '<a href="/\\alert.example/"><text>x</text></a>',
        '<a xlink:href="https://alert.example/"><text>x</text></a>',
        '<rect href="/alert"/>',
        '<rect style="background:url(//alert)"/>',
        '<rect fill="url(https://alert.example/)"/>',
        "<foreignObject><h:iframe src='//alert'/></foreignObject>",
        '<image href="/alert"/>',
        '<use href="#alert"/>',
        '<animate attributeName="href" to="javascript:alert(1)"/>',
        "<style>* { background: url(//alert) }</style>",
        "<!-- alert -->",
        "<![CDATA[<script>alert(1)</script>]]>",
    ],
)
def test_what_our_renderer_never_makes_is_left_out(hostile: str) -> None:
    shown = drawing(f"{HEAD}<g><text>kept</text>{hostile}</g></svg>")
    assert "alert" not in shown
    assert "kept" in shown or "<!" in hostile


@pytest.mark.parametrize("text", ["", "x", "<script>alert(1)</script>", "<svg>", '<!DOCTYPE x [<!ENTITY a "alert">]>' + HEAD + "&a;</svg>"])
def test_what_is_no_drawing_shows_nothing(text: str) -> None:
    assert drawing(text) == ""
