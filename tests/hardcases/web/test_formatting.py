"""Numbers, digests and times on pages: what a reader sees is exactly what was measured."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardcases.web import formatting

NOON = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "shown"),
    [(-0.046, "−4.6"), (0.002, "+0.2"), (0.0, "0.0"), (-0.0004, "0.0"), (0.0004, "0.0"), (0.285, "+28.5"), (12.345, "+1,234.5")],
)
def test_points_carry_a_real_sign_and_what_rounds_to_zero_carries_none(value: float, shown: str) -> None:
    assert formatting.points(value) == shown


@pytest.mark.parametrize("nothing", [None, float("nan"), float("inf"), -float("inf")])
def test_what_is_undefined_is_a_dash_and_never_zero(nothing: float | None) -> None:
    assert [write(nothing) for write in (formatting.points, formatting.percent, formatting.number)] == ["–", "–", "–"]
    assert formatting.interval(nothing, 0.1) == ""
    assert formatting.interval(0.1, nothing) == ""


def test_intervals_and_shares() -> None:
    assert formatting.interval(-0.071, -0.022) == "(−7.1 to −2.2)"
    assert formatting.interval(-0.018, 0.006) == "(−1.8 to +0.6)"
    assert formatting.percent(0.843) == "84.3%"
    assert formatting.percent_interval(0.812, 0.869) == "(81.2 to 86.9)"
    assert formatting.number(0.93249) == "0.932"
    assert formatting.number(-1.5, 1) == "−1.5"


def test_counts_are_exact() -> None:
    assert [formatting.count(n) for n in (0, 999, 1204, 1234567, None)] == ["0", "999", "1,204", "1,234,567", "–"]


def test_digests_keep_their_algorithm_and_both_ends() -> None:
    assert formatting.short_digest("sha256:9f2c" + "0" * 56 + "41be") == "sha256:9f2c…41be"
    assert formatting.short_digest("9f2c" + "0" * 56 + "41be") == "9f2c…41be"
    assert formatting.short_digest("sha256:abc") == "sha256:abc"


@pytest.mark.parametrize(
    ("ago", "shown"),
    [
        (timedelta(seconds=-5), "just now"),
        (timedelta(seconds=1), "1 second ago"),
        (timedelta(seconds=59), "59 seconds ago"),
        (timedelta(minutes=1), "1 minute ago"),
        (timedelta(hours=23, minutes=59), "23 hours ago"),
        (timedelta(days=2), "2 days ago"),
        (timedelta(days=31), "2026-10-20"),
    ],
)
def test_times_are_in_one_unit(ago: timedelta, shown: str) -> None:
    assert formatting.since(NOON - ago, NOON) == shown


def test_utc_is_utc_whatever_zone_came_in() -> None:
    assert formatting.utc(NOON.astimezone(timezone(timedelta(hours=8)))) == "2026-11-20 12:00:00 UTC"


@given(st.floats(min_value=-1e6, max_value=1e6, allow_nan=False))
def test_points_read_back_to_within_half_a_digit(value: float) -> None:
    read = float(formatting.points(value).replace("−", "-").replace(",", ""))
    assert abs(read - value * 100) <= 0.05 + abs(value) * 1e-12
