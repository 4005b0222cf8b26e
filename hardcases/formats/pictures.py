"""The pictures of a package: which member a file's name means, and how large it is upright, read from its first bytes only."""

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import IO

from PIL import Image

from hardcases.errors import Refusal
from hardcases.formats.exchange import Finding, Item, Media, Package
from hardcases.formats.packages import AmbiguousError, Lookup
from hardcases.formats.tally import Tally

ENDINGS = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".dcm")
_DECODERS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF")
_ORIENTATION = 274


class PackedPictures:
    """Finds the pictures that items name among the members of their package."""

    def __init__(self, package: Package, base: str = "") -> None:
        """`base` is the folder of the file that names them."""
        self._package, self._base = package, base
        self._lookup = Lookup(package.names())
        self._tally = Tally()
        self._used: set[str] = set()

    def found(self, item: Item) -> Item | Finding:
        """The item with the member's own name as its `file`. A picture that is not packed leaves an item that can only speak of a case that is known already:
        by its other names where it has some, else by the name of the file, which then stays as it was written.
        """
        if item.file is None:
            return item
        try:
            member = self._lookup.find(item.file, self._base)
        except AmbiguousError as error:
            return Finding(place=item.place, problem=f"{error} It was not imported.")
        if member is not None:
            self._used.add(member)
            return with_file(item, member)
        if item.key or item.sha256 or item.external_id:
            self._tally.add(item.place, "The picture is not in the package, so this can only add to a case that is known already.")
            return with_file(item, None)
        return item

    def end(self) -> Iterator[Finding]:
        """What was met many times, once for each kind; and pictures that nothing named."""
        tell_unnamed(self._package, self._used, self._tally)
        return self._tally.findings()


def tell_unnamed(package: Package, used: Collection[str], tally: Tally) -> None:
    """Say how many pictures of a package no item names: whoever packed them expects them to be imported."""
    for name in package.names():
        if name not in used and is_picture(name):
            tally.add(name, "No row that could be used names this picture of the package, so it was not imported.")


def upright_size_of(package: Package, member: str) -> tuple[int, int] | None:
    """Width and height of the upright picture in pixels; None where its beginning cannot be read."""
    try:
        with package.open(member) as file:
            return upright_size(file)
    except (KeyError, Refusal):
        return None


def with_file(item: Item, name: str | None) -> Item:
    """The item with another name of its picture. Like `dataclasses.replace`, which takes a good part of a reader's time."""
    changed = object.__new__(Item)
    changed.__dict__.update(item.__dict__, file=name)
    return changed


def with_size(item: Item, media: Media | None) -> Item:
    """The item with the size of its picture, which is looked up where it is not known and there is `media`."""
    if media is None or (item.width and item.height):
        return item
    with media(item) as file:
        size = upright_size(file)
    return item if size is None else replace(item, width=size[0], height=size[1])


def upright_size(file: IO[bytes]) -> tuple[int, int] | None:
    """Width and height after the turn that its EXIF block asks for. Nothing is decoded; None for what is no picture we take."""
    try:
        with Image.open(file, formats=_DECODERS) as picture:
            # Of a TIFF Pillow tells the upright size from the start.
            turned = picture.format != "TIFF" and picture.getexif().get(_ORIENTATION) in {5, 6, 7, 8}
            width, height = picture.size
    except Refusal:
        raise
    except Exception:  # Pillow raises nearly everything on bytes that only look like a picture
        return None
    return (height, width) if turned else (width, height)


def is_picture(name: str) -> bool:
    """By its ending only; whether it is one, the intake decides by its bytes."""
    return name.lower().endswith(ENDINGS)


def bare_name(name: str) -> str:
    """The last part of a path in the package without its ending."""
    return name.rpartition("/")[2].rpartition(".")[0]
