"""Writing Croissant 1.1: `croissant.json` describes the table of cases and the pictures beside it, with sizes and digests."""

import hashlib
import json
from collections.abc import Iterable
from typing import IO, Any

from hardcases.formats.exchange import Item, Media, Options
from hardcases.formats.flat import columns_of, row_of
from hardcases.formats.json_lines import line_of
from hardcases.formats.packing import FOLDER, Bundle, aside, bundled

TABLE = "cases.jsonl"
CONFORMS = "http://mlcommons.org/croissant/1.1"
_OWN = (
    "citeAs", "column", "containedIn", "equivalentProperty", "excludes", "extract", "field", "fileObject", "fileProperty", "fileSet", "format", "includes",
    "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet", "references", "regex", "repeated", "replace", "samplingRate", "separator", "source",
    "subField", "transform",
)  # fmt: skip
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{name: f"cr:{name}" for name in _OWN},
}
_SAID = (("license", "license"), ("url", "url"), ("published", "datePublished"), ("version", "version"), ("semantic_version", "version"))
_WHOLE = frozenset({"width", "height"})


def write_croissant(items: Iterable[Item], out: IO[bytes], options: Options, media: Media | None) -> None:
    """An archive of `croissant.json`, `cases.jsonl` and, with `media`, the folder `images`. Every task and every content can be held.

    Licence, address, creator, version and date are what `about` says; the format wants them all, but nothing is made up.
    """
    columns = columns_of(options)
    with bundled(out) as bundle, aside() as table:
        digest, pictures = hashlib.sha256(), 0
        for item in items:
            packed = bundle.add_picture(item, media)
            pictures += packed.file is not None
            row = row_of(packed, options)
            line = line_of({name: _text(name, row.get(name)) for name in columns})
            digest.update(line)
            table.write(line)
        size = table.tell()
        _finish(bundle, table, _document(options, columns, digest.hexdigest(), size, pictures=bool(pictures and media)))


def _finish(bundle: Bundle, table: IO[bytes], document: dict[str, Any]) -> None:
    bundle.add_file(TABLE, table)
    bundle.add_bytes("croissant.json", json.dumps(document, ensure_ascii=False, indent=1).encode())


def _text(name: str, value: Any) -> Any:
    """A column has one type for every reader: numbers of pixels and scores stay numbers, all else is text, an attribute as its JSON where it is none."""
    if value is None or isinstance(value, str) or name in _WHOLE or ".score:" in name:
        return value
    return json.dumps(value, ensure_ascii=False)


def _document(options: Options, columns: list[str], digest: str, size: int, *, pictures: bool) -> dict[str, Any]:
    about = options.about
    name = str(about.get("name") or "test-set")
    table = {
        "@type": "cr:FileObject",
        "@id": TABLE,
        "name": TABLE,
        "description": "One case a line, with its digest, its label and what a model said of it.",
        "contentUrl": TABLE,
        "contentSize": f"{size} B",
        "encodingFormat": "application/jsonlines",
        "sha256": digest,
    }
    folder = {
        "@type": "cr:FileSet",
        "@id": "pictures",
        "name": "pictures",
        "description": "The pictures of the cases; the digest of each stands in the table.",
        "encodingFormat": "image/*",
        "includes": f"{FOLDER}*",
    }
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS,
        "name": name,
        "description": _described(options),
        **{there: str(about[ours]) for ours, there in _SAID if about.get(ours)},
        **({"dateModified": str(about["published"])} if about.get("published") else {}),
        **({"publisher": {"@type": "sc:Organization", "name": str(about["creator"])}} if about.get("creator") else {}),
        **({"creator": {"@type": "sc:Organization", "name": str(about["creator"])}} if about.get("creator") else {}),
        **({"citeAs": f"{name}, {about['digest']}"} if about.get("digest") else {}),
        "distribution": [table, folder] if pictures else [table],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "cases",
                "name": "cases",
                "description": "The cases.",
                "key": {"@id": "cases/key"},
                "field": [_field(column) for column in columns],
            }
        ],
    }


def _described(options: Options) -> str:
    """What it is. Whoever is handed the file looks for its licence, which the format demands: that there is none is told, for none is made up."""
    about = options.about
    said = str(about.get("description") or f"The cases of {about.get('name') or 'test-set'}.")
    return said if about.get("license") else f"{said} No licence was named when this was exported."


def _field(column: str) -> dict[str, Any]:
    kind: Any = "sc:Integer" if column in _WHOLE else "sc:Float" if ".score:" in column else "sc:Text"
    return {
        "@type": "cr:Field",
        "@id": f"cases/{column}",
        "name": f"cases/{column}",
        "description": _DESCRIPTIONS.get(column, f"The column {column}."),
        "dataType": ["sc:Text", "cr:Label"] if column == "label" else kind,
        "source": {"fileObject": {"@id": TABLE}, "extract": {"column": column}},
    }


_DESCRIPTIONS = {
    "key": "The case's name in its project.",
    "external_id": "The name that the sender gave it.",
    "sha256": "SHA-256 of the content, in hexadecimal digits.",
    "file": "The picture within the archive.",
    "label": "What is true of it: a class, a number, or the JSON of boxes or classes.",
    "prediction": "The JSON of what a model said.",
    "correction": "What somebody claimed instead.",
    "attributes": "The JSON of attributes that the project does not declare.",
}
