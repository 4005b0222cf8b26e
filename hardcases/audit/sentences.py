"""Audit codes as sentences, made when the log is read: the code is what is stored, so an old entry reads in any language.

Rooms enter theirs with `register` in their app's wiring. A code without a sentence is shown as it is, never hidden.
"""

from collections.abc import Mapping
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from hardcases.audit.models import AuditEvent

Sentence = str | Promise
_SENTENCES: dict[str, Sentence] = {}


def register(sentences: Mapping[str, Sentence]) -> None:
    """Sentences by code. `%(object)s` is the object's id; `%(key)s` is a plain value of the event's `after` or, absent there, `before`."""
    _SENTENCES.update(sentences)


def sentence(event: AuditEvent) -> str:
    """What was done, to stand after the actor's name."""
    known = _SENTENCES.get(event.action)
    if known is None:
        return f"{event.action.replace('.', ' ').replace('_', ' ')} · {event.object_type} {event.object_id}"
    return str(known) % _Words({**(event.before or {}), **(event.after or {}), "object": event.object_id})


class _Words(dict[str, Any]):
    """Values for a sentence; lists are joined, and what an old entry lacks is a dash."""

    def __missing__(self, key: str) -> str:
        return "–"

    def __getitem__(self, key: str) -> Any:
        value = super().__getitem__(key)
        return ", ".join(map(str, value)) or "–" if isinstance(value, list) else value


register(
    {
        "project.created": _("created the project %(object)s"),
        "project.changed": _("changed the project %(object)s"),
        "member.roles_set": _("gave %(object)s the roles %(roles)s"),
        "member.removed": _("took %(object)s out of the project"),
        "team.created": _("made the team %(object)s"),
        "team.member_added": _("put %(user)s into the team %(object)s"),
        "team.changed": _("changed the team %(object)s: %(name)s, role %(role)s"),
        "team.manager_added": _("let %(user)s manage the team %(object)s"),
        "team.manager_removed": _("took the managing of the team %(object)s from %(user)s"),
        "team.member_removed": _("took %(user)s out of the team %(object)s"),
        "token.created": _("made the token “%(name)s” (%(scopes)s)"),
        "token.replaced": _("replaced the token “%(name)s”, which works until %(expires_at)s"),
        "token.revoked": _("revoked the token “%(name)s”"),
        "user.created": _("created the account %(object)s"),
        "user.link_made": _("made a sign-in link for %(object)s"),
        "user.password_set_by_link": _("set a password with a sign-in link"),
        "user.password_changed": _("changed the password"),
        "user.deactivated": _("deactivated the account %(object)s"),
        "user.reactivated": _("reactivated the account %(object)s"),
    }
)
