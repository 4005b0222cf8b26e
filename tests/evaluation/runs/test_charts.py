"""Charts: the drawing says what the numbers say, obeys the page's policy, and treats every name as text."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

import pytest
from django.template.loader import render_to_string

from evaluation.runs.charts import MOST_ROWS, WORST_ROWS, Figure, ForestRow, SeedSeries, forest, seeds
from evaluation.runs.vega import domain, ticks

SVG = "{http://www.w3.org/2000/svg}"
TELEPHONE = 358  # px between the margins of a page 390 px wide
HOSTILE = "<script>alert(1)</script>&\"' \x00\x1b\ud800 ]]>"


def row(label: str = "Portable", **changes: object) -> ForestRow:
    """A failed stratum of 312 cases, −4.6 (−7.1 to −2.2), with `changes`."""
    url = "/p/x/?" + urlencode({"stratum": label}, errors="replace")
    usual: dict[str, object] = {"label": label, "n": 312, "value": -0.046, "low": -0.071, "high": -0.022, "result": "fail", "url": url}
    return ForestRow(**(usual | changes))  # type: ignore[arg-type]


def root(figure: Figure) -> ET.Element:
    return ET.fromstring(figure.svg)


def links(figure: Figure) -> list[tuple[str, str]]:
    return [(a.attrib["href"], a.attrib["aria-label"]) for a in root(figure).iter(f"{SVG}a")]


def texts(figure: Figure) -> list[str]:
    return [element.text or "" for element in root(figure).iter(f"{SVG}text")]


def shift(element: ET.Element) -> tuple[float, float]:
    found = re.fullmatch(r"translate\(([-\d.e]+),([-\d.e]+)\)", element.attrib["transform"])
    assert found
    return float(found[1]), float(found[2])


class Scale:
    """Reads values back from pixels, by the ticks that the chart itself shows."""

    def __init__(self, figure: Figure) -> None:
        centred = [(shift(t)[0], t.text or "") for t in root(figure).iter(f"{SVG}text") if t.attrib["text-anchor"] == "middle"]
        marks = [(x, float(text.replace("−", "-"))) for x, text in centred if re.fullmatch(r"[−+]?[\d.]+", text)]
        (x0, v0), (x1, v1) = marks[0], marks[-1]
        self._x0, self._v0, self._slope = x0, v0, (v1 - v0) / (x1 - x0)

    def __call__(self, x: float) -> float:
        return self._v0 + (x - self._x0) * self._slope


def lines(figure: Figure, colour: str) -> list[tuple[float, float, float]]:
    """Level lines of a colour: start, end (in the units of the ticks) and height in pixels."""
    scale = Scale(figure)
    found = [line for line in root(figure).iter(f"{SVG}line") if line.attrib["stroke"] == colour and line.attrib["x2"] != "0"]
    return [(scale(shift(line)[0]), scale(shift(line)[0] + float(line.attrib["x2"])), shift(line)[1]) for line in found]


def one_forest() -> Figure:
    return forest([row(), row("All cases", overall=True)], title="Change", allowed_loss=0.02)


def one_strip() -> Figure:
    return seeds([SeedSeries(label="candidate", is_candidate=True, values=[("0", 0.93), ("1", 0.94)], mean=0.935, sd=0.007)], title="AUC")


@pytest.mark.parametrize("make", [one_forest, one_strip])
class PolicyTests:
    def test_nothing_needs_an_exception(self, make: Callable[[], Figure]) -> None:
        for element in root(make()).iter():
            assert element.tag in {f"{SVG}{name}" for name in ("svg", "g", "a", "path", "line", "text")}
            assert not {"style", "class", "font-family", "id"} & element.attrib.keys()
            assert not [name for name in element.attrib if name.startswith("on")]

    def test_colours_follow_the_theme(self, make: Callable[[], Figure]) -> None:
        for element in root(make()).iter():
            for name in ("fill", "stroke"):
                assert re.fullmatch(r"none|var\(--[a-z-]+\)", element.get(name, "none"))

    def test_it_has_a_name_and_scales(self, make: Callable[[], Figure]) -> None:
        assert root(make()).attrib["aria-label"]
        assert "viewBox" in root(make()).attrib
        assert "width" not in root(make()).attrib


class ForestTests:
    def test_one_link_per_row_with_the_whole_sentence(self) -> None:
        every_case = row("All cases", value=-0.006, low=-0.018, high=0.006, result="pass", n=1204, overall=True)
        figure = forest([row(), every_case], title="Change")
        assert links(figure) == [
            ("/p/x/?stratum=All+cases", "All cases: −0.6 (−1.8 to +0.6), 1,204 cases, passed."),
            ("/p/x/?stratum=Portable", "Portable: −4.6 (−7.1 to −2.2), 312 cases, failed."),
        ]

    def test_marks_stand_where_the_numbers_say(self) -> None:
        figure = forest([row(bound=-0.067)], title="Change", allowed_loss=0.02)
        (start, end, _y) = next(line for line in lines(figure, "var(--bad)"))
        assert (start, end) == (pytest.approx(-7.1), pytest.approx(-2.2))
        red = [line for line in root(figure).iter(f"{SVG}line") if line.attrib["stroke"] == "var(--bad)"]
        assert sorted(Scale(figure)(shift(line)[0]) for line in red if line.attrib["x2"] == "0") == [
            pytest.approx(-6.7),
            pytest.approx(-2.0),
        ]
        points = [path for path in root(figure).iter(f"{SVG}path") if "transform" in path.attrib]
        assert [Scale(figure)(shift(point)[0]) for point in points] == [pytest.approx(-4.6)]

    def test_the_narrow_twin_says_the_same(self) -> None:
        wide = forest([row(), row("Bedside", result="pass", value=0.01, low=-0.004, high=0.03)], title="Change", allowed_loss=0.02)
        narrow = replace(wide, svg=wide.narrow)
        assert links(narrow) == links(wide)
        for colour in ("var(--bad)", "var(--text)"):
            for there, here in zip(lines(wide, colour), lines(narrow, colour), strict=True):
                assert here[:2] == pytest.approx(there[:2], abs=0.05)
        assert {"Portable, 312", "−4.6 (−7.1 to −2.2)"} <= set(texts(narrow))
        assert float(root(narrow).attrib["viewBox"].split()[2]) <= TELEPHONE

    def test_the_field_of_loss_lies_on_the_worse_side(self) -> None:
        def zone(*, higher_is_better: bool) -> list[float]:
            figure = forest([row(low=-0.1, high=0.1)], title="Change", allowed_loss=0.02, higher_is_better=higher_is_better)
            (path,) = [path for path in root(figure).iter(f"{SVG}path") if path.get("fill") == "var(--loss)"]
            found = re.match(r"M([\d.]+),[\d.]+h([\d.]+)", path.attrib["d"])
            assert found
            return [Scale(figure)(float(found[1])), Scale(figure)(float(found[1]) + float(found[2]))]

        assert zone(higher_is_better=True) == [pytest.approx(-11.0), pytest.approx(-2.0)]
        assert zone(higher_is_better=False) == [pytest.approx(2.0), pytest.approx(11.0)]

    def test_results_differ_in_shape_and_dash_not_only_in_colour(self) -> None:
        shapes = {}
        for result in ("pass", "fail", "not_enough_evidence", "waived"):
            figure = forest([row(result=result)], title="Change")
            (point,) = [path for path in root(figure).iter(f"{SVG}path") if "transform" in path.attrib]
            dashed = any("stroke-dasharray" in line.attrib for line in root(figure).iter(f"{SVG}line"))
            shapes[result] = (re.sub(r"[-\d.]+", "#", point.attrib["d"]), dashed)
        assert len(set(shapes.values())) == 4
        assert [result for result, (_shape, dashed) in shapes.items() if dashed] == ["not_enough_evidence"]

    def test_worst_end_first_with_all_cases_on_top_and_the_undefined_last(self) -> None:
        undefined = row("undefined", value=None, low=None, high=None)
        rows = [row("b", low=-0.02), undefined, row("a", low=-0.09), row("all", low=0.0, overall=True)]
        assert [cells[0] for cells in forest(rows, title="Change").rows] == ["all", "a", "b", "undefined"]
        worse_is_higher = [row("b", high=0.02), row("a", high=0.09)]
        assert [cells[0] for cells in forest(worse_is_higher, title="Change", higher_is_better=False).rows] == ["a", "b"]

    def test_an_undefined_change_says_why_and_draws_no_mark(self) -> None:
        undefined = row(value=None, low=None, high=None, result="not_enough_evidence", reason="no positive cases")
        figure = forest([undefined], title="Change")
        assert "no positive cases · too few cases" in texts(figure)
        assert not [path for path in root(figure).iter(f"{SVG}path") if "transform" in path.attrib]
        assert figure.rows[0][2:4] == ("no positive cases", "–")

    def test_the_table_holds_the_input(self) -> None:
        assert forest([row()], title="Change").rows == (("Portable", "312", "−4.6", "(−7.1 to −2.2)", "Failed"),)

    @pytest.mark.parametrize(("count", "drawn"), [(MOST_ROWS, MOST_ROWS), (MOST_ROWS + 1, WORST_ROWS)])
    def test_a_cap_is_never_silent(self, count: int, drawn: int) -> None:
        figure = forest([row(f"s{index}", low=-0.07 + index / 1000) for index in range(count)], title="Change")
        assert len(links(figure)) == drawn
        assert len(figure.rows) == count
        assert bool(figure.note) == (drawn < count)
        assert links(figure)[0][0].endswith("=s0")

    def test_names_are_text(self) -> None:
        figure = forest([row(HOSTILE, url="/?s=%3Cscript%3E", reason=HOSTILE), row("undefined", value=None, reason=HOSTILE)], title=HOSTILE)
        assert "<script" not in figure.svg
        assert any(text.startswith("<script>") for text in texts(figure))
        html = render_to_string("components/figure.html", {"figure": figure, "caption": HOSTILE})
        assert "<script" not in html

    @pytest.mark.parametrize(
        "url", ["javascript:alert(1)", "//elsewhere/", "/\\elsewhere/", "data:text/html,x", "http://elsewhere/", "", "/a\nb"]
    )
    def test_a_row_never_leads_out_of_the_site(self, url: str) -> None:
        with pytest.raises(ValueError, match="links only to this site"):
            forest([row(url=url)], title="Change")

    def test_a_row_without_address_is_read_and_not_clicked(self) -> None:
        figure = forest([row(url=None)], title="Change")
        assert links(figure) == []
        read = [group.attrib["aria-label"] for group in root(figure).iter(f"{SVG}g") if group.get("role") == "img"]
        assert read == ["Portable: −4.6 (−7.1 to −2.2), 312 cases, failed."]

    @pytest.mark.parametrize(
        "rows", [[], [row(value=None, low=None, high=None)], [row(value=0.0, low=0.0, high=0.0)]], ids=["none", "undefined", "point"]
    )
    def test_degenerate_input_is_drawn(self, rows: Sequence[ForestRow]) -> None:
        assert len(links(forest(rows, title="Change"))) == len(rows)


class SeedTests:
    SERIES = (
        SeedSeries(label="baseline", is_candidate=False, values=[("0", 0.930), ("1", 0.934)], mean=0.932, sd=0.002),
        SeedSeries(label="candidate", is_candidate=True, values=[("0", 0.940), ("1", 0.952)], mean=0.946, sd=0.006, url="/p/x/runs/7/"),
    )

    def test_dots_mean_and_band_stand_where_the_numbers_say(self) -> None:
        figure = seeds(self.SERIES, title="AUC")
        scale = Scale(figure)
        dots = sorted(scale(shift(path)[0]) for path in root(figure).iter(f"{SVG}path") if "transform" in path.attrib)
        assert dots == [pytest.approx(value, abs=1e-9) for value in (0.930, 0.934, 0.940, 0.952)]
        (start, end, _y), *_rest = lines(figure, "var(--candidate)")
        assert (start, end) == (pytest.approx(0.940), pytest.approx(0.952))

    def test_the_table_holds_every_seed(self) -> None:
        assert seeds(self.SERIES, title="AUC").rows == (
            ("baseline", "0", "0.930"),
            ("baseline", "1", "0.934"),
            ("candidate", "0", "0.940"),
            ("candidate", "1", "0.952"),
            ("baseline", "mean ± sd", "0.932 ± 0.002"),
            ("candidate", "mean ± sd", "0.946 ± 0.006"),
        )
        assert links(seeds(self.SERIES, title="AUC")) == [("/p/x/runs/7/", "candidate: 0.946 ± 0.006")]

    def test_one_replicate_has_no_spread(self) -> None:
        figure = seeds([SeedSeries(label="v1", is_candidate=True, values=[("0", 0.9)], mean=0.9, sd=None)], title="AUC")
        assert "0.900" in texts(figure)
        assert lines(figure, "var(--candidate)") == []


def test_ticks_are_round_and_few() -> None:
    assert ticks(-0.11, 0.07, most=6)[0] == [pytest.approx(value) for value in (-0.10, -0.05, 0.0, 0.05)]
    for low, high in ((0.0, 1.0), (-1e-6, 1e-6), (0.931, 0.9312), (-50.0, 900.0)):
        found, power = ticks(low, high, most=4)
        assert 1 <= len(found) <= 5
        assert all(low <= tick <= high and round(tick, max(0, -power)) == pytest.approx(tick) for tick in found)


def test_a_single_value_still_has_a_span() -> None:
    low, high = domain([0.5])
    assert low < 0.5 < high
