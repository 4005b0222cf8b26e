"""What was sent and not taken, kept for a while in the words that help whoever sent it."""

import logging
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.db import DatabaseError, transaction
from django.utils import timezone

from hardcases.audit.actors import Actor
from hardcases.cases.models import Case, Refused
from hardcases.errors import Refusal
from hardcases.projects.models import Project

log = logging.getLogger(__name__)
KEPT = 200
KEPT_FOR = timedelta(days=14)
AT_ONCE = 20  # of one batch
NOTED = frozenset({400, 409, 411, 413, 415, 422})  # what the sender can mend; a full disk or a limit is not about what was sent
SHOWN = 60
_TABLE_WIDTH = 500


def note(actor: Actor, project: Project, refused: Iterable[tuple[Refusal, Any]]) -> None:
    """Keep what was refused, each with what was sent. Never the reason for another refusal: a database that is away keeps nothing."""
    rows = [
        Refused(
            project=project,
            actor_name=actor.printed_name[:150],
            token_id=actor.token_id,
            request_id=actor.request_id[:64],
            status=refusal.status,
            code=refusal.code,
            sentence=taught(refusal, said)[:_TABLE_WIDTH],
        )
        for refusal, said in refused
        if refusal.status in NOTED
    ][-AT_ONCE:]
    if not rows:
        return
    try:
        with transaction.atomic():
            Refused.objects.bulk_create(rows)
            for last in Refused.objects.filter(project=project).order_by("-id").values_list("id", flat=True)[KEPT - 1 : KEPT]:
                Refused.objects.filter(project=project, id__lt=last).delete()
    except DatabaseError as error:
        log.warning("A refusal could not be noted: %s", error)


def taught(refusal: Refusal, said: Any) -> str:
    """The refusal for somebody who looks at what they sent: where it is wrong, what is expected, and what was found there instead.

    >>> taught(refusal, {"tags": "night"})
    '`tags`: Expected a list of items but got type "str". You sent the text “night”.'
    """
    placed = [finding for finding in refusal.errors if finding.pointer.startswith("/")]
    if not placed:
        return _plain(refusal.sentence)
    finding = placed[0]
    steps = [step.replace("~1", "/").replace("~0", "~") for step in finding.pointer.split("/")[1:]]
    more = f" And {len(placed) - 1} more." if len(placed) > 1 else ""
    return _plain(f"`{'.'.join(steps)}`: {finding.detail}{_sent(said, steps)}{more}")


def set_aside(entry: dict[str, Any]) -> str:
    """An entry of a quarantine in the same words."""
    return _plain(f"`{entry.get('field')}`: {entry.get('problem')} You sent {described(entry.get('value'))}.")


def described(value: Any) -> str:
    """A JSON value in a sentence, shortened."""
    if isinstance(value, str):
        return f"the text “{value[:SHOWN]}{'…' if len(value) > SHOWN else ''}”"
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, (int, float)):
        return f"the number {value}"
    return f"a list of {len(value)}" if isinstance(value, list) else "an object"


def _sent(said: Any, steps: list[str]) -> str:
    value = said
    for step in steps:
        try:
            value = value[int(step)] if isinstance(value, list) else value[step]
        except (KeyError, IndexError, ValueError, TypeError):
            return ""
    return f" You sent {described(value)}."


def _plain(text: str) -> str:
    """PostgreSQL stores no NUL, and lists show one line."""
    return "".join(character if character.isprintable() else " " for character in text)


def forget_old() -> int:
    """Delete what is older than two weeks; returns how many."""
    return Refused.objects.filter(at__lt=timezone.now() - KEPT_FOR).delete()[0]


def forget(actor: Actor, case: Case) -> None:
    """An erasure's part: notes that name the case, because they may quote its external id."""
    Refused.objects.filter(project_id=case.project_id, sentence__contains=case.key).delete()
