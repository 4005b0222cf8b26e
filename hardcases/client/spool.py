"""Cases that wait to be sent, one file each, in a folder that several processes may share.

A file appears whole or not at all. Who sends it takes it by renaming it; one that was taken by a process that died is taken again after a minute. Sending one
twice does no harm, because its key is made of its content.
"""

import contextlib
import hashlib
import json
import os
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hardcases.client.batches import CaseItem
from hardcases.client.transport import Json, as_json

WAITING, TAKEN = ".case", ".taken"
TAKEN_FOR = 60.0  # seconds; longer than an attempt lasts
LOOK_EVERY = 10.0
SPARE = 0.99


def default_folder(url: str, project: str) -> Path:
    """Where cases of one project of one server wait, private to the account: below XDG_STATE_HOME, else ~/.local/state, else the temp folder."""
    name = hashlib.sha256(f"{url}\n{project}".encode()).hexdigest()[:16]
    state = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")  # noqa: PTH111, PTH118 - no home is no error here
    for base in (Path(state) / "hardcases", Path(tempfile.gettempdir()) / f"hardcases-{_account()}"):
        folder = base / "spool" / name
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if _is_ours(base) and os.access(folder, os.W_OK):
                return folder
    return Path(tempfile.mkdtemp(prefix="hardcases-spool-"))


def _account() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0


def _is_ours(folder: Path) -> bool:
    """In a folder that somebody else made beforehand they could read what is spooled."""
    facts = folder.stat()
    return not hasattr(os, "getuid") or (facts.st_uid == os.getuid() and not facts.st_mode & 0o022)


@dataclass(frozen=True)
class Spooled:
    """A case that was taken out of the spool."""

    path: Path
    item: CaseItem


def key_of(item: CaseItem) -> str:
    """The idempotency key of a case: its content and everything that is said about it."""
    whole = hashlib.sha256(as_json([item.name() if item.file is not None else None, item.document()]))
    if item.file is not None:
        whole.update(hashlib.sha256(item.content()).digest())
    return f"report-{whole.hexdigest()}"


class Spool:
    """The folder. `limit` is in bytes; beyond it the oldest go."""

    def __init__(self, folder: Path, *, limit: int) -> None:
        self.folder, self.limit = folder, limit
        self._count = 0
        self._held, self._held_at = 0, float("-inf")  # bytes in the folder when we last looked, and what we added since
        self._next: deque[Path] = deque()  # seen waiting when we last looked, oldest first

    def put(self, item: CaseItem) -> int:
        """Write one case, durable; returns how many others had to go for it. Raises OSError, and ValueError for one that is larger than the spool."""
        data = _encode(item)
        if len(data) > self.limit:
            raise ValueError(f"The case has {len(data):,} bytes; the spool holds {self.limit:,}.")
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        dropped = self._make_room(len(data))
        self._count += 1
        name = f"{time.time_ns():020}-{os.getpid()}-{self._count:08}"
        descriptor, draft = tempfile.mkstemp(dir=self.folder, prefix=".writing-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(draft).rename(self.folder / (name + WAITING))
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
        return dropped

    def _make_room(self, needed: int) -> int:
        """Looks into the folder, which others fill too, every few seconds or when it may be full; then a little more goes than must."""
        now = time.monotonic()
        if now - self._held_at < LOOK_EVERY and self._held + needed <= self.limit:
            self._held += needed
            return 0
        names = sorted(self._names(WAITING, TAKEN))
        held, dropped = sum(size for _, size, _ in names), 0
        if held + needed > self.limit:
            for path, size, _ in names:
                if held + needed <= SPARE * self.limit:
                    break
                with contextlib.suppress(OSError):
                    path.unlink()
                    dropped += 1
                    held -= size
        self._held, self._held_at = held + needed, now
        return dropped

    def _names(self, *endings: str) -> Iterator[tuple[Path, int, float]]:
        """(path, bytes, last change)."""
        with contextlib.suppress(OSError), os.scandir(self.folder) as entries:
            for entry in entries:
                if entry.name.endswith(endings):
                    with contextlib.suppress(OSError):
                        facts = entry.stat()
                        yield Path(entry.path), facts.st_size, facts.st_mtime

    def __len__(self) -> int:
        return sum(1 for _ in self._names(WAITING, TAKEN))

    def take(self) -> Spooled | None:
        """The oldest that nobody else holds."""
        if not self._next:
            self._free_stale()
            self._next.extend(sorted(path for path, _, _ in self._names(WAITING)))
        while self._next:
            path = self._next.popleft()
            taken = path.with_suffix(TAKEN)
            try:
                os.utime(path)  # before the name changes, or another process would think it taken long ago
                path.rename(taken)
            except OSError:
                continue  # another process was quicker
            try:
                return Spooled(taken, _decode(taken.read_bytes()))
            except (OSError, ValueError, KeyError, TypeError):
                with contextlib.suppress(OSError):
                    taken.rename(path.with_suffix(".unreadable"))
        return None

    def _free_stale(self) -> None:
        for path, _, changed in list(self._names(TAKEN)):
            if time.time() - changed > TAKEN_FOR:
                with contextlib.suppress(OSError):
                    path.rename(path.with_suffix(WAITING))

    def give_back(self, spooled: Spooled) -> None:
        """It could not be sent now, and is the first to be tried again."""
        with contextlib.suppress(OSError):
            self._next.appendleft(spooled.path.rename(spooled.path.with_suffix(WAITING)))

    @staticmethod
    def forget(spooled: Spooled) -> None:
        """It was sent, or will never be taken."""
        with contextlib.suppress(OSError):
            spooled.path.unlink()


def _encode(item: CaseItem) -> bytes:
    head: Json = {"fields": item.fields}
    if item.file is not None:
        head |= {"file_name": item.name()}
        return as_json(head) + b"\n" + item.content()
    return as_json(head | {"text": item.text, "record": item.record}) + b"\n"


def _decode(data: bytes) -> CaseItem:
    line, _, content = data.partition(b"\n")
    head = json.loads(line)
    if "file_name" in head:
        return CaseItem(file=content, file_name=head["file_name"], fields=head["fields"])
    return CaseItem(text=head["text"], record=head["record"], fields=head["fields"])
