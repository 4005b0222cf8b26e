"""What this room refuses, and in which words."""

from collections.abc import Sequence

from hardcases.errors import Conflict, Detail, Invalid

LISTED = 100  # a refusal names so many; it says how many there are


class Unlabelled(Conflict):
    code, title = "unlabelled", "Some cases have no label"

    def __init__(self, keys: Sequence[str], total: int) -> None:
        errors = [Detail(pointer=f"/cases/{key}", detail=f"{key} has no label.") for key in keys]
        super().__init__(
            f"{total:,} of the cases to be frozen have no label, the first of them {keys[0]}. Nothing was frozen. Label them or remove them from the draft.",
            errors=errors,
            extra={"unlabelled": total},
        )


class NothingToFreeze(Conflict):
    code, title = "nothing_to_freeze", "The draft is the same as the last version"

    def __init__(self) -> None:
        super().__init__("Nothing differs from the last version, so no version was made. Add or remove cases first.")


class BeingFrozen(Conflict):
    code, title = "being_frozen", "The draft is being frozen"

    def __init__(self, number: int) -> None:
        super().__init__(
            f"Version {number} is being frozen, so the draft stands still. Nothing was changed. Try again in a minute.", retry_after=60
        )


class TooLargeAtOnce(Conflict):
    code, title = "too_large_at_once", "The draft is too large to freeze while somebody waits"

    def __init__(self, changes: int) -> None:
        super().__init__(f"The draft holds {changes:,} changes. Nothing was frozen. Freeze it in the background.")


class SlugTaken(Conflict):
    code, title = "slug_taken", "The slug is taken"

    def __init__(self, slug: str) -> None:
        super().__init__(f"There is already something called {slug} here. Nothing was created. Choose another slug.")


class MovingRule(Invalid):
    code, title = "moving_rule", "The rule of a stratum must not move with the clock"

    def __init__(self, term: str) -> None:
        super().__init__(
            f"The rule holds {term}, whose meaning changes with the time or with other rules. Nothing was created. Name dates, labels or attributes."
        )
