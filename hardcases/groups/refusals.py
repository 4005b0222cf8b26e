"""What this room refuses, as sentences."""

from hardcases.errors import Conflict, Invalid


class NothingWaits(Conflict):
    code, title = "nothing_waits", "No case of this group waits any more"

    def __init__(self, key: str) -> None:
        super().__init__(f"No case of {key} waits for a decision any more: somebody else decided meanwhile. Nothing was changed.")


class GroupBusy(Conflict):
    code, title = "group_busy", "Another act on this group is still being carried out"

    def __init__(self, key: str) -> None:
        super().__init__(
            f"What was done with {key} before is still being carried out. Nothing was changed. Try again in a minute.", retry_after=30
        )


class MergedAway(Conflict):
    code, title = "merged", "This group was merged into another one"

    def __init__(self, key: str, into: str) -> None:
        super().__init__(f"{key} was merged into {into}. Nothing was changed. Use {into}.", extra={"into": into})


class SameGroup(Invalid):
    code, title = "same_group", "A group cannot be merged with itself"

    def __init__(self, key: str) -> None:
        super().__init__(f"{key} is the group itself. Nothing was changed. Choose another one.")


class NotInGroup(Conflict):
    code, title = "not_in_group", "A case is not in this group"

    def __init__(self, case: str, group: str) -> None:
        super().__init__(f"{case} is not in {group}, or not any more. Nothing was changed. Reload the group and look again.")


class WholeGroup(Invalid):
    code, title = "whole_group", "Nothing would be left of the group"

    def __init__(self, key: str) -> None:
        super().__init__(
            f"These are all the cases of {key}, so nothing would be split. Nothing was changed. Leave at least one, or merge the group."
        )
