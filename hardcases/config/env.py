"""What the environment says, checked before anything starts.

A wrong value, a missing one, or a name that starts with HARDCASES_ and means nothing stops the start with a sentence: a misspelt setting that is silently
ignored is found at the worst moment.
"""

import ipaddress
import os
import secrets
import stat
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

KNOWN = {
    "HARDCASES_BIND",
    "HARDCASES_DATA_DIR",
    "HARDCASES_DEBUG",
    "HARDCASES_LEASE_SECONDS",
    "HARDCASES_LIMIT_PROJECT_BYTES",
    "HARDCASES_LIMIT_PROJECT_REQUESTS",
    "HARDCASES_LIMIT_TOKEN_BYTES",
    "HARDCASES_LIMIT_TOKEN_REQUESTS",
    "HARDCASES_OUTBOUND_ALLOW",
    "HARDCASES_PAUSE_AT",
    "HARDCASES_PUBLIC_URL",
    "HARDCASES_S3_BUCKET",
    "HARDCASES_TRUSTED_PROXIES",
    # The client's own settings may stand in the same environment; the server ignores them.
    "HARDCASES_PROJECT",
    "HARDCASES_TOKEN",
    "HARDCASES_URL",
}
PLACEHOLDER_KEYS = ("changeme", "change-me", "secret", "insecure", "django-insecure")
MINIMUM_KEY_LENGTH = 32


def refuse_unknown_names(environ: dict[str, str]) -> None:
    """Stop on a HARDCASES_ name that no setting has."""
    unknown = sorted(name for name in environ if name.startswith("HARDCASES_") and name not in KNOWN)
    if unknown:
        known = ", ".join(sorted(KNOWN))
        raise ImproperlyConfigured(f"{', '.join(unknown)} is not a setting of Hardcases. Correct the name or remove it. Known: {known}.")


def data_dir(environ: dict[str, str]) -> Path:
    """The folder for the embedded database, blobs and the secret key: made if absent, refused if others may read it."""
    folder = Path(environ.get("HARDCASES_DATA_DIR") or "var").resolve()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ImproperlyConfigured(
            f"HARDCASES_DATA_DIR={folder} cannot be made or opened ({error.strerror}). Name a folder you may write to."
        ) from error
    if folder.stat().st_mode & (stat.S_IRWXO):
        raise ImproperlyConfigured(f"The data directory {folder} can be read by every user of this machine. Run: chmod 700 {folder}")
    return folder


def secret_key(environ: dict[str, str], folder: Path) -> str:
    """SECRET_KEY from the environment, else the installation's own random key, kept in the data directory with mode 0600."""
    given = environ.get("SECRET_KEY")
    if given is not None:
        if len(given) < MINIMUM_KEY_LENGTH or given.lower().startswith(PLACEHOLDER_KEYS):
            raise ImproperlyConfigured(
                f"SECRET_KEY is a placeholder or shorter than {MINIMUM_KEY_LENGTH} characters, so sessions could be forged. "
                "Set a long random value, or remove the setting and one is made and kept in the data directory."
            )
        return given
    path = folder / "secret_key"
    if not path.exists():
        draft = folder / f".secret_key.{secrets.token_hex(8)}"
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(64), encoding="ascii")
        try:
            os.link(draft, path)  # atomic: of several first starts, one key wins
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text(encoding="ascii").strip()


def bind(environ: dict[str, str]) -> tuple[str, int]:
    """HARDCASES_BIND as host and port."""
    value = environ.get("HARDCASES_BIND") or "127.0.0.1:8000"
    host, _, port = value.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise ImproperlyConfigured(f"HARDCASES_BIND={value} is not host:port, for example 127.0.0.1:8000.")
    return host.strip("[]"), int(port)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the host name or address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def public_url(environ: dict[str, str], host: str, port: int) -> str:
    """The address people use, without a trailing slash."""
    value = (environ.get("HARDCASES_PUBLIC_URL") or f"http://{host}:{port}").rstrip("/")
    parts = urlsplit(value)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.username:
        raise ImproperlyConfigured(f"HARDCASES_PUBLIC_URL={value} is not an address such as https://hardcases.example.org.")
    return value


def flag(environ: dict[str, str], name: str) -> bool:
    """A yes/no setting."""
    value = environ.get(name, "").lower()
    if value in {"", "0", "false", "no"}:
        return False
    if value in {"1", "true", "yes"}:
        return True
    raise ImproperlyConfigured(f"{name}={value} is neither yes nor no.")


def positive(environ: dict[str, str], name: str, default: float) -> float:
    """A number above zero."""
    value = environ.get(name)
    if not value:
        return default
    try:
        number = float(value)
    except ValueError:
        number = 0.0
    if not 0 < number < 86_400:
        raise ImproperlyConfigured(f"{name}={value} is not a number of seconds above 0.")
    return number


def whole(environ: dict[str, str], name: str, default: int) -> int:
    """A whole number above zero."""
    value = environ.get(name)
    if not value:
        return default
    if not value.isascii() or not value.isdigit() or not 0 < int(value) < 2**53:
        raise ImproperlyConfigured(f"{name}={value} is not a whole number above 0.")
    return int(value)


def names(environ: dict[str, str], name: str) -> list[str]:
    """A comma-separated list."""
    return [part.strip() for part in environ.get(name, "").split(",") if part.strip()]
