"""Where the server is and who asks: arguments, then the environment, then `.hardcases.toml`."""

import os
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

FILE = ".hardcases.toml"
_NAMES = ("url", "token", "project")


class SettingsError(Exception):
    """A setting is missing or unreadable; the message says which, and how to give it."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    url: str
    token: str = field(repr=False)
    project: str


def find(url: str | None = None, token: str | None = None, project: str | None = None, *, folder: Path | None = None) -> Settings:
    """Each setting from its argument, else `HARDCASES_URL/TOKEN/PROJECT`, else the nearest `.hardcases.toml` at or above `folder`.

    A file lies in a folder that may be somebody else's, a checkout for example: it may not say where a token goes that it did not
    bring itself. Raises `SettingsError` for that, if a setting is nowhere, or if the file cannot be read.
    """
    given = {"url": url, "token": token, "project": project}
    stored: dict[str, str] | None = None
    found: dict[str, str] = {}
    from_file: set[str] = set()
    for name in _NAMES:
        value = given[name] or os.environ.get(f"HARDCASES_{name.upper()}")
        if not value:
            stored = _stored(folder or Path.cwd()) if stored is None else stored
            value = stored.get(name)
            from_file.add(name)
        if not value:
            raise SettingsError(f'The {name} is not set. Set HARDCASES_{name.upper()}, or write {name} = "…" into {FILE}.')
        found[name] = value
    if "url" in from_file and "token" not in from_file:
        raise SettingsError(
            f"The url comes from {FILE}, but the token does not, so the file decides who receives your token. Nothing was sent. "
            "Give the url as --url or HARDCASES_URL as well, or write the token into the same file."
        )
    if not found["url"].startswith(("http://", "https://")):
        raise SettingsError(f"The url {found['url']!r} must begin with http:// or https://.")
    return Settings(url=found["url"], token=found["token"], project=found["project"])


def _stored(folder: Path) -> dict[str, str]:
    for place in (folder.resolve(), *folder.resolve().parents):
        file = place / FILE
        if file.is_file():
            try:
                content = tomllib.loads(file.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise SettingsError(f"{file} could not be read: {error}. Correct it, or set the environment variables.") from error
            return {name: value for name, value in content.items() if name in _NAMES and isinstance(value, str)}
    return {}
