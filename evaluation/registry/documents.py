"""The document with which a model version is registered: read strictly, kept as it was sent, told from another by its digest.

Pure: values in, a `VersionDocument` or a refusal that lists every finding out. Page, API and command all read the same way.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hardcases.errors import Invalid
from hardcases.web.documents import Reader
from hardcases.web.json_edge import digest_of

VERSION_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._+-]{0,62}[A-Za-z0-9])?")
RESERVED = "production"
KINDS = ("uploaded", "onnx", "http")
PROTOCOLS = ("v2", "mlflow", "json")
MODES = ("L", "RGB")
LAYOUTS = ("flat", "NCHW", "NHWC")
LARGEST_SIDE = 4096
MAX_REPLICATE = 9_999
_SHA256 = re.compile(r"[0-9a-f]{64}")
_OBJECTS = ("code", "parameters", "packages", "platform", "hardware")
_FIELDS = {
    "version",
    "replicate",
    "seed",
    "adapter",
    "operating_threshold",
    "intended_choices",
    "unintended_choices",
    "provenance",
    "training_digests",
}


class DocumentRefused(Invalid):
    """A model version's document breaks rules; `errors` lists each with its pointer."""

    code, title = "document_refused", "The model version was not registered"


@dataclass(frozen=True, kw_only=True)
class VersionDocument:
    """One replicate as it was described. `training_digests` (sorted, distinct) is None where none were sent."""

    version: str
    replicate: int
    seed: int | None
    adapter: dict[str, Any]
    operating_threshold: float | None
    intended_choices: list[dict[str, Any]]
    unintended_choices: list[dict[str, Any]]
    provenance: dict[str, Any]
    training_digests: tuple[str, ...] | None = None

    def digest(self, artefact_sha256: str | None, training_sha256: str | None) -> str:
        """Over everything registered: the same pair posted again is equal exactly if this is."""
        return digest_of(
            {
                "seed": self.seed,
                "adapter": self.adapter,
                "operating_threshold": self.operating_threshold,
                "intended_choices": self.intended_choices,
                "unintended_choices": self.unintended_choices,
                "provenance": self.provenance,
                "artefact_sha256": artefact_sha256,
                "training_digests_sha256": training_sha256,
            }
        )


def read_version(document: Any) -> VersionDocument:
    """The document of API.md as a `VersionDocument`. Raises `DocumentRefused` with every finding."""
    read = Reader()
    body = read.mapping(document, ())
    read.refuse_if_any(DocumentRefused)
    read.fields(body, (), _FIELDS)
    version = body.get("version")
    if not isinstance(version, str) or not VERSION_NAME.fullmatch(version) or version == RESERVED:
        read.wrong(("version",), "A version is 1 to 64 letters, digits and . _ + - and is not called “production”.")
        version = ""
    threshold = body.get("operating_threshold")
    seed = body.get("seed")
    found = VersionDocument(
        version=version,
        replicate=read.integer(body.get("replicate", 0), ("replicate",), 0, MAX_REPLICATE),
        seed=None if seed is None else read.integer(seed, ("seed",), -(2**53) + 1, 2**53 - 1),
        adapter=_adapter(read, body.get("adapter")),
        operating_threshold=None if threshold is None else read.number(threshold, ("operating_threshold",)),
        intended_choices=_choices(read, body.get("intended_choices"), "intended_choices"),
        unintended_choices=_choices(read, body.get("unintended_choices"), "unintended_choices"),
        provenance=_provenance(read, body.get("provenance")),
        training_digests=_training(read, body.get("training_digests")),
    )
    read.refuse_if_any(DocumentRefused)
    return found


def read_digests(lines: str) -> list[str]:
    """A file of SHA-256 digests, one a line (what follows the digest, as in `sha256sum`'s output, is ignored)."""
    read = Reader()
    digests = []
    for number, line in enumerate(lines.splitlines()):
        word = line.split(maxsplit=1)[0].lower() if line.strip() else ""
        if word and not _SHA256.fullmatch(word):
            read.wrong(("training_digests", number), "This line does not begin with a SHA-256 of 64 hexadecimal digits.")
        elif word:
            digests.append(word)
    read.refuse_if_any(DocumentRefused)
    return digests


def _adapter(read: Reader, value: Any) -> dict[str, Any]:
    if value is None:
        return {"kind": "uploaded"}
    adapter = read.mapping(value, ("adapter",))
    readers: dict[str, Callable[[Reader, dict[str, Any]], None]] = {"uploaded": _uploaded, "onnx": _onnx, "http": _http}
    readers[read.choice(adapter.get("kind"), ("adapter", "kind"), KINDS)](read, adapter)
    return adapter


def _uploaded(read: Reader, adapter: dict[str, Any]) -> None:
    read.fields(adapter, ("adapter",), {"kind"})


def _http(read: Reader, adapter: dict[str, Any]) -> None:
    read.fields(adapter, ("adapter",), {"kind", "url", "protocol"})
    url = read.text(adapter.get("url"), ("adapter", "url"), 2_000)
    if url and not re.match(r"https?://[^@\s]+$", url):
        read.wrong(("adapter", "url"), "This must be an http or https address without user name or password.")
    read.choice(adapter.get("protocol", "v2"), ("adapter", "protocol"), PROTOCOLS)


def _onnx(read: Reader, adapter: dict[str, Any]) -> None:
    read.fields(adapter, ("adapter",), {"kind", "input", "output"})
    if adapter.get("output") is not None:
        read.text(adapter["output"], ("adapter", "output"), 200)
    place = ("adapter", "input")
    given = read.mapping(adapter.get("input", {}), place)
    read.fields(given, place, {"mode", "size", "layout", "scale", "mean", "std"})
    mode = read.choice(given.get("mode", "RGB"), (*place, "mode"), MODES)
    read.choice(given.get("layout", "NCHW"), (*place, "layout"), LAYOUTS)
    size = given.get("size")
    if size is not None:
        if isinstance(size, list) and len(size) == 2:
            for index, side in enumerate(size):
                read.integer(side, (*place, "size", index), 1, LARGEST_SIDE)
        else:
            read.wrong((*place, "size"), "This must be [height, width] or null.")
    read.number(given.get("scale", 1), (*place, "scale"))
    for name in ("mean", "std"):
        _per_channel(read, given.get(name, 0 if name == "mean" else 1), (*place, name), 1 if mode == "L" else 3)


def _per_channel(read: Reader, value: Any, path: tuple[str | int, ...], channels: int) -> None:
    numbers = value if isinstance(value, list) else [value]
    if isinstance(value, list) and len(value) != channels:
        read.wrong(path, f"This must be one number or {channels}.")
    for number in numbers:
        if read.number(number, path) == 0 and path[-1] == "std":
            read.wrong(path, "A standard deviation of 0 cannot be divided by.")


def _choices(read: Reader, value: Any, name: str) -> list[dict[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > 200:
        read.wrong((name,), "This must be a list of at most 200 choices.")
        return []
    for index, choice in enumerate(value):
        item = read.mapping(choice, (name, index))
        read.text(item.get("name"), (name, index, "name"), 200)
        read.fields(item, (name, index), {"name", "value"})
    return [dict(choice) for choice in value if isinstance(choice, Mapping)]


def _provenance(read: Reader, value: Any) -> dict[str, Any]:
    """Kept verbatim, unknown names included: what a training script thought worth noting is not ours to drop."""
    if value is None:
        return {}
    provenance = read.mapping(value, ("provenance",))
    for name in _OBJECTS:
        if name in provenance:
            read.mapping(provenance[name], ("provenance", name))
    packages = provenance.get("packages")
    if isinstance(packages, Mapping) and len(packages) > 5_000:
        read.wrong(("provenance", "packages"), "At most 5,000 packages are kept.")
    data = provenance.get("data", [])
    if not isinstance(data, list):
        read.wrong(("provenance", "data"), "This must be a list of objects with a name and a SHA-256.")
        return provenance
    for index, item in enumerate(data):
        _data_item(read, item, index)
    return provenance


def _data_item(read: Reader, item: Any, index: int) -> None:
    place = ("provenance", "data", index)
    entry = read.mapping(item, place)
    read.text(entry.get("name"), (*place, "name"), 500)
    sha256 = entry.get("sha256")
    if sha256 is not None and not (isinstance(sha256, str) and _SHA256.fullmatch(sha256)):
        read.wrong((*place, "sha256"), "A SHA-256 is 64 lower-case hexadecimal digits.")


def _training(read: Reader, value: Any) -> tuple[str, ...] | None:
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(item, str) and _SHA256.fullmatch(item) for item in value):
        read.wrong(("training_digests",), "This must be a list of SHA-256 digests, or a part training.txt with one a line.")
        return None
    return tuple(sorted(set(value)))
