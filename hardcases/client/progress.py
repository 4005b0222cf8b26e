"""How far an upload is: a bar on a terminal, a line every ten seconds elsewhere, and the state that lets the next start go on."""

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

STATE = ".hardcases-upload.json"
REJECTED = "upload-rejected.jsonl"
LINE_EVERY = 10.0
SAVE_EVERY = 1.0


class StateError(Exception):
    """The state file is there and cannot be used, or should be there and is not; the message says what to do."""


@dataclass
class State:
    """What the next start needs to know beyond what it can ask the server: uploads under way, and what was refused already.

    Written whole under another name and then renamed, so that a kill leaves the old or the new one. A folder that cannot be written has no state: then
    everything is asked anew, which costs time only.
    """

    path: Path
    target: str  # address and project: another one's state is not ours
    uploads: dict[str, str] = field(default_factory=dict)  # SHA-256 → id
    rejected: set[str] = field(default_factory=set)  # SHA-256
    _saved_at: float = 0.0

    @classmethod
    def beside(cls, paths: list[Path], target: str) -> Self:
        """Beside the first folder or file, else here."""
        place = paths[0].absolute().parent if paths else Path.cwd()
        return cls(place / STATE, target)

    def load(self, *, wanted: bool, restart: bool) -> bool:
        """Take up what a former start left; whether there was something. Raises StateError."""
        if restart:
            self.path.unlink(missing_ok=True)
            return False
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
            uploads, rejected = dict(found["uploads"]), set(found["rejected"])
            target = found["target"]
        except FileNotFoundError:
            if wanted:
                raise StateError(f"There is nothing to resume: {self.path} does not exist. Leave out --resume to start.") from None
            return False
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StateError(f"{self.path} cannot be read ({error}). Start anew with --restart.") from error
        if target != self.target:
            raise StateError(f"{self.path} belongs to an upload to {target}. Finish that one, or start anew with --restart.")
        self.uploads, self.rejected = uploads, rejected
        return True

    def save(self, *, now: bool = False) -> None:
        """At most once a second, unless it must be now."""
        if not now and time.monotonic() - self._saved_at < SAVE_EVERY:
            return
        self._saved_at = time.monotonic()
        said = {"target": self.target, "uploads": self.uploads, "rejected": sorted(self.rejected)}
        draft = self.path.with_name(f"{STATE}.{os.getpid()}")
        with contextlib.suppress(OSError):
            draft.write_text(json.dumps(said), encoding="utf-8")
            draft.replace(self.path)

    def forget(self) -> None:
        """Everything was sent."""
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)


@dataclass
class Tally:
    """Counts of one upload, and the file of what was rejected."""

    new: int = 0
    known: int = 0
    rejected: int = 0
    file: Path = Path(REJECTED)

    def reject(self, entry: dict[str, Any]) -> None:
        """Count it and write it down, one JSON object a line."""
        if not self.rejected:
            self.file.unlink(missing_ok=True)
        self.rejected += 1
        with self.file.open("a", encoding="utf-8") as out:
            out.write(json.dumps(entry, ensure_ascii=False) + "\n")

    def sentence(self, seconds: float) -> str:
        """What a person wants to know at the end."""
        parts = [f"{self.new:,} new", f"{self.known:,} already there"]
        if self.rejected:
            parts.append(f"{self.rejected:,} rejected -> {self.file}")
        return f"Done in {spoken(seconds)}: {', '.join(parts)}"


def spoken(seconds: float) -> str:
    """`31 s`, `1 min 31 s`, `2 h 5 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"


def sized(count: float) -> str:
    """`3.4 GB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:,.0f} {unit}" if unit == "B" else f"{count:,.1f} {unit}"
        count /= 1000
    raise AssertionError


class Meter:
    """Shows how much of how much has been sent. Safe among threads."""

    def __init__(self, console: Console, *, cases: int, size: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._console, self._cases, self._size, self._clock = console, cases, size, clock
        self._lock = threading.Lock()
        self._began = self._said = clock()
        self._done = self._bytes = 0
        self._bar: Progress | None = None
        if console.is_terminal:
            columns = (TextColumn("Uploading"), BarColumn(), TextColumn("{task.fields[cases]}"), DownloadColumn(), TransferSpeedColumn())
            self._bar = Progress(*columns, TimeRemainingColumn(), console=console, transient=True)
            self._task = self._bar.add_task("", total=max(size, 1), cases=f"0/{cases:,}")

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar:
            self._bar.stop()

    def moved(self, *, cases: int = 0, size: int = 0) -> None:
        """So many more cases and bytes are settled."""
        with self._lock:
            self._done += cases
            self._bytes += size
            if self._bar:
                self._bar.update(self._task, completed=self._bytes, cases=f"{self._done:,}/{self._cases:,}")
            elif self._clock() - self._said >= LINE_EVERY:
                self._said = self._clock()
                self._console.print(self._line(), markup=False, soft_wrap=True)

    def _line(self) -> str:
        passed = max(self._said - self._began, 1e-9)
        rate = self._bytes / passed
        left = f", {spoken((self._size - self._bytes) / rate)} left" if rate and self._size > self._bytes else ""
        return f"{self._done:,}/{self._cases:,} cases, {sized(self._bytes)} of {sized(self._size)}, {sized(rate)}/s{left}"
