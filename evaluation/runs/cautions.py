"""The words for a report's `caution`: why an interval may be too narrow."""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from hardcases.web import formatting


def caution_of(entry: dict[str, Any]) -> str:
    """Such as "interval may be too narrow: 8 positive cases", or nothing. Reports of before the code was introduced have none."""
    code = entry.get("caution")
    if code is None:
        return ""
    if code == "approximate":
        return _("interval is approximate")
    if code == "too_high":
        return _("reads too high in small sets")
    return _("interval may be too narrow: %(why)s") % {"why": _why(code, entry)}


def _why(code: str, entry: dict[str, Any]) -> str:
    if code == "few_errors":
        return _("few wrong answers")
    if code == "few_clusters":
        return _counted(ngettext("%(n)s cluster", "%(n)s clusters", entry["clusters"]), entry["clusters"])
    if code == "few_cases":
        return _counted(ngettext("%(n)s case", "%(n)s cases", entry["n"]), entry["n"])
    positives = entry["n_positive"]
    if positives is None:
        return _("few cases of a class")
    negatives = entry["n"] - positives
    if positives <= negatives:
        return _counted(ngettext("%(n)s positive case", "%(n)s positive cases", positives), positives)
    return _counted(ngettext("%(n)s negative case", "%(n)s negative cases", negatives), negatives)


def _counted(text: str, number: int) -> str:
    return text % {"n": formatting.count(number)}
