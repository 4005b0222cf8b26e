"""A zip archive that was looked through before anything in it is read, and whose members are counted while they are read.

An archive is refused whole if anybody could have meant harm by it: links, devices, names that climb out, more than it says. A member that is only damaged is
found when it is read and concerns itself alone.
"""

import io
import stat
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Self, TypeVar

from hardcases.errors import Invalid
from hardcases.formats.exchange import Finding
from hardcases.formats.rows import shown

_T = TypeVar("_T")
_ENTRY = struct.Struct("<4s24x3H12x")  # of the central directory: its mark, and the lengths of name, extra field and comment
_END = struct.Struct("<4s4H2LH")
_END64_LOCATOR = struct.Struct("<4sLQL")
_END64 = struct.Struct("<4sQ2H2L4Q")
_SMALL = 2**20  # a member up to this size may be as compressible as it likes: an empty picture is
_SIDE_NAMES = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})


class UnsafeArchive(Invalid):
    """The archive as a whole is not read."""

    code, title = "unsafe_archive", "The archive was refused"


class DamagedMember(Invalid):
    """One member of a safe archive cannot be read."""

    code, title = "damaged_member", "A file in the archive cannot be read"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Of an archive: `entries` in it, `size` in bytes after unpacking, and `ratio` of unpacked to packed bytes (of the whole, and of members over 1 MB)."""

    entries: int = 200_000
    size: int = 20 * 2**30
    ratio: int = 100


class Archive:
    """A zip archive as a `Package`. `problems` tells of names that occur twice; none of those members can be read, as nobody can tell which was meant."""

    def __init__(self, file: IO[bytes], limits: Limits) -> None:
        """Raises `UnsafeArchive`. The file must be able to seek and stays open as long as the archive is used."""
        self._limits = limits
        size = file.seek(0, io.SEEK_END)
        _count_entries(file, size, limits.entries)
        self._zip = _opened(file)
        try:
            members = [member for member in self._zip.infolist() if not member.is_dir()]
            for member in self._zip.infolist():
                _refuse_unsafe(member, limits)
            _refuse_too_large(members, size, limits)
        except BaseException:
            self._zip.close()
            raise
        members = [member for member in members if not is_side_file(member.filename)]
        often = Counter(member.filename for member in members)
        self._members = {member.filename: member for member in members if often[member.filename] == 1}
        self.problems: Sequence[Finding] = [
            Finding(
                place=name, problem=f"The archive holds {count} files of this name. None was read, because it is not known which is meant."
            )
            for name, count in often.items()
            if count > 1
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._zip.close()

    def names(self) -> Sequence[str]:
        return tuple(self._members)

    def open(self, name: str) -> IO[bytes]:
        """Raises KeyError where there is no such member and `DamagedMember` where it cannot be read; so may every read."""
        member = self._members[name]
        opened = _guarded(name, lambda: self._zip.open(member))
        return io.BufferedReader(_Stream(opened, name, min(member.file_size, self._limits.size)), 2**16)


def is_side_file(name: str) -> bool:
    """What systems leave beside people's files: resource forks, thumbnails, views of folders."""
    first, last = name.partition("/")[0], name.rpartition("/")[2]
    return first == "__MACOSX" or "/__MACOSX/" in name or last in _SIDE_NAMES or last.startswith("._")


class _Stream(io.RawIOBase):
    """A member that is unpacked while it is read; counts what comes out against what the directory promised."""

    def __init__(self, source: IO[bytes], name: str, promised: int) -> None:
        self._source, self._name, self._promised = source, name, promised

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return _guarded(self._name, lambda: self._source.seek(offset, whence))

    def tell(self) -> int:
        return self._source.tell()

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # any writable buffer
        data = _guarded(self._name, lambda: self._source.read(len(buffer)))
        if self._source.tell() > self._promised:
            raise DamagedMember(f"{shown(self._name)} unpacks to more than the archive says. It was not imported. Pack it again.")
        if not data and self._source.tell() < self._promised:
            raise DamagedMember(f"{shown(self._name)} ends before its end. It was not imported. Pack it again.")
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._source.close()
        super().close()


def _guarded(name: str, call: Callable[[], _T]) -> _T:
    try:
        return call()
    except NotImplementedError as error:
        raise DamagedMember(f"{shown(name)} is packed by a method that is not read. It was not imported. Pack it with Deflate.") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError, struct.error, MemoryError) as error:
        raise DamagedMember(f"{shown(name)} is damaged within the archive. It was not imported. Pack it again.") from error
    except Exception as error:  # bzip2 and LZMA have errors of their own
        raise DamagedMember(f"{shown(name)} cannot be unpacked. It was not imported. Pack it again.") from error


def _opened(file: IO[bytes]) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)
    except (zipfile.BadZipFile, EOFError, OSError, ValueError, struct.error, NotImplementedError, RuntimeError) as error:
        raise _damaged() from error


def _damaged() -> UnsafeArchive:
    return UnsafeArchive("The list of files in the archive is damaged. Nothing was imported. Pack the archive again and send it again.")


def _count_entries(file: IO[bytes], size: int, limit: int) -> None:
    """Walk the central directory without keeping it: opening an archive costs memory for every entry it claims to have."""
    start, length = _directory(file, size)
    file.seek(start)
    reader, position, count = io.BufferedReader(_Plain(file), 2**20), 0, 0
    while position < length:
        head = reader.read(_ENTRY.size)
        if len(head) < _ENTRY.size or head[:4] != b"PK\x01\x02":
            raise _damaged()
        _, name, extra, comment = _ENTRY.unpack(head)
        skipped = name + extra + comment
        if len(reader.read(skipped)) < skipped:
            raise _damaged()
        position, count = position + len(head) + skipped, count + 1
        if count > limit:
            raise UnsafeArchive(f"The archive holds more than {limit:,} files. Nothing was imported. Send it in parts.")
    reader.detach()


def _directory(file: IO[bytes], size: int) -> tuple[int, int]:
    """Where the central directory starts and how many bytes it has, as the end of the archive says."""
    tail_size = min(size, _END.size + 2**16)
    file.seek(size - tail_size)
    tail = file.read(tail_size)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END.size:
        raise UnsafeArchive("The archive has no list of files; its end is missing. Nothing was imported. Send it again.")
    length = _END.unpack(tail[at : at + _END.size])[5]
    end = size - tail_size + at
    locator = end - _END64_LOCATOR.size
    if locator >= 0:
        file.seek(locator)
        mark, _, at64, _ = _END64_LOCATOR.unpack(file.read(_END64_LOCATOR.size))
        if mark == b"PK\x06\x07":
            file.seek(min(at64, size))
            record = file.read(_END64.size)
            if len(record) < _END64.size or record[:4] != b"PK\x06\x06":
                raise _damaged()
            length, end = _END64.unpack(record)[8], at64
    if length > end:
        raise _damaged()
    return end - length, length


class _Plain(io.RawIOBase):
    """Lets a buffer read ahead in a file that belongs to somebody else."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # any writable buffer
        data = self._source.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


def _refuse_unsafe(member: zipfile.ZipInfo, limits: Limits) -> None:
    """Raises `UnsafeArchive` for names that leave the archive, for what is no plain file, and for what is locked or far too dense."""
    name, kind = member.orig_filename, stat.S_IFMT(member.external_attr >> 16)
    parts = name.replace("\\", "/").split("/")
    if not name or "\\" in name or "\x00" in name or name.startswith("/") or ".." in parts or name[1:2] == ":":
        raise UnsafeArchive(
            f"The name {shown(name)} leads out of the archive. Nothing was imported. Pack the files with plain relative names."
        )
    if kind not in {0, stat.S_IFREG, stat.S_IFDIR}:
        what = "a link" if kind == stat.S_IFLNK else "a device or a pipe"
        raise UnsafeArchive(f"{shown(name)} is {what}, not a file. Nothing was imported. Pack the file itself.")
    if member.flag_bits & 0x1 or member.flag_bits & 0x40:
        raise UnsafeArchive(f"{shown(name)} is encrypted. Nothing was imported. Pack the archive without a password.")
    if member.file_size > _SMALL and member.file_size > limits.ratio * max(member.compress_size, 1):
        raise UnsafeArchive(
            f"{shown(name)} would unpack to more than {limits.ratio} times its size. Nothing was imported. Pack it without compression, if it is meant so."
        )


def _refuse_too_large(members: Sequence[zipfile.ZipInfo], size: int, limits: Limits) -> None:
    total = sum(member.file_size for member in members)
    if total > limits.size:
        raise UnsafeArchive(
            f"The archive would unpack to {total:,} bytes; the limit is {limits.size:,}. Nothing was imported. Send it in parts."
        )
    if total > _SMALL and total > limits.ratio * size:
        raise UnsafeArchive(f"The archive would unpack to more than {limits.ratio} times its size. Nothing was imported. Pack it again.")
