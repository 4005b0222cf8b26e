"""What the database itself refuses in this room's tables, and what it notes.

A version is frozen for a person with a database shell too. Entries of a number that is not a version yet may come and go: that is how a large version is
staged; the moment its row is committed the same rules make them permanent.
"""

from hardcases.audit.guards import Guard, Mark, append_only

_ENTRY = "hardcases_entry"
_NEXT = "(SELECT COALESCE(MAX(v.number), 0) + 1 FROM hardcases_version v WHERE v.test_set_id = {row}.test_set_id)"
_NEW_NEXT, _OLD_NEXT = _NEXT.format(row="NEW"), _NEXT.format(row="OLD")
_PINNED = (
    "id",
    "test_set_id",
    "case_id",
    "bucket",
    "added_in",
    "content_digest",
    "attributes_digest",
    "label_revision_id",
    "label_digest",
    "strata",
)
_FROZEN = "This entry belongs to a frozen version and is never changed or deleted."
_BLANKED = "Pinned attributes are never changed or deleted; a lawful erasure blanks salt and values together."

_TOUCH = (
    "INSERT INTO hardcases_touch (test_set_id, case_id) "
    "SELECT e.test_set_id, e.case_id FROM hardcases_entry e WHERE e.case_id = NEW.{case} AND e.removed_in IS NULL"
)

GUARDS: list[Guard | Mark] = [
    *append_only("hardcases_version", "A frozen version is never changed or deleted."),
    Guard(
        name="hardcases_version_in_order",
        table="hardcases_version",
        event="INSERT",
        sentence="Versions of a test set are numbered without gaps.",
        when=f"NEW.number <> {_NEW_NEXT}",
    ),
    Guard(
        name="hardcases_entry_insert",
        table=_ENTRY,
        event="INSERT",
        sentence="An entry can only be added to the version that is frozen next.",
        when=f"NEW.removed_in IS NOT NULL OR NEW.added_in <> {_NEW_NEXT}",
    ),
    Guard(
        name="hardcases_entry_update",
        table=_ENTRY,
        event="UPDATE",
        sentence=_FROZEN,
        when=" OR ".join(
            [
                *(f"NEW.{column} <> OLD.{column}" for column in _PINNED),
                f"(OLD.removed_in IS NOT NULL AND OLD.removed_in <> {_OLD_NEXT})",
                f"(NEW.removed_in IS NOT NULL AND NEW.removed_in <> {_OLD_NEXT})",
            ]
        ),
    ),
    Guard(name="hardcases_entry_delete", table=_ENTRY, event="DELETE", sentence=_FROZEN, when=f"OLD.added_in <> {_OLD_NEXT}"),
    Guard(name="hardcases_pinned_delete", table="hardcases_pinnedattributes", event="DELETE", sentence=_BLANKED),
    Guard(
        name="hardcases_pinned_update",
        table="hardcases_pinnedattributes",
        event="UPDATE",
        sentence=_BLANKED,
        when='NEW.id <> OLD.id OR NEW.case_id <> OLD.case_id OR NEW.digest <> OLD.digest OR NEW.salt IS NOT NULL OR NEW."values" IS NOT NULL',
    ),
    Mark(
        name="hardcases_label_touches_member",
        table="hardcases_currentlabel",
        when="NEW.revision_id <> OLD.revision_id",
        statement=_TOUCH.format(case="case_id"),
    ),
    Mark(
        name="hardcases_case_touches_member",
        table="hardcases_case",
        when="NEW.attributes <> OLD.attributes OR NEW.tags <> OLD.tags OR NEW.state <> OLD.state",
        statement=_TOUCH.format(case="id"),
    ),
]
