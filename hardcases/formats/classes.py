"""The names of a foreign file's classes, turned into the project's: by the mapping that a person gave, else by being equal. Never by being similar."""

from collections.abc import Mapping
from typing import Any, cast

from hardcases.errors import Invalid
from hardcases.formats.exchange import Options
from hardcases.formats.rows import shown

LONGEST_NAME = 500  # characters of a name that a mapping may hold


class UnknownClassError(ValueError):
    """The project has no class of this name; the text is a sentence. `name` is None where it is longer than a mapping may hold."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{shown(name)} is no class of the project. Map it to a class, or to null to leave it out.")
        self.name = name if len(name) <= LONGEST_NAME else None


class Classes:
    """`mapping` of `Options` under “classes”: a foreign name to a class, or to null where it is to be left out."""

    def __init__(self, options: Options) -> None:
        """Raises `Invalid` where the mapping is no object of texts, or leads to a class that the project does not have."""
        self._known = frozenset(options.classes)
        self.mapping: Mapping[str, Any] = part(options, "classes")
        for name, target in self.mapping.items():
            if target is not None and (not isinstance(target, str) or target not in self._known):
                raise Invalid(
                    f"The mapping turns {shown(name)} into {shown(str(target))}, which is no class of the project. Nothing was imported. Correct the mapping."
                )

    def of(self, name: str) -> str | None:
        """The project's class, or None where the name is to be left out. Raises `UnknownClassError`."""
        if name in self.mapping:
            return cast("str | None", self.mapping[name])
        if name in self._known:
            return name
        raise UnknownClassError(name)

    def renamed(self, name: Any) -> Any:
        """As a model said it: mapped where it is mapped, else unchanged, so that the intake can set aside what the project does not know."""
        mapped = self.mapping.get(name) if isinstance(name, str) else None
        return name if mapped is None else mapped

    def leaves_out(self, name: Any) -> bool:
        """Whether the mapping turns the name into null."""
        return isinstance(name, str) and name in self.mapping and self.mapping[name] is None


def part(options: Options, name: str) -> Mapping[str, Any]:
    """An object within the mapping, empty where it is not given. Raises `Invalid` where it is something else."""
    value = options.mapping.get(name, {})
    if not isinstance(value, Mapping):
        raise Invalid(f"In the mapping, “{name}” is an object of names. Nothing was imported. Correct the mapping.")
    return value
