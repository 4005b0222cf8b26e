"""What the database itself refuses in this room's tables."""

from hardcases.audit.guards import Guard

_TABLE = "hardcases_labelrevision"
_FIXED = ("id", "case_id", "number", "label", "digest", "author_id", "author_name", "at")
_ONLY_THE_NOTE_GOES = " OR ".join(["NEW.note <> ''", *(f"NEW.{column} <> OLD.{column}" for column in _FIXED)])

GUARDS: list[Guard] = [
    Guard(name=f"{_TABLE}_no_delete", table=_TABLE, event="DELETE", sentence="Label revisions are never deleted."),
    Guard(
        name=f"{_TABLE}_no_update",
        table=_TABLE,
        event="UPDATE",
        sentence="Label revisions are never changed; only a lawful erasure blanks their notes.",
        when=_ONLY_THE_NOTE_GOES,
    ),
]
