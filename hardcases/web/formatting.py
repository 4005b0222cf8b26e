"""How numbers, digests and times are written on pages. Pure: same arguments, same text; the clock is an argument.

Fractions come in (0.046), points or percent go out (4.6), as in the public contract. A number that is None or not finite is written as a
dash, never
as 0: the reason stands beside it, in the words of whoever could not compute it.
"""

import math
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

MINUS = "\N{MINUS SIGN}"
MISSING = "\N{EN DASH}"
ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"

_DIGEST_HEAD, _DIGEST_TAIL = 4, 4
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_MONTH = 30 * _DAY


def decimals(value: float | None, digits: int, *, signed: bool = False, shift: int = 0) -> str:
    """Write `value` · 10^`shift` with `digits` decimals, thousands separated, a real minus sign, and a plus sign if `signed`.

    The shift moves the decimal point exactly, so 0.285 becomes 28.5 and not 28.499999999999996. What rounds to zero carries no sign.
    """
    if value is None or not math.isfinite(value):
        return MISSING
    exact = Decimal(repr(float(value))).scaleb(shift)
    rounded = exact.quantize(Decimal(1).scaleb(-digits), rounding=ROUND_HALF_EVEN)
    text = f"{abs(rounded):,.{digits}f}"
    if rounded < 0:
        return MINUS + text
    return "+" + text if signed and rounded > 0 else text


def number(value: float | None, digits: int = 3) -> str:
    """A score or an area under a curve: 0.932."""
    return decimals(value, digits)


def points(value: float | None, digits: int = 1) -> str:
    """A difference of two fractions, in points: −4.6, +0.2."""
    return decimals(value, digits, signed=True, shift=2)


def percent(value: float | None, digits: int = 1) -> str:
    """A fraction as a share of a hundred: 84.3%."""
    text = decimals(value, digits, shift=2)
    return text if text == MISSING else text + "%"


def count(value: int | None) -> str:
    """How many: 1,204."""
    return MISSING if value is None else f"{value:,}".replace("-", MINUS)


def interval(low: float | None, high: float | None, digits: int = 1, *, signed: bool = True) -> str:
    """The interval of a difference in points: (−7.1 to −2.2). Empty when either end is not known."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return _("(%(low)s to %(high)s)") % {
        "low": decimals(low, digits, signed=signed, shift=2),
        "high": decimals(high, digits, signed=signed, shift=2),
    }


def percent_interval(low: float | None, high: float | None, digits: int = 1) -> str:
    """The interval of a percentage: (81.2 to 86.9). The sign of percent is written once, at the value."""
    return interval(low, high, digits, signed=False)


def with_interval(value: float | None, low: float | None, high: float | None, digits: int = 3, *, signed: bool = False) -> str:
    """A number that is no share of a hundred, such as a loss, with its interval: 0.312 (0.280 to 0.344)."""
    text = decimals(value, digits, signed=signed)
    ends = [decimals(end, digits, signed=signed) for end in (low, high)]
    return text if MISSING in ends else _("%(value)s (%(low)s to %(high)s)") % {"value": text, "low": ends[0], "high": ends[1]}


def short_digest(digest: str) -> str:
    """The ends of a digest with its algorithm kept: sha256:9f2c…41be. Short strings are left as they are."""
    algorithm, colon, value = digest.rpartition(":")
    if len(value) <= _DIGEST_HEAD + _DIGEST_TAIL + 1:
        return digest
    return f"{algorithm}{colon}{value[:_DIGEST_HEAD]}{ELLIPSIS}{value[-_DIGEST_TAIL:]}"


def utc(moment: datetime) -> str:
    """A moment for people who compare logs: 2026-11-20 14:02:07 UTC. `moment` must know its time zone."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def since(moment: datetime, now: datetime) -> str:
    """How long ago, in one unit; the date once it is more than thirty days. A clock that runs ahead reads "just now"."""
    seconds = int((now - moment).total_seconds())
    if seconds < 1:
        return _("just now")
    if seconds < _MINUTE:
        return ngettext("%(n)d second ago", "%(n)d seconds ago", seconds) % {"n": seconds}
    if seconds < _HOUR:
        return ngettext("%(n)d minute ago", "%(n)d minutes ago", seconds // _MINUTE) % {"n": seconds // _MINUTE}
    if seconds < _DAY:
        return ngettext("%(n)d hour ago", "%(n)d hours ago", seconds // _HOUR) % {"n": seconds // _HOUR}
    if seconds < _MONTH:
        return ngettext("%(n)d day ago", "%(n)d days ago", seconds // _DAY) % {"n": seconds // _DAY}
    return moment.astimezone(UTC).strftime("%Y-%m-%d")
