"""Recording an act. Called inside the transaction of the act itself, so that neither exists without the other."""

from typing import Any

from hardcases.audit.actors import Actor
from hardcases.audit.models import AuditEvent
from hardcases.database.inserting import insert


def event(
    actor: Actor,
    action: str,
    object_type: str,
    object_id: object,
    *,
    project_id: int | None = None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> AuditEvent:
    """The unsaved row for one act; `record` saves one, bulk actions collect many."""
    return AuditEvent(
        actor_kind=actor.kind,
        actor_id=actor.user_id,
        actor_name=actor.name,
        token_id=actor.token_id,
        project_id=project_id,
        action=action,
        object_type=object_type,
        object_id=str(object_id),
        before=before,
        after=after,
        request_id=actor.request_id,
        address=actor.address,
    )


def record(
    actor: Actor,
    action: str,
    object_type: str,
    object_id: object,
    *,
    project_id: int | None = None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> AuditEvent:
    """Write one act. `action` is a stored code such as `case.accepted`; sentences are made from it when it is read."""
    row = event(actor, action, object_type, object_id, project_id=project_id, before=before, after=after)
    insert([row])
    return row
