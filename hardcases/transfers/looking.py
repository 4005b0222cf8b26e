"""What a check sees on its way through a file, for the page where people say what its names mean."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from hardcases.cases.shapes import in_words
from hardcases.formats.classes import LONGEST_NAME
from hardcases.formats.exchange import Item
from hardcases.projects.models import Attribute, Project
from hardcases.transfers.intake import Entry
from hardcases.transfers.items import is_storable, last_part, place_of

ROWS, NAMES = 20, 100
TEXT = 80


class Looker:
    """Keeps the first rows, and every class and attribute that the project does not have."""

    def __init__(self, project: Project) -> None:
        self.classes = frozenset(project.classes)
        self.attributes = frozenset(Attribute.objects.filter(project=project).values_list("name", flat=True))
        self.rows: list[dict[str, Any]] = []
        self.unknown_classes: dict[str, int] = {}
        self.unknown_attributes: dict[str, int] = {}

    def see(self, entries: Sequence[Entry]) -> None:
        """The next entries of the file."""
        for entry in entries:
            if isinstance(entry, Item):
                if len(self.rows) < ROWS:
                    self.rows.append(_row(entry))
                _count(self.unknown_classes, (name for name in _classes(entry) if name not in self.classes))
                _count(self.unknown_attributes, (name for name in entry.attributes if name not in self.attributes))
            elif entry.unknown_class is not None:
                _count(self.unknown_classes, [entry.unknown_class] * entry.count)

    def preview(self) -> dict[str, Any]:
        """As it is stored."""
        return {"rows": self.rows, "classes": self.unknown_classes, "attributes": self.unknown_attributes}


def _count(found: dict[str, int], names: Iterable[str]) -> None:
    """Only names that a mapping may hold: what cannot be mapped is not offered."""
    for name in names:
        if name in found or (len(found) < NAMES and len(name) <= LONGEST_NAME and is_storable(name)):
            found[name] = found.get(name, 0) + 1


def _classes(item: Item) -> Iterator[str]:
    """Every class that is named anywhere in the item."""
    for said in (item.label, item.correction, item.prediction):
        if said is not None:
            yield from _named(said)


def _named(said: Mapping[str, Any]) -> Iterator[str]:
    boxes = said.get("boxes")
    named = [said.get("label"), *_list(said.get("labels")), *(box.get("label") for box in _list(boxes) if isinstance(box, dict))]
    yield from {name for name in named if isinstance(name, str)}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _row(item: Item) -> dict[str, Any]:
    names = (item.key, item.external_id, last_part(item.file) if item.file else None, item.sha256 and item.sha256[:12] + "…")
    what = "text" if item.text is not None else "record" if item.record is not None else "picture" if item.file else ""
    return {
        "place": place_of(item.place),
        "name": place_of(next((name for name in names if name), ""))[:TEXT],
        "what": what,
        "label": _words(item.label),
        "said": _words(item.prediction),
        "attributes": ", ".join(f"{name}: {value}" for name, value in item.attributes.items())[: 2 * TEXT],
        "text": (item.text or "")[:TEXT],
    }


def _words(said: Mapping[str, Any] | None) -> str:
    """What a file says need not have the shape that it ought to have."""
    try:
        return in_words(dict(said) if said else None)[:TEXT]
    except (TypeError, ValueError, KeyError, AttributeError):
        return str(said)[:TEXT]
