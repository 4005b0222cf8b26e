"""What the database itself keeps right in this room's tables: how many cases of a group wait, whoever decides one of them."""

from hardcases.audit.guards import Guard, Mark


def _is(row: str, state: str) -> str:
    return f"(CASE {row}.state WHEN '{state}' THEN 1 ELSE 0 END)"


def _counted(column: str, state: str) -> str:
    """Never below zero: a count that went wrong, which `manage.py verify` finds, must not keep anybody from deciding."""
    changed = f"{column} + {_is('NEW', state)} - {_is('OLD', state)}"
    return f"(CASE WHEN {changed} < 0 THEN 0 ELSE {changed} END)"


# A group whose last waiting case is decided has not come back any more; one in which nothing waited waits since this case was received.
_COUNT = f"""UPDATE hardcases_group SET
  waiting = {_counted("waiting", "inbox")},
  snoozed = {_counted("snoozed", "snoozed")},
  came_back = CASE WHEN {_counted("waiting", "inbox")} = 0 THEN false ELSE came_back END,
  waiting_since = CASE WHEN NEW.state = 'inbox' AND (waiting = 0 OR NEW.received_at < waiting_since) THEN NEW.received_at ELSE waiting_since END
  WHERE project_id = NEW.project_id AND number = NEW.group_number"""  # noqa: S608  # nosec B608 - nothing in it comes from outside

GUARDS: list[Guard | Mark] = [
    Mark(
        name="hardcases_case_counts_in_group",
        table="hardcases_case",
        when="NEW.state <> OLD.state AND NEW.group_number = OLD.group_number",
        statement=_COUNT,
    )
]
