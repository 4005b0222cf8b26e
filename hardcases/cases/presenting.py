"""What the pages of cases show, in the words people use. Reads only."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from hardcases.cases import shapes
from hardcases.cases.models import Case
from hardcases.cases.queries import CASE_FACTS
from hardcases.imaging.pictures import TINY
from hardcases.web.formatting import percent

PEEK = 120
SNOOZE_DAYS = (1, 7, 30)


def reasons() -> list[tuple[str, str, str]]:
    """(code, word, key) of each reason to decline."""
    return [
        ("not_our_input", _("Not our input"), "d n"),
        ("unreadable", _("Unreadable"), "d u"),
        ("cannot_be_shared", _("Cannot be shared"), "d c"),
        ("known_accepted", _("Known and accepted"), "d k"),
        ("wrong_product", _("Wrong product"), "d w"),
        ("test_upload", _("Test upload"), "d t"),
    ]


def snoozes() -> list[tuple[int, str]]:
    """(days, word) of each time to come back."""
    words = {1: _("Until tomorrow"), 7: _("For a week"), 30: _("For a month")}
    return [(days, words[days]) for days in SNOOZE_DAYS]


@dataclass(frozen=True)
class Shown:
    """A case as a list, a strip or the light box shows it. Addresses are None where there is nothing to show yet."""

    case: Case
    key: str
    url: str
    title: str
    line: str
    thumbnail_url: str | None
    display_url: str | None
    pixelated: bool
    text: str

    @property
    def alt(self) -> str:
        """The picture in words, for those who do not see it."""
        return f"{self.key}: {self.title}"


def shown(case: Case) -> Shown:
    """Needs `project` loaded."""
    key, slug = case.key, case.project.slug
    media = reverse("api-case-media", args=[slug, key])
    return Shown(
        case=case,
        key=key,
        url=reverse("case-page", args=[slug, key]),
        title=title(case),
        line=" · ".join(part for part in (case.source, case.model) if part),
        thumbnail_url=f"{media}?as=thumbnail" if case.thumbnail_sha256 else None,
        display_url=f"{media}?as=display" if case.display_sha256 else None,
        pixelated=0 < max(case.width or 0, case.height or 0) <= TINY,
        text=(case.text or "")[:PEEK],
    )


def title(case: Case) -> str:
    """Why it is here and what was said, in one line."""
    why = case.reason.replace("_", " ").capitalize()
    said = shapes.in_words(case.prediction)
    return ": ".join(part for part in (why, said) if part) or case.file_name or _("A case without a reason")


def facts(case: Case) -> list[dict[str, Any]]:
    """What was said about it, and what it is: label, value, and an address where there is one."""
    rows = [
        (_("Production said"), shapes.in_words(case.prediction)),
        (_("Sender says"), shapes.in_words(case.correction)),
        (_("Why it was sent"), case.reason.replace("_", " ")),
        (_("Model"), case.model),
        (_("Sent by"), case.source),
        *((name, _value(value)) for name, value in case.attributes.items()),
        (_("Training data of"), _trained_on(case)),
        (_("Kept by sampling"), _chance(case)),
        (_("Tags"), ", ".join(case.tags)),
        (_("Size"), f"{case.width} × {case.height} px" if case.width else ""),
        *_picture(case.picture or {}),
        (_("File name"), case.file_name),
    ]
    found: list[dict[str, Any]] = [{"label": label, "value": value} for label, value in rows if value != ""]
    if case.group_key:
        found.append({"label": _("Group"), "value": case.group_key, "url": reverse("group-page", args=[case.project.slug, case.group_key])})
    return found


def _trained_on(case: Case) -> str:
    """The model versions that were trained on it, asked for only where the case is marked."""
    asked = CASE_FACTS.get("trained_on")
    return ", ".join(asked([case]).get(case.pk, [])) if asked and case.leaked_at is not None else ""


def _chance(case: Case) -> str:
    if case.sampling_rule_id is None:
        return ""
    known = case.selection_probability
    chance = _("with unknown chance") if known is None else _("with a chance of %(share)s") % {"share": percent(known)}
    return _("%(chance)s, by rule %(rule)s") % {"chance": chance, "rule": case.sampling_rule_id}


def _picture(said: dict[str, Any]) -> list[tuple[str, str]]:
    """What is unusual about a picture: how it is stored, how many frames it has, the window it is shown in."""
    frames, window, bits = said.get("frames", 1), said.get("window"), said.get("bits", 8)
    rows = [(_("Frames"), _("%(count)s, the first is shown") % {"count": f"{frames:,}"} if frames > 1 else "")]
    if "transfer_syntax" in said:
        stored = [said["modality"], _("%(bits)s bits") % {"bits": bits}, said["photometric"], said["transfer_syntax"]]
        shown_as = _("centre %(centre)s, width %(width)s") % {"centre": f"{window[0]:g}", "width": f"{window[1]:g}"} if window else ""
        return [*rows, (_("DICOM"), " · ".join(filter(None, stored))), (_("Window"), shown_as)]
    return [*rows, (_("Bits"), str(bits) if bits > 8 else "")]


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return str(value)


def inbox_words(cases: Sequence[Case]) -> list[Shown]:
    """The entries of a list."""
    return [shown(case) for case in cases]
