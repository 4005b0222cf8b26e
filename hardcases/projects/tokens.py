"""The form of an API token: `hc_`, 30 random characters, 6 of checksum. Pure."""

import hashlib
import secrets
import string
import zlib

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
BODY, CHECK = 30, 6
SHOWN = 9  # how much of it lists show: enough to tell tokens apart, too little to guess the rest


def _base62(number: int, width: int) -> str:
    out = ""
    for _ in range(width):
        number, digit = divmod(number, 62)
        out = ALPHABET[digit] + out
    return out


def make() -> str:
    """A fresh token. It is shown once and never stored."""
    body = "".join(secrets.choice(ALPHABET) for _ in range(BODY))
    return f"hc_{body}{_base62(zlib.crc32(body.encode()), CHECK)}"


def well_formed(token: str) -> bool:
    """Whether the checksum fits: a mistyped token is refused without asking the database, and a leaked one is found by scanners."""
    if not token.startswith("hc_") or len(token) != 3 + BODY + CHECK or not token.isascii():
        return False
    body, check = token[3 : 3 + BODY], token[3 + BODY :]
    return _base62(zlib.crc32(body.encode()), CHECK) == check


def digest(token: str) -> str:
    """What is stored instead of the token. 178 bits of randomness need no slow hash."""
    return hashlib.sha256(token.encode()).hexdigest()
