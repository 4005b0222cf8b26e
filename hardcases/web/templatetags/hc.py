"""Template tags and filters of the product: formatting, icons and chips. `{% load hc %}`."""

from collections.abc import Sequence
from datetime import datetime

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from hardcases.web import formatting
from hardcases.web.drawings import drawing
from hardcases.web.looks import FILLED_PARTS, ICONS, look

register = template.Library()

register.filter("points", formatting.points)
register.filter("percent", formatting.percent)
register.filter("number", formatting.number)
register.filter("count", formatting.count)
register.filter("short_digest", formatting.short_digest)
register.filter("utc", formatting.utc)
register.filter("drawing", drawing)
register.simple_tag(formatting.interval, name="interval")
register.simple_tag(formatting.percent_interval, name="percent_interval")
register.simple_tag(formatting.with_interval, name="with_interval")


@register.simple_tag
def icon(name: str) -> SafeString:
    """A drawn icon, hidden from screen readers: the word beside it says the same."""
    return format_html(
        '<svg class="icon" viewBox="0 0 16 16" aria-hidden="true"><path d="{}" fill="none" stroke="currentColor" stroke-width="1.9"/>'
        '<path d="{}" fill="currentColor"/></svg>',
        ICONS[name],
        FILLED_PARTS.get(name, ""),
    )


@register.inclusion_tag("components/chip.html")
def chip(code: str, label: str = "") -> dict[str, object]:
    """The chip of a result or state; `label` replaces the word ("snoozed until Monday"), never the icon or the class."""
    shown = look(code)
    return {"css": shown.css, "icon_name": shown.icon, "label": label or shown.word}


@register.filter
def look_css(code: str) -> str:
    """The class that goes with a code, for a verdict box or a table row."""
    return look(code).css


@register.filter
def word(code: str) -> str:
    """The word for a code, without icon."""
    return str(look(code).word)


@register.simple_tag
def since(moment: datetime | None) -> str:
    """ "2 hours ago", with the exact moment in UTC as its title and machine-readable time; a dash for None."""
    if moment is None:
        return formatting.MISSING
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', moment.isoformat(), formatting.utc(moment), formatting.since(moment, timezone.now())
    )


@register.simple_tag
def sparkline(values: Sequence[int], label: str) -> SafeString:
    """A bar for each day, oldest first, as high as its share of the greatest; `label` says in words what it counts, and the numbers follow it."""
    top = max([*values, 1])
    bars = "".join(
        f"M{4 * at} 16v-{max(1.5, 16 * value / top):.1f}h3v{max(1.5, 16 * value / top):.1f}z" for at, value in enumerate(values) if value
    )
    return format_html(
        '<svg class="spark" viewBox="0 0 {} 16" role="img" aria-label="{}: {}"><path d="M0 15.5h{}" stroke="currentColor" stroke-opacity="0.35"/>'
        '<path d="{}" fill="currentColor"/></svg>',
        4 * len(values),
        label,
        ", ".join(map(str, values)),
        4 * len(values),
        bars,
    )
