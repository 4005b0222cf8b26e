"""What the database itself refuses in this room's tables."""

from hardcases.audit.guards import Guard

GUARDS: list[Guard] = []
