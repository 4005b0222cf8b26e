"""What a model was made with, captured without asking anybody: code, packages, platform, hardware.

Never fails and never blocks: what cannot be found is left out, and `absent` says why.
"""

import hashlib
import os
import platform
import shutil
import subprocess
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

GIT_SECONDS = 20
MAX_UNTRACKED_BYTES = 256 * 2**20


class AbsentError(Exception):
    """This piece could not be captured; the message is the reason."""


def capture(folder: Path | None = None) -> dict[str, Any]:
    """The `provenance` of a model version trained from `folder` (the working folder): code, packages, platform, hardware and `absent`.

    `dirty_patch_sha256` is the SHA-256 of `git diff HEAD`, `untracked_sha256` that of the untracked files' paths and contents; both are
    there only if there is something to digest. `absent` maps a name such as `code.commit` to the reason why it is not there.
    """
    place, absent = folder or Path.cwd(), dict[str, str]()
    pieces: dict[str, dict[str, Callable[[], Any]]] = {
        "code": {
            "repository": lambda: without_credentials(_git(place, "remote", "get-url", "origin").decode().strip()),
            "commit": lambda: _git(place, "rev-parse", "HEAD").decode().strip(),
            "dirty_patch_sha256": lambda: _patch(place),
            "untracked_sha256": lambda: _untracked(place),
        },
        "platform": {
            "python": platform.python_version,
            "implementation": platform.python_implementation,
            "system": platform.system,
            "release": platform.release,
            "machine": platform.machine,
        },
        "hardware": {"cpu": _cpu, "cpus": os.cpu_count, "memory_bytes": _memory, "gpus": _gpus},
    }
    captured: dict[str, Any] = {"packages": _packages()}
    for group, members in pieces.items():
        captured[group] = {}
        for name, ask in members.items():
            try:
                value = ask()
            except (AbsentError, OSError, ValueError) as reason:
                absent[f"{group}.{name}"] = str(reason)
                continue
            if value is not None:
                captured[group][name] = value
    return {**captured, "absent": absent} if absent else captured


def without_credentials(remote: str) -> str:
    """The address of a remote without user, password, query and fragment; `git@host:path` has none and stays."""
    if "://" not in remote:
        return remote
    parts = urlsplit(remote)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _git(folder: Path, *arguments: str) -> bytes:
    program = shutil.which("git")
    if program is None:
        raise AbsentError("git is not installed")
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    command = [program, "-c", "core.fsmonitor=false", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, check=True, timeout=GIT_SECONDS, env=environment, stdin=subprocess.DEVNULL)  # noqa: S603
    except subprocess.TimeoutExpired as error:
        raise AbsentError(f"git took longer than {GIT_SECONDS} s") from error
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip().splitlines()
        raise AbsentError(said[0] if said else f"git ended with {error.returncode}") from error
    return done.stdout


def _patch(folder: Path) -> str | None:
    patch = _git(folder, "diff", "--no-ext-diff", "--no-textconv", "--no-color", "--binary", "HEAD")
    return hashlib.sha256(patch).hexdigest() if patch else None


def _untracked(folder: Path) -> str | None:
    top = Path(_git(folder, "rev-parse", "--show-toplevel").decode().rstrip("\n"))
    names = sorted(name for name in _git(top, "ls-files", "--others", "--exclude-standard", "-z").split(b"\0") if name)
    files = [(name, top / os.fsdecode(name)) for name in names]
    if sum(file.lstat().st_size for _, file in files) > MAX_UNTRACKED_BYTES:
        raise AbsentError("the untracked files weigh more than 256 MB; ignore or commit them")
    whole = hashlib.sha256()
    for name, file in files:
        content = os.fsencode(file.readlink()) if file.is_symlink() else file.read_bytes() if file.is_file() else b""
        whole.update(name + b"\0" + hashlib.sha256(content).digest())
    return whole.hexdigest() if files else None


def _packages() -> dict[str, str]:
    """Name → version of everything installed; a broken distribution is left out."""
    found = {}
    for distribution in metadata.distributions():
        name, version = distribution.metadata["Name"], distribution.metadata["Version"]
        if name and version:
            found[name] = version
    return dict(sorted(found.items()))


def _cpu() -> str:
    information = Path("/proc/cpuinfo")
    lines = information.read_text(errors="replace").splitlines() if information.is_file() else []
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor())
    if not name:
        raise AbsentError("the system does not name its processor")
    return name


def _memory() -> int:
    if not hasattr(os, "sysconf"):
        raise AbsentError("the system does not tell its memory")
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _gpus() -> list[str]:
    program = shutil.which("nvidia-smi")
    if program is None:
        raise AbsentError("nvidia-smi is not installed")
    command = [program, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, check=True, timeout=10, stdin=subprocess.DEVNULL)  # noqa: S603
    except subprocess.SubprocessError as error:
        raise AbsentError("nvidia-smi gave no answer") from error
    return done.stdout.decode(errors="replace").strip().splitlines()
