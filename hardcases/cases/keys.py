"""The keys people say aloud, such as XR-1061. Pure."""

MAX_DIGITS = 18
GROUP = "G"


def number_of(prefix: str, key: str) -> int | None:
    """The number in a key with this prefix, None when it is no such key."""
    before, _, digits = key.rpartition("-")
    if before != prefix or not digits.isascii() or not digits.isdigit() or len(digits) > MAX_DIGITS:
        return None
    return int(digits)


def group_key(number: int | None) -> str | None:
    """The name of a project's group, such as G-204; None for no group."""
    return f"{GROUP}-{number}" if number else None
