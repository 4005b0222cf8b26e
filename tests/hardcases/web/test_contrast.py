"""Every colour that is read against another is measured (WCAG 2.2: text 4.5, controls and marks 3), in both themes."""

import re
from pathlib import Path

import pytest

CSS = Path(__file__).parents[3] / "hardcases/static/hardcases/css"
TOKENS = (CSS / "tokens.css").read_text(encoding="utf-8")

TEXT = [
    *[(front, back) for front in ("text", "muted", "link", "open-fg", "error-fg") for back in ("bg", "surface")],
    *[(f"{name}-fg", f"{name}-bg") for name in ("fail", "warn", "pass", "run", "waive")],
    ("on-link", "link"),
    ("bad", "bg"),
    ("good", "bg"),
    ("text", "run-bg"),
    ("muted", "run-bg"),
    ("text", "loss"),
    ("on-lightbox", "lightbox"),
    ("lightbox-muted", "lightbox"),
    ("lightbox-link", "lightbox"),
]
MARKS = [
    *[("control", back) for back in ("bg", "surface")],
    *[(mark, back) for mark in ("baseline", "candidate", "bad", "waive-fg", "muted") for back in ("bg", "loss")],
    ("mark", "lightbox"),
    ("good", "surface"),
]
# Lines that only divide; nothing has to be read from them.
DECORATION = {"line", "lightbox-line"}


def colours(theme: int) -> dict[str, str]:
    """Token → hex colour in a theme (0 light, 1 dark)."""
    both = {name: (light, dark) for name, light, dark in re.findall(r"--([\w-]+): light-dark\((#\w{6}), (#\w{6})\);", TOKENS)}
    one = {name: (value, value) for name, value in re.findall(r"--([\w-]+): (#\w{6});", TOKENS)}
    return {name: pair[theme] for name, pair in (both | one).items()}


def luminance(colour: str) -> float:
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_the_measure_itself() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("front", "back"), TEXT, ids=" on ".join)
def test_text_is_readable(front: str, back: str, theme: int) -> None:
    found = colours(theme)
    assert contrast(found[front], found[back]) >= 4.5


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("front", "back"), MARKS, ids=" on ".join)
def test_controls_and_marks_can_be_seen(front: str, back: str, theme: int) -> None:
    found = colours(theme)
    assert contrast(found[front], found[back]) >= 3


def test_no_colour_escapes_the_measure() -> None:
    measured = {name for pair in (*TEXT, *MARKS) for name in pair}
    assert set(colours(0)) == measured | DECORATION


def test_every_property_used_is_defined() -> None:
    root = CSS.parents[3]
    users = [*CSS.glob("*.css"), *(root / "evaluation/runs").glob("*.py")]
    used = {name for path in users for name in re.findall(r"var\(--([\w-]+)", path.read_text(encoding="utf-8"))}
    assert used <= set(re.findall(r"--([\w-]+):", TOKENS))


def test_colours_live_in_the_tokens_only() -> None:
    """A hex colour elsewhere would forget one of the themes; the light box, dark in both, has tokens of its own."""
    sheets = [path for path in CSS.glob("*.css") if path.name != "tokens.css"]
    assert len(sheets) >= 5
    assert [(path.name, re.findall(r"#[0-9a-f]{3,8}\b(?=[;\s)])", path.read_text(encoding="utf-8"))) for path in sheets] == [
        (path.name, []) for path in sheets
    ]
