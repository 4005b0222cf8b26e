"""Reading a document that somebody sent, so that one answer names everything that is wrong with it.

read = Reader()
name = read.text(body.get("name"), ("name",), 200)
read.refuse_if_any(PolicyRefused)
"""

import math
from collections.abc import Collection, Mapping
from typing import Any

from hardcases.errors import Detail, Refusal
from hardcases.web.json_edge import pointer

Path = tuple[str | int, ...]


class Reader:
    """Collects findings while it reads. A method that finds something wrong notes it and returns a harmless value of the right type."""

    def __init__(self) -> None:
        self.found: list[Detail] = []

    def wrong(self, path: Path, sentence: str) -> None:
        """Note a finding."""
        self.found.append(Detail(pointer=pointer(*path), detail=sentence))

    def integer(self, value: Any, path: Path, low: int, high: int) -> int:
        """A whole number within bounds."""
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            self.wrong(path, f"This must be a whole number from {low:,} to {high:,}.")
            return low
        return value

    def number(self, value: Any, path: Path, low: float = -math.inf, high: float = math.inf) -> float:
        """A finite number within bounds."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or not low <= value <= high:
            bounds = "" if math.isinf(low) and math.isinf(high) else f" from {low:g} to {high:g}"
            self.wrong(path, f"This must be a finite number{bounds}.")
            return 0.0 if math.isinf(low) else low
        return float(value)

    def choice(self, value: Any, path: Path, allowed: Collection[str]) -> str:
        """One of a few words."""
        if not isinstance(value, str) or value not in allowed:
            self.wrong(path, f"This must be one of {', '.join(allowed)}.")
            return next(iter(allowed))
        return value

    def text(self, value: Any, path: Path, longest: int) -> str:
        """A text that says something."""
        if not isinstance(value, str) or not value.strip() or len(value) > longest:
            self.wrong(path, f"This must be a text of 1 to {longest:,} characters.")
            return ""
        return value

    def flag(self, value: Any, path: Path) -> bool:
        """True or false."""
        if not isinstance(value, bool):
            self.wrong(path, "This must be true or false.")
            return False
        return value

    def mapping(self, value: Any, path: Path) -> dict[str, Any]:
        """An object."""
        if not isinstance(value, Mapping):
            self.wrong(path, "This must be an object.")
            return {}
        return dict(value)

    def sequence(self, value: Any, path: Path, least: int, most: int) -> list[Any]:
        """A list of a permitted length."""
        if not isinstance(value, list) or not least <= len(value) <= most:
            self.wrong(path, f"This must be a list of {least:,} to {most:,} items.")
            return []
        return value

    def fields(self, value: Mapping[str, Any], path: Path, known: Collection[str]) -> None:
        """Note every field that has no meaning here."""
        for name in sorted(set(value) - set(known)):
            self.wrong((*path, name), f"This field is not known here. Known: {', '.join(sorted(known))}.")

    def refuse_if_any(self, refusal: type[Refusal]) -> None:
        """Raise `refusal` with every finding, if there is one."""
        if self.found:
            first = self.found[0]
            raise refusal(f"{first.pointer or 'The document'}: {first.detail} Nothing was stored.", errors=self.found)
