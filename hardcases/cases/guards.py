"""What the database itself refuses in this room's tables."""

from hardcases.audit.guards import Guard

GUARDS: list[Guard] = [
    # Frozen versions pin a case, not its chance: that it is final is what makes figures weighted by it those of the version.
    Guard(
        name="hardcases_case_chance",
        table="hardcases_case",
        event="UPDATE",
        sentence="The chance with which a case was kept is final the moment it is kept.",
        when="NEW.selection_probability IS DISTINCT FROM OLD.selection_probability",
    ),
]
