"""What every foreign format is read into and written from: one `Item` a case, and findings that name their place in the file. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any, Protocol


@dataclass(frozen=True, kw_only=True)
class Item:
    """One case as a foreign file tells it. Labels and predictions have the shapes of the API for the project's task; boxes are in pixels of the upright picture.

    One of `file`, `text`, `record` is its content; a file that only labels known cases has none and names the case by `external_id`, `key` or `sha256`.
    """

    place: str  # where it stands, for the report: `images/17`, `rows/3`, `a.txt`
    external_id: str | None = None
    key: str | None = None  # `XR-1061`, in files that we wrote
    sha256: str | None = None  # of the content, in files that carry it
    file: str | None = None  # the picture's name within the package
    width: int | None = None  # as the file says, in pixels
    height: int | None = None
    text: str | None = None
    record: Mapping[str, Any] | None = None
    captured_at: str | None = None
    reason: str = ""
    source: str = ""
    model: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    tags: Sequence[str] = ()
    prediction: Mapping[str, Any] | None = None
    correction: Mapping[str, Any] | None = None
    label: Mapping[str, Any] | None = None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something in a file that could not be used. `lost`: the item it stood in is not imported; else only the named part is left out."""

    place: str
    problem: str
    lost: bool = True
    count: int = 1  # in how many places; `place` is the first of them
    unknown_class: str | None = (
        None  # the name of a class that the project does not have and a mapping could explain, where that is the problem
    )


class Package(Protocol):
    """An archive that was opened safely, a folder, or one file alone: names within it, and their bytes."""

    def names(self) -> Sequence[str]:
        """Every member, side files left out, in the order of the package. Names are texts, never used as paths."""

    def open(self, name: str) -> IO[bytes]:
        """Raises KeyError where there is no such member."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a reader needs to know of the project, and how the person mapped the file's names to the project's.

    `mapping`: format-specific names to ours, such as `{"columns": {"site_id": "attributes.site"}, "classes": {"Nodule": "nodule"}}`.
    """

    task: str
    classes: Sequence[str]
    attributes: Sequence[str] = ()
    categories: Sequence[str] = ()  # those of the attributes whose values are texts, whatever they look like
    mapping: Mapping[str, Any] = field(default_factory=dict)
    about: Mapping[str, Any] = field(
        default_factory=dict
    )  # for writers, of the whole: name, description, license, url, creator, version, semantic_version, digest, published


Reader = Callable[[Package, Options], Iterator[Item | Finding]]
Media = Callable[[Item], IO[bytes]]
"""Opens the bytes of an item's picture when they are wanted."""
Writer = Callable[[Iterable[Item], IO[bytes], Options, Media | None], None]
"""Writes a whole export; without `Media` no pictures are packed, only named."""
