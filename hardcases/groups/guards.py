"""What the database itself keeps right in this room's tables: how many cases of a group wait, whoever decides one of them."""

from hardcases.audit.guards import Guard, Mark


def _is(row: str, state: str) -> str:
    return f"(CASE {row}.state WHEN '{state}' THEN 1 ELSE 0 END)"


def _change(state: str) -> str:
    return f"{_is('NEW', state)} - {_is('OLD', state)}"


_STILL = f"waiting + {_change('inbox')}"
# A group whose last waiting case is decided has not come back any more; one that had nothing to wait for waits since this case was received.
_COUNT = f"""UPDATE hardcases_group SET
  waiting = {_STILL},
  snoozed = snoozed + {_change("snoozed")},
  came_back = CASE WHEN {_STILL} = 0 THEN false ELSE came_back END,
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
