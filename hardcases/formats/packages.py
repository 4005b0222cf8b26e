"""Opens what was uploaded as a `Package`: an archive after it was found safe, a folder, or one file alone. Nothing is ever unpacked to disk.

Names within an archive are texts: they are compared and shown, never used as paths.
"""

import io
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from hardcases.errors import Invalid
from hardcases.formats.archives import Archive, Limits, UnsafeArchive, is_side_file
from hardcases.formats.exchange import Finding, Package
from hardcases.formats.rows import shown

__all__ = ["Archive", "Folder", "Limits", "Lookup", "Single", "UnsafeArchive", "open_package", "problems"]

_MANY = 1_000  # files with the same last part; comparing each name with each file would take a hostile package for ever
_ZIP_STARTS = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")


class Single:
    """One file alone, under the name it was sent with."""

    problems: Sequence[Finding] = ()

    def __init__(self, source: Path | IO[bytes], name: str) -> None:
        """`source` is a path, or a binary file that can seek and stays open as long as the package is used."""
        self._source, self._name = source, name

    def names(self) -> Sequence[str]:
        return (self._name,)

    def open(self, name: str) -> IO[bytes]:
        if name != self._name:
            raise KeyError(name)
        if isinstance(self._source, Path):
            return self._source.open("rb")
        return io.BufferedReader(_View(self._source), 2**16)


class Folder:
    """A folder on this machine, for the command line and tests; links in it are refused."""

    problems: Sequence[Finding] = ()

    def __init__(self, root: Path) -> None:
        self._files = {path.relative_to(root).as_posix(): path for path in sorted(root.rglob("*")) if path.is_symlink() or path.is_file()}
        for name, path in self._files.items():
            if path.is_symlink():
                raise UnsafeArchive(f"{shown(name)} is a link, not a file. Nothing was read. Put the file itself there.")
        self._files = {name: path for name, path in self._files.items() if not is_side_file(name)}

    def names(self) -> Sequence[str]:
        return tuple(self._files)

    def open(self, name: str) -> IO[bytes]:
        return self._files[name].open("rb")


class _View(io.RawIOBase):
    """A shared file read from a position of its own, so that a package can hand the same file out several times."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source, self._position = source, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position}.get(whence)
        self._position = self._source.seek(0, io.SEEK_END) + offset if start is None else start + offset
        return self._position

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # any writable buffer
        self._source.seek(self._position)
        data = self._source.read(len(buffer))
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


@contextmanager
def open_package(source: Path | IO[bytes], *, name: str, limits: Limits | None = None) -> Iterator[Package]:
    """The package that was uploaded as `name`: an archive if its bytes begin one (whatever its name says), else the file itself.

    `source` is a path, or a binary file that can seek. Raises `UnsafeArchive` (422) where an archive is refused as a whole, with a sentence.
    """
    with source.open("rb") if isinstance(source, Path) else _kept_open(source) as file:
        file.seek(0)
        start = file.read(4)
        if start not in _ZIP_STARTS:
            yield Single(file, name)
            return
        with Archive(file, limits or Limits()) as archive:
            yield archive


@contextmanager
def _kept_open(file: IO[bytes]) -> Iterator[IO[bytes]]:
    yield file


def problems(package: Package) -> Sequence[Finding]:
    """What was found when the package was opened, such as a name that occurs twice. Empty for packages of other makers."""
    return getattr(package, "problems", ())


class Lookup:
    """Finds the member that a foreign file means by a name, which is often written from another folder than the one it lies in.

    Tried in this order: the name itself, the name seen from the folder `base`, the one member whose path ends with the name, the one member with the same
    last part; a file alone means nothing but itself. Unicode forms are equal (a Mac writes ä as two characters). Endings and case are never ignored: a.jpg and
    a.png are two pictures.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._names = frozenset(names)
        self._exact: dict[str, str] = {}
        self._ends: dict[str, list[str]] = {}
        for name in names:
            plain = _plain(name)
            self._exact.setdefault(plain, name)
            self._ends.setdefault(plain.rpartition("/")[2], []).append(name)

    def find(self, name: str, base: str = "") -> str | None:
        """The member meant, None where there is none. Raises `AmbiguousError` where several could be meant."""
        if len(self._names) == 1 or name in self._names:
            return name if name in self._names else None
        plain = _plain(name)
        for candidate in (plain, _plain(f"{base}/{name}")):
            if candidate in self._exact:
                return self._exact[candidate]
        same_last = self._ends.get(plain.rpartition("/")[2], [])
        if len(same_last) > _MANY:
            raise AmbiguousError(f"{shown(name)} could be any of {len(same_last):,} files.")
        longer = [member for member in same_last if _plain(member).endswith("/" + plain)]
        found = longer or same_last
        if len(found) > 1:
            raise AmbiguousError(f"{shown(name)} could be {shown(found[0])} or {shown(found[1])}.")
        return found[0] if found else None


class AmbiguousError(ValueError):
    """Several members could be meant; the text says which."""


def _plain(name: str) -> str:
    parts: list[str] = []
    for part in unicodedata.normalize("NFC", name).replace("\\", "/").split("/"):
        if part == ".." and parts:
            parts.pop()
        elif part not in {"", ".", ".."}:
            parts.append(part)
    return "/".join(parts)


def only_member(package: Package, suffixes: Sequence[str], wanted: object = None) -> str:
    """The one member with one of the endings, or the one that the mapping names. Raises `Invalid` where there is none or more than one."""
    names = package.names()
    if wanted is not None:
        if isinstance(wanted, str) and wanted in names:
            return wanted
        raise Invalid(f"The package holds no file {shown(str(wanted))}. Nothing was imported. Name one that is in it.")
    if len(names) == 1:
        return names[0]
    found = [name for name in names if name.lower().endswith(tuple(suffixes))]
    if len(found) == 1:
        return found[0]
    kinds = ", ".join(suffixes)
    if not found:
        raise Invalid(f"The package holds no file that ends with {kinds}. Nothing was imported. Check the format that was named.")
    raise Invalid(
        f"The package holds {len(found):,} files that end with {kinds}, such as {shown(found[0])} and {shown(found[1])}. Nothing was imported. "
        "Say which to read with “member” in the mapping."
    )
