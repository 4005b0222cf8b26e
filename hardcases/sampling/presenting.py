"""Sampling rules in the words people use."""

from typing import Any

from django.utils.translation import gettext as _

from hardcases.sampling.models import LeftOut
from hardcases.sampling.queries import Done
from hardcases.sampling.rules import WORDS
from hardcases.web.formatting import count


def in_words(document: dict[str, Any]) -> str:
    """What a rule does, as a sentence without its end."""
    when = document.get("when", {})
    about = [f"{name} = {_or(when[name])}" for name in WORDS if name in when]
    about += [f"{name} = {_or(values)}" for name, values in sorted(when.get("attributes", {}).items())]
    about += [_("with a correction")] if when.get("correction") else []
    about += [_("without a correction")] if when.get("correction") is False else []
    return _("%(what)s of: %(which)s") % {"what": _what(document), "which": ", ".join(about) or _("everything else")}


def _or(values: list[Any]) -> str:
    return _(" or ").join(str(value).lower() if isinstance(value, bool) else str(value) for value in values)


def _what(document: dict[str, Any]) -> str:
    if "keep" in document:
        return _("%(share)s %%") % {"share": f"{document['keep'] * 100:g}"}
    per = {"day": _("a day"), "week": _("a week")}
    if "quota" in document:
        quota = document["quota"]
        by = _(" for each %(names)s") % {"names": ", ".join(quota["by"])} if quota["by"] else ""
        return _("the first %(limit)s %(per)s%(by)s") % {"limit": count(quota["limit"]), "per": per[quota["per"]], "by": by}
    reservoir = document["reservoir"]
    return _("a sample of %(size)s %(per)s") % {"size": count(reservoir["size"]), "per": per[reservoir["per"]]}


def row(one: Done) -> dict[str, Any]:
    """A rule in force, with what it did."""
    return {"done": one, "id": one.row.pk, "name": one.row.document.get("name", ""), "words": in_words(one.row.document)}


def left_out(arrival: LeftOut) -> dict[str, Any]:
    """An arrival that was left out."""
    said = arrival.said
    parts = [str(said.get(name)) for name in ("reason", "source", "model", "external_id") if said.get(name)]
    silent = _("erased") if arrival.forgotten else _("nothing said")
    return {"row": arrival, "line": " · ".join(parts) or silent}
