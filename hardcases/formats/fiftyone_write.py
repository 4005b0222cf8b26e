"""Writing a FiftyOne dataset: `metadata.json`, `samples.json` and the folder `data`."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import IO, Any

from hardcases.errors import Invalid
from hardcases.formats.assembling import CARRIED, carried
from hardcases.formats.coco_write import no_picture
from hardcases.formats.exchange import Item, Media, Options
from hardcases.formats.fiftyone_read import OURS, field_name
from hardcases.formats.packing import aside, bundled
from hardcases.formats.pictures import with_size
from hardcases.formats.rows import shown

_VERSION = "0.25.2"  # of the layout; newer FiftyOne versions migrate it when it is loaded
_DATA = "data/"
_FIELDS = "fiftyone.core.fields."
_KINDS = {"classification": "Classification", "multilabel": "Classifications", "detection": "Detections", "regression": "Regression"}


def write_fiftyone(items: Iterable[Item], out: IO[bytes], options: Options, media: Media | None) -> None:
    """An archive; without `media` it holds no pictures. Raises `Invalid` for cases that are no pictures, and for boxes in a picture of unknown size."""
    with bundled(out) as bundle, aside() as samples:
        samples.write(b'{"samples": [')
        for number, item in enumerate(items):
            if item.file is None:
                raise no_picture(item, "FiftyOne")
            packed = bundle.add_picture(with_size(item, media), media, _DATA)
            samples.write(b",\n" if number else b"\n")
            samples.write(_json(_sample(packed, options, number)))
        samples.write(b"\n]}\n")
        bundle.add_file("samples.json", samples)
        bundle.add_bytes("metadata.json", _json(_metadata(options)))


def _sample(item: Item, options: Options, number: int) -> dict[str, Any]:
    seed = f"{item.key or item.external_id or ''}/{number}"
    sample: dict[str, Any] = {
        "_id": _oid(seed),
        "filepath": item.file,
        "tags": list(item.tags),
        "_media_type": "image",
        "_rand": int(hashlib.sha256(seed.encode()).hexdigest()[:8], 16) / 2**32,
        "metadata": {"_cls": "ImageMetadata", "width": item.width, "height": item.height} if item.width and item.height else None,
        "ground_truth": _label(item, item.label, options, f"{seed}/label"),
        "predictions": _label(item, item.prediction, options, f"{seed}/prediction", ours=True),
        CARRIED: carried(item, "tags"),
    }
    for name in options.attributes:
        sample[field_name(name)] = item.attributes.get(name)
    return sample


def _label(item: Item, said: Mapping[str, Any] | None, options: Options, seed: str, *, ours: bool = False) -> dict[str, Any] | None:
    """What was said, in FiftyOne's words. Of a prediction in classes it is the best one, or all with their scores; the whole of it is carried along."""
    mark = {OURS: True} if ours else {}
    if said is None:
        return None
    if "boxes" in said:
        found = [
            {**_single("Detection", box["label"], box.get("score"), f"{seed}/{at}"), **mark, "bounding_box": _relative(item, box)}
            for at, box in enumerate(said["boxes"])
        ]
        return {"_cls": "Detections", "detections": found, **mark}
    if "value" in said:
        return {"_id": _oid(seed), "_cls": "Regression", "tags": [], "value": float(said["value"]), **mark}
    scores = said.get("scores") or {}
    if options.task == "multilabel":
        names = list(said.get("labels", scores))
        found = [{**_single("Classification", name, scores.get(name), f"{seed}/{name}"), **mark} for name in names]
        return {"_cls": "Classifications", "classifications": found, **mark}
    best = said.get("label") or max(scores, key=lambda name: scores[name], default=None)
    return None if best is None else {**_single("Classification", best, scores.get(best), seed), **mark}


def _single(kind: str, name: str, score: float | None, seed: str) -> dict[str, Any]:
    return {"_id": _oid(seed), "_cls": kind, "tags": [], "label": name, **({} if score is None else {"confidence": score})}


def _relative(item: Item, box: Mapping[str, Any]) -> list[float]:
    if not item.width or not item.height:
        which = shown(item.key or item.external_id or item.place)
        raise Invalid(
            f"FiftyOne wants boxes in fractions, and the size of the picture of {which} is not known. Nothing was exported. Export with media."
        )
    return [box["x"] / item.width, box["y"] / item.height, box["width"] / item.width, box["height"] / item.height]


def _oid(seed: str) -> dict[str, str]:
    """An object id that is the same in every export of the case."""
    return {"$oid": hashlib.sha256(seed.encode()).hexdigest()[:24]}


def _metadata(options: Options) -> dict[str, Any]:
    label = f"fiftyone.core.labels.{_KINDS[options.task]}"
    fields = [
        _field("id", "ObjectIdField", db_field="_id"),
        _field("filepath", "StringField"),
        _field("tags", "ListField", subfield="StringField"),
        _field("metadata", "EmbeddedDocumentField", document="fiftyone.core.metadata.ImageMetadata"),
        _field("ground_truth", "EmbeddedDocumentField", document=label),
        _field("predictions", "EmbeddedDocumentField", document=label),
        _field(CARRIED, "DictField"),
        *(_field(field_name(name), "Field") for name in options.attributes),
    ]
    about = {name: str(value) for name, value in options.about.items()}
    return {
        "name": about.get("name", "hardcases"),
        "version": _VERSION,
        "media_type": "image",
        "tags": [],
        "info": about,
        "classes": {"ground_truth": list(options.classes), "predictions": list(options.classes)},
        "default_classes": list(options.classes),
        "mask_targets": {},
        "default_mask_targets": {},
        "skeletons": {},
        "default_skeleton": None,
        "sample_fields": fields,
        "frame_fields": [],
        "saved_views": [],
        "annotation_runs": {},
        "brain_methods": {},
        "evaluations": {},
    }


def _field(
    name: str, kind: str, *, subfield: str | None = None, document: str | None = None, db_field: str | None = None
) -> dict[str, Any]:
    return {
        "name": name,
        "ftype": _FIELDS + kind,
        "subfield": None if subfield is None else _FIELDS + subfield,
        "embedded_doc_type": document,
        "db_field": db_field or name,
        "fields": [],
    }


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
