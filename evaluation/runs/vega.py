"""Pieces of Vega-Lite specifications that our charts share. Positions across are data, positions down are pixels from the top of the
plot."""

import math
from collections.abc import Iterable, Sequence
from typing import Any

_SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"

Datum = dict[str, Any]
Layer = dict[str, Any]


class Plane:
    """A plot of fixed size whose x axis is data between `left` and `right` pixels and whose y axis is pixels."""

    def __init__(self, *, domain: tuple[float, float], left: int, right: int, width: int, height: int) -> None:
        self.domain, self.width, self.height = domain, width, height
        scale = {"domain": list(domain), "range": [left, right], "nice": False, "zero": False}
        self._x = {"field": "x", "type": "quantitative", "scale": scale, "axis": None}
        self._y = {"field": "y", "type": "quantitative", "scale": {"domain": [0, height], "range": [0, height]}, "axis": None}

    def texts(self, values: Iterable[Datum], *, at: float | None = None, **style: Any) -> Layer:
        """Text of each datum's `t` at its `x` (or all at pixel `at`) and `y`."""
        mark = {"type": "text", "fill": "var(--text)", "fontSize": 12, "baseline": "middle", **style}
        return _layer(mark, values, x=self._x if at is None else {"value": at}, y=self._y, text={"field": "t"})

    def across(self, values: Iterable[Datum], **style: Any) -> Layer:
        """A level line from `x` to `x2` at `y`."""
        return _layer({"type": "rule", **style}, values, x=self._x, x2={"field": "x2"}, y=self._y)

    def down(self, values: Iterable[Datum], **style: Any) -> Layer:
        """An upright line at `x` from `y` to `y2`."""
        return _layer({"type": "rule", **style}, values, x=self._x, y=self._y, y2={"field": "y2"})

    def points(self, values: Iterable[Datum], **style: Any) -> Layer:
        """A mark at `x`, `y`."""
        return _layer({"type": "point", "opacity": 1, **style}, values, x=self._x, y=self._y)

    def zone(self, start: float, end: float, **style: Any) -> Layer:
        """A field over the whole height between two values."""
        values = [{"x": start, "x2": end, "y": 0, "y2": self.height}]
        return _layer({"type": "rect", **style}, values, x=self._x, x2={"field": "x2"}, y=self._y, y2={"field": "y2"})

    def rows(self, name: str, count: int, height: int) -> Layer:
        """`count` invisible rectangles over the full width, one per row, in a layer called `name`."""
        values = [{"y": index * height, "y2": (index + 1) * height} for index in range(count)]
        rectangles = _layer(
            {"type": "rect", "fill": "transparent"}, values, x={"value": 0}, x2={"value": self.width}, y=self._y, y2={"field": "y2"}
        )
        return {"name": name, **rectangles}

    def spec(self, layers: Iterable[Layer], *, top: int, bottom: int) -> dict[str, Any]:
        """The whole specification, with room above and below for headings and tick labels. Layers without data are left out."""
        return {
            "$schema": _SCHEMA,
            "width": self.width,
            "height": self.height,
            "padding": {"left": 0, "right": 0, "top": top, "bottom": bottom},
            "autosize": {"type": "none"},
            "background": None,
            "config": {"view": {"stroke": None}},
            "layer": [layer for layer in layers if layer["data"]["values"]],
        }


def _layer(mark: dict[str, Any], values: Iterable[Datum], **encoding: Any) -> Layer:
    return {"mark": mark, "data": {"values": list(values)}, "encoding": encoding}


def domain(numbers: Sequence[float]) -> tuple[float, float]:
    """The span of `numbers` with a twentieth of air at each end; a single value gets one hundredth to each side."""
    low, high = min(numbers), max(numbers)
    air = (high - low) * 0.05 or 0.01
    return low - air, high + air


def ticks(low: float, high: float, *, most: int) -> tuple[list[float], int]:
    """At most `most` round numbers inside the span, at steps of 1, 2 or 5 times a power of ten, and that power."""
    power = math.floor(math.log10((high - low) / most))
    for factor in (1, 2, 5, 10):
        step = factor * 10.0**power
        if (high - low) / step <= most:
            break
    first, last = math.ceil(low / step), math.floor(high / step)
    return [index * step for index in range(first, last + 1)], power + (factor == 10)
