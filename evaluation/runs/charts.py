"""The pictures of a report: change per stratum, and spread over seeds. Plain numbers in, a `Figure` out: SVG and the same numbers as
a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from evaluation.runs.svg import TARGETS, Target, clean, draw
from evaluation.runs.vega import Layer, Plane, domain, ticks
from hardcases.web import formatting
from hardcases.web.looks import look

MOST_ROWS = 40
WORST_ROWS = 20

_TOO_FEW = "not_enough_evidence"
_NAME, _NAME_WIDTH, _CASES, _WORDS = 8, 230, 318, 656  # the columns of a wide forest
_SEEDS_WIDTH, _SEEDS_ROW, _SEEDS_LEFT, _SEEDS_RIGHT = 300, 40, 76, 196
_SMALL: dict[str, Any] = {"fill": "var(--muted)", "fontSize": 11}


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A chart ready for components/figure.html: `kind` names its class, `svg` is safe to put into a page, `columns` and `rows` are
    its table. `narrow` is the same drawing for a telephone, where there is one."""

    kind: str
    svg: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""
    narrow: str = ""


@dataclass(frozen=True, kw_only=True)
class ForestRow:
    """One stratum: candidate − baseline with its 95 % interval, as fractions.

    `result` is a result code or None where nothing was judged; `bound` is the one-sided bound the check compared with the margin;
    `reason` says why
    `value` is None; `overall` marks the row of all cases, which stays on top; `url` is an address inside this site.
    """

    label: str
    n: int
    value: float | None
    low: float | None
    high: float | None
    result: str | None = None
    url: str | None = None
    bound: float | None = None
    reason: str = ""
    overall: bool = False


@dataclass(frozen=True, kw_only=True)
class SeedSeries:
    """One model version's replicates on one metric: (seed, value) pairs with their mean and standard deviation (None for a single
    replicate)."""

    label: str
    is_candidate: bool
    values: Sequence[tuple[str, float]]
    mean: float
    sd: float | None
    url: str | None = None


def forest(rows: Sequence[ForestRow], *, title: str, allowed_loss: float | None = None, higher_is_better: bool = True) -> Figure:
    """Draw the change per stratum, worst end first; above `MOST_ROWS` strata only the `WORST_ROWS` worst, with a note that says so.

    `allowed_loss` is the margin of the check as a positive fraction (0.02 for two points).
    """
    ordered = sorted(rows, key=lambda row: _worst_first(row, higher_is_better=higher_is_better))
    drawn = ordered if len(ordered) <= MOST_ROWS else ordered[:WORST_ROWS]
    note = ""
    if len(drawn) < len(ordered):
        note = _("The %(drawn)d worst of %(all)d strata are drawn; the table holds all of them.") % {
            "drawn": len(drawn),
            "all": len(ordered),
        }
    margin = None if allowed_loss is None else (-allowed_loss if higher_is_better else allowed_loss)
    targets = [Target(sentence=_sentence(row), url=row.url) for row in drawn]
    wide, narrow = (
        draw(_forest_spec(drawn, form, margin=margin, higher_is_better=higher_is_better), label=title, targets=targets)
        for form in (_WIDE, _NARROW)
    )
    columns = (_("Stratum"), _("Cases"), _("Change in points"), _("95% interval"), _("Result"))
    return Figure(kind="forest", svg=wide, narrow=narrow, columns=columns, rows=tuple(_table_row(row) for row in ordered), note=note)


def seeds(series: Sequence[SeedSeries], *, title: str, digits: int = 3) -> Figure:
    """Draw one dot per replicate, the mean as a line and one standard deviation to each side as a band."""
    svg = draw(
        _seeds_spec(series, digits=digits),
        label=title,
        targets=[Target(sentence=f"{one.label}: {_spread(one, digits)}", url=one.url) for one in series],
    )
    rows = [(clean(one.label), seed, formatting.number(value, digits)) for one in series for seed, value in one.values]
    rows += [(clean(one.label), _("mean ± sd"), _spread(one, digits)) for one in series]
    return Figure(kind="seeds", svg=svg, columns=(_("Model version"), _("Seed"), _("Value")), rows=tuple(rows))


def _worst_first(row: ForestRow, *, higher_is_better: bool) -> tuple[bool, bool, float]:
    end = row.low if higher_is_better else row.high
    if end is None:
        return (not row.overall, True, 0.0)
    return (not row.overall, False, end if higher_is_better else -end)


def _change(row: ForestRow) -> str:
    if row.value is None:
        return clean(row.reason) or _("Cannot be computed")
    return f"{formatting.points(row.value)} {formatting.interval(row.low, row.high)}".rstrip()


def _result_word(row: ForestRow) -> str:
    return str(look(row.result).word).lower() if row.result else ""


def _sentence(row: ForestRow) -> str:
    cases = ngettext("%(n)s case", "%(n)s cases", row.n) % {"n": formatting.count(row.n)}
    return ", ".join(part for part in (f"{row.label}: {_change(row)}", cases, _result_word(row)) if part) + "."


def _table_row(row: ForestRow) -> tuple[str, ...]:
    change = formatting.points(row.value) if row.value is not None else _change(row)
    result = str(look(row.result).word) if row.result else formatting.MISSING
    return (clean(row.label), formatting.count(row.n), change, formatting.interval(row.low, row.high) or formatting.MISSING, result)


@dataclass(frozen=True)
class _Dress:
    """How a result is drawn: shape and dash say what the colour says."""

    colour: str
    shape: str
    hollow: bool = False
    size: int = 80


_DRESSES = {
    "fail": _Dress("var(--bad)", "diamond", size=130),
    _TOO_FEW: _Dress("var(--muted)", "circle", hollow=True),
    "waived": _Dress("var(--waive-fg)", "triangle-up", size=100),
}
_PLAIN = _Dress("var(--text)", "square")


@dataclass(frozen=True)
class _Form:
    """Where things stand in a forest, in pixels: the plot from `left` to `right`, a row's mark `mark` below its top."""

    width: int
    row: int
    left: int
    right: int
    mark: int


_WIDE = _Form(width=900, row=30, left=332, right=640, mark=15)
_NARROW = _Form(width=352, row=46, left=6, right=346, mark=32)  # name and change above the mark


def _forest_spec(rows: Sequence[ForestRow], form: _Form, *, margin: float | None, higher_is_better: bool) -> dict[str, Any]:
    numbers = [number for row in rows for number in (row.value, row.low, row.high, row.bound, margin) if number is not None]
    span = domain([*numbers, 0.0])
    plane = Plane(domain=span, left=form.left, right=form.right, width=form.width, height=form.row * len(rows))
    # The field lies under the rows, so that the row in use is lit from end to end.
    field, edge = _allowed_loss(plane, margin, higher_is_better=higher_is_better)
    layers = [*field, plane.rows(TARGETS, len(rows), form.row), *edge]
    layers.append(plane.down([{"x": 0.0, "y": 0, "y2": plane.height}], stroke="var(--control)"))
    placed = [(float(index * form.row + form.mark), row) for index, row in enumerate(rows)]
    drawable = sorted((pair for pair in placed if pair[1].value is not None), key=lambda pair: pair[1].result or "")
    for result, group in groupby(drawable, key=lambda pair: pair[1].result or ""):
        layers += _marks(plane, list(group), _DRESSES.get(result, _PLAIN))
    layers += [*(_columns if form is _WIDE else _heads)(plane, placed), *_axis(plane, form, higher_is_better=higher_is_better)]
    return plane.spec(layers, top=30, bottom=26 if margin is None else 42)


def _allowed_loss(plane: Plane, margin: float | None, *, higher_is_better: bool) -> tuple[list[Layer], list[Layer]]:
    """The field where a change is worse than the check permits; and its edge, named below the ticks."""
    if margin is None:
        return [], []
    name = _("allowed loss %(points)s") % {"points": formatting.points(margin)}
    start, end = (plane.domain[0], margin) if higher_is_better else (margin, plane.domain[1])
    return [plane.zone(start, end, fill="var(--loss)")], [
        plane.down([{"x": margin, "y": 0, "y2": plane.height}], stroke="var(--bad)", strokeDash=[4, 3]),
        plane.texts([{"x": margin, "y": plane.height + 32, "t": name}], align="center", **_SMALL),
    ]


def _marks(plane: Plane, placed: Sequence[tuple[float, ForestRow]], dress: _Dress) -> list[Layer]:
    """Intervals, the bounds the check looked at, and the values, of all rows that share a result."""
    dash = {"strokeDash": [3, 3]} if dress.hollow else {}
    fill = {"fill": "var(--bg)", "strokeWidth": 2} if dress.hollow else {"fill": dress.colour, "strokeWidth": 0}
    return [
        plane.across(
            [{"x": row.low, "x2": row.high, "y": y} for y, row in placed if row.low is not None and row.high is not None],
            stroke=dress.colour,
            strokeWidth=2,
            **dash,
        ),
        plane.down(
            [{"x": row.bound, "y": y - 6, "y2": y + 6} for y, row in placed if row.bound is not None], stroke=dress.colour, strokeWidth=1.5
        ),
        plane.points([{"x": row.value, "y": y} for y, row in placed], shape=dress.shape, size=dress.size, stroke=dress.colour, **fill),
    ]


def _columns(plane: Plane, placed: Sequence[tuple[float, ForestRow]]) -> list[Layer]:
    """Stratum, number of cases, change with interval and result, each under its heading."""
    words = [{"y": y, "t": " · ".join(filter(None, (_change(row), _result_word(row))))} for y, row in placed]
    return [
        plane.texts(
            [{"y": y, "t": clean(row.label)} for y, row in placed if row.overall],
            at=_NAME,
            align="left",
            limit=_NAME_WIDTH,
            fontWeight="bold",
        ),
        plane.texts([{"y": y, "t": clean(row.label)} for y, row in placed if not row.overall], at=_NAME, align="left", limit=_NAME_WIDTH),
        plane.texts([{"y": y, "t": formatting.count(row.n)} for y, row in placed], at=_CASES, align="right"),
        plane.texts(words, at=_WORDS, align="left", limit=_WIDE.width - _WORDS),
        plane.texts([{"y": -14, "t": _("stratum")}], at=_NAME, align="left", **_SMALL),
        plane.texts([{"y": -14, "t": _("cases")}], at=_CASES, align="right", **_SMALL),
        plane.texts([{"y": -14, "t": _("change (95% interval)")}], at=_WORDS, align="left", **_SMALL),
    ]


def _heads(plane: Plane, placed: Sequence[tuple[float, ForestRow]]) -> list[Layer]:
    """A line above each mark of a narrow forest: stratum with its number of cases, and the change with its interval."""
    above = [(y - 18, row) for y, row in placed]
    names = [({"y": y, "t": f"{clean(row.label)}, {formatting.count(row.n)}"}, row.overall) for y, row in above]
    return [
        plane.texts([name for name, overall in names if overall], at=0, align="left", limit=200, fontWeight="bold"),
        plane.texts([name for name, overall in names if not overall], at=0, align="left", limit=200),
        plane.texts([{"y": y, "t": _change(row)} for y, row in above], at=plane.width, align="right"),
    ]


def _axis(plane: Plane, form: _Form, *, higher_is_better: bool) -> list[Layer]:
    """Ticks in points below, and above which way is worse."""
    left, right = (_("◄ worse"), _("better ►")) if higher_is_better else (_("◄ better"), _("worse ►"))
    numbers, power = ticks(*plane.domain, most=6)
    labels = [{"x": number, "y": plane.height + 16, "t": formatting.points(number, max(0, -power - 2))} for number in numbers]
    return [
        plane.texts(labels, align="center", **_SMALL),
        plane.texts([{"y": -14, "t": left}], at=form.left, align="left", **_SMALL),
        plane.texts([{"y": -14, "t": right}], at=form.right, align="right", **_SMALL),
    ]


def _spread(one: SeedSeries, digits: int) -> str:
    if one.sd is None:
        return formatting.number(one.mean, digits)
    return f"{formatting.number(one.mean, digits)} ± {formatting.number(one.sd, digits)}"


def _seeds_spec(series: Sequence[SeedSeries], *, digits: int) -> dict[str, Any]:
    numbers = [value for one in series for _seed, value in one.values]
    numbers += [one.mean + side * (one.sd or 0.0) for one in series for side in (-1, 1)]
    plane = Plane(domain=domain(numbers), left=_SEEDS_LEFT, right=_SEEDS_RIGHT, width=_SEEDS_WIDTH, height=_SEEDS_ROW * len(series))
    layers = [plane.rows(TARGETS, len(series), _SEEDS_ROW)]
    for index, one in enumerate(series):
        layers += _seeds_row(plane, one, index * _SEEDS_ROW + _SEEDS_ROW / 2)
    placed = [(index * _SEEDS_ROW + _SEEDS_ROW / 2, one) for index, one in enumerate(series)]
    layers.append(plane.texts([{"y": y, "t": clean(one.label)} for y, one in placed], at=0, align="left", limit=_SEEDS_LEFT - 8))
    layers.append(plane.texts([{"y": y, "t": _spread(one, digits)} for y, one in placed], at=_SEEDS_WIDTH, align="right"))
    at, power = ticks(*plane.domain, most=4)
    layers.append(
        plane.texts([{"x": x, "y": plane.height + 12, "t": formatting.number(x, max(0, -power))} for x in at], align="center", **_SMALL)
    )
    return plane.spec(layers, top=2, bottom=24)


def _seeds_row(plane: Plane, one: SeedSeries, y: float) -> list[Layer]:
    colour = "var(--candidate)" if one.is_candidate else "var(--baseline)"
    fill = {"fill": colour, "strokeWidth": 0, "size": 64} if one.is_candidate else {"fill": "var(--bg)", "strokeWidth": 2, "size": 50}
    band = [] if one.sd is None else [{"x": one.mean - one.sd, "x2": one.mean + one.sd, "y": y}]
    return [
        plane.across(band, stroke=colour, strokeWidth=8, opacity=0.25),
        plane.down([{"x": one.mean, "y": y - 11, "y2": y + 11}], stroke=colour, strokeWidth=2),
        plane.points([{"x": value, "y": y} for _seed, value in one.values], shape="circle", stroke=colour, **fill),
    ]
