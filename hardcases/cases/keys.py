"""The keys people say aloud, such as XR-1061. Pure."""

MAX_DIGITS = 18


def number_of(prefix: str, key: str) -> int | None:
    """The number in a key with this prefix, None when it is no such key."""
    before, _, digits = key.rpartition("-")
    if before != prefix or not digits.isascii() or not digits.isdigit() or len(digits) > MAX_DIGITS:
        return None
    return int(digits)
