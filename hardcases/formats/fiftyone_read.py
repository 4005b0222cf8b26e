"""Reading a FiftyOne dataset on disk: `samples.json` in MongoDB's extended JSON, labels in fractions of the picture's sides."""

import datetime
from collections.abc import Iterator, Mapping
from typing import Any

from hardcases.errors import Invalid
from hardcases.formats import strict
from hardcases.formats.assembling import CARRIED, Assembler
from hardcases.formats.classes import part
from hardcases.formats.exchange import Finding, Item, Options, Package
from hardcases.formats.marks import Box, BoxError, Mark, around, box_of
from hardcases.formats.packages import only_member
from hardcases.formats.rows import shown
from hardcases.formats.said import is_finite, is_number

OURS = "by_hardcases"  # a label's attribute in our exports: the whole of it is carried along
_ROLES = {"ground_truth": "label", "label": "label", "labels": "label", "predictions": "prediction", "prediction": "prediction"}
_OWN = frozenset({"filepath", "tags", "metadata", "id", "created_at", "last_modified_at", CARRIED})
_NUMBERS = {"$numberInt": int, "$numberLong": int, "$numberDouble": float, "$numberDecimal": float}
_LABELS = frozenset({"Classification", "Classifications", "Detection", "Detections", "Polyline", "Polylines", "Regression"})
_SHARED = frozenset(
    {
        "_id",
        "_cls",
        "id",
        "label",
        "bounding_box",
        "confidence",
        "points",
        "tags",
        "attributes",
        "index",
        "logits",
        "closed",
        "filled",
        OURS,
    }
)


class _LostError(ValueError):
    """A value that has no place in JSON."""


def read_fiftyone(package: Package, options: Options) -> Iterator[Item | Finding]:
    """One item a sample. The field `ground_truth` is its label, `predictions` its prediction; “fields” in the mapping says otherwise."""
    name = _samples_name(package, options)
    reader = _Samples(package, options)
    reader.assembler.base = name.rpartition("/")[0]
    with package.open(name) as file:
        try:
            listed = False
            for member, number, value in strict.pieces(file):
                listed |= member == "samples"
                if number >= 0 and member in {"samples", ""}:
                    yield from reader.sample(f"samples/{number}", value)
            if not listed:
                raise Invalid(f"{shown(name)} holds no list “samples”. Nothing was imported. Send the dataset as FiftyOne exported it.")
        except strict.JSONError as error:
            yield Finding(place="samples", problem=f"From here on the file could not be read: {error}")
    yield from reader.assembler.end()


def _samples_name(package: Package, options: Options) -> str:
    wanted = options.mapping.get("member")
    found = [name for name in package.names() if name.rpartition("/")[2] == "samples.json"]
    if wanted is None and len(found) == 1:
        return found[0]
    if wanted is None and any("/samples/" in f"/{name}" and name.endswith(".json") for name in package.names()):
        raise Invalid("The samples lie in a folder of many files. Nothing was imported. Export the dataset again without `use_dirs`.")
    return only_member(package, (".json",), wanted)


class _Samples:
    def __init__(self, package: Package, options: Options) -> None:
        self.assembler = Assembler(package, options)
        self._options, self._tally = options, self.assembler.tally
        self._fields = part(options, "fields")
        self._ours = {field_name(name): name for name in options.attributes}

    def sample(self, place: str, sample: Any) -> Iterator[Item | Finding]:
        """The item of one sample."""
        if not isinstance(sample, dict) or isinstance(sample, strict.Repeating):
            yield Finding(place=place, problem="This sample is no JSON object with single keys.")
            return
        name = sample.get("filepath")
        kept = sample.get(CARRIED)
        if not isinstance(name, str) or not name:
            yield Finding(place=place, problem="This sample has no “filepath”.")
            return
        size = self._size(sample, name)
        fields: dict[str, Any] = {"attributes": {}, "tags": self._tags(place, sample.get("tags"))}
        if size is not None:
            fields["width"], fields["height"] = size
        for field, value in sample.items():
            if field not in _OWN and not field.startswith("_") and value is not None:
                self._field(place, field, value, size, fields)
        identity = sample.get("_id")
        foreign_id = identity.get("$oid") if isinstance(identity, Mapping) else identity
        yield from self.assembler.item(place, fields, name=name, foreign_id=foreign_id, kept=kept)

    def _size(self, sample: Mapping[str, Any], name: str) -> tuple[int, int] | None:
        metadata = sample.get("metadata")
        told = [_plain_or_none(metadata.get(side)) for side in ("width", "height")] if isinstance(metadata, Mapping) else []
        if len(told) == 2 and all(isinstance(side, int) and 0 < side < 2**31 for side in told):
            return told[0], told[1]
        return self.assembler.size(name)

    def _tags(self, place: str, tags: Any) -> list[str] | None:
        if not tags:
            return None
        texts = [tag for tag in tags if isinstance(tag, str) and tag] if isinstance(tags, list) else []
        if not isinstance(tags, list) or len(texts) < len(tags):
            self._tally.add(place, "Tags that are no texts were left out.")
        return texts

    def _field(self, place: str, field: str, value: Any, size: tuple[int, int] | None, fields: dict[str, Any]) -> None:
        kind = value.get("_cls") if isinstance(value, Mapping) else None
        if not isinstance(kind, str) or kind not in _LABELS:
            self._attribute(place, field, value, kind, fields)
            return
        role = self._fields.get(field, _ROLES.get(field, ""))
        if role not in ("label", "prediction"):  # of the mapping, which may hold what no set can
            if role is not None:
                self._tally.add(
                    place,
                    f"The field {shown(field)} holds labels. Say with “fields” in the mapping whether it is the label or the prediction.",
                )
            return
        if role == "prediction" and _is_ours(value):
            return
        if kind == "Regression":
            number = _plain_or_none(value.get("value"))
            said = {"value": number} if is_finite(number) else None
            fields[role] = said if self._options.task == "regression" else None
            if fields[role] is None:
                self._tally.add(place, f"A number is no {role} in this project, or is not finite; it was left out.")
            return
        marks = self._marks(place, value, kind, size)
        if marks is not None:
            fields[role] = self.assembler.marks.label(place, [Mark(mark.name, mark.box) for mark in marks]) if role == "label" else (
                self.assembler.marks.prediction(place, marks)
            )  # fmt: skip

    def _attribute(self, place: str, field: str, value: Any, kind: Any, fields: dict[str, Any]) -> None:
        target = self._fields.get(field, self._ours.get(field, field))
        if target is None:
            return
        if kind is not None:
            self._tally.add(place, f"{shown(str(kind))} in the field {shown(field)} has no place in a case and is not kept.")
            return
        try:
            fields["attributes"][str(target).removeprefix("attributes.")] = _plain(value)
        except _LostError as error:
            self._tally.add(place, f"The field {shown(field)} holds {error}, which is not kept.")

    def _marks(self, place: str, value: Mapping[str, Any], kind: str, size: tuple[int, int] | None) -> list[Mark] | None:
        """The single labels of a field; None where one of them cannot be used, for then there is no whole label."""
        inner = value.get(kind.lower()) if kind.endswith("s") else [value]
        if inner is None:
            inner = []
        marks: list[Mark] = []
        for one in inner if isinstance(inner, list) else [None]:
            if not isinstance(one, Mapping) or not isinstance(one.get("label"), str):
                self._tally.add(place, "A label without a class cannot be used; all labels of its field were left out.")
                return None
            self._tell_lost(place, one)
            try:
                box = self._box(place, one, size)
            except BoxError as error:
                self._tally.add(place, f"{error} All labels of its field were left out.")
                return None
            score = _plain_or_none(one.get("confidence"))
            marks.append(Mark(one["label"], box, float(score) if is_finite(score) else None))
        return marks

    def _tell_lost(self, place: str, one: Mapping[str, Any]) -> None:
        for name in ("mask", "mask_path"):
            if one.get(name):
                self._tally.add(place, "Masks of detections are not kept; their boxes are.", kind="mask")
        if one.get("attributes") or one.get("tags"):
            self._tally.add(place, "Attributes and tags of single labels are not kept.")
        for name in (name for name in one if name not in _SHARED and name not in {"mask", "mask_path"}):
            if not name.startswith("_") and one[name] is not None:
                self._tally.add(place, f"{shown(name)} of single labels is not kept.")

    def _box(self, place: str, one: Mapping[str, Any], size: tuple[int, int] | None) -> Box | None:
        shape = _plain_or_none(one.get("bounding_box"))
        outlines = _plain_or_none(one.get("points"))
        if shape is None and outlines is None:
            return None
        if size is None:
            if self._options.task != "detection":
                return None
            raise BoxError("A box is given in fractions, and the size of the picture is not known.")
        if shape is not None:
            x, y, width, height = box_of(shape)
            return x * size[0], y * size[1], width * size[0], height * size[1]
        self._tally.add(place, "Outlines became the boxes around them.")
        rings = outlines if isinstance(outlines, list) else []
        points = [point for ring in rings if isinstance(ring, list) for point in ring]
        if not points or not all(isinstance(point, list) and len(point) == 2 and all(map(is_number, point)) for point in points):
            raise BoxError("An outline is a list of points.")
        return around([side * size[at] for point in points for at, side in enumerate(point)])


def field_name(attribute: str) -> str:
    """The sample field of a declared attribute in our exports; FiftyOne keeps plain names such as `source` for itself."""
    return f"attribute_{attribute}".replace(".", "_").replace("$", "_")


def _is_ours(value: Mapping[str, Any]) -> bool:
    inner = next((one for one in value.values() if isinstance(one, list) and one), [value])
    return all(isinstance(one, Mapping) and one.get(OURS) is True for one in inner)


def _plain(value: Any, depth: int = 0) -> Any:
    """A value of extended JSON in plain JSON. Raises `_LostError`."""
    if depth > strict.MAX_DEPTH:
        raise _LostError("something that is nested too deep")
    if isinstance(value, list):
        return [_plain(one, depth + 1) for one in value]
    if not isinstance(value, Mapping):
        return value
    if len(value) == 1:
        ((name, inner),) = value.items()
        if name == "$oid" and isinstance(inner, str):
            return inner
        if name == "$date":
            return _moment(_plain(inner, depth + 1))
        if name in _NUMBERS:
            return _number(inner, _NUMBERS[name])
        if name.startswith("$"):
            raise _LostError("bytes" if name == "$binary" else f"values of the kind {shown(name)}")
    return {name: _plain(inner, depth + 1) for name, inner in value.items()}


def _plain_or_none(value: Any) -> Any:
    try:
        return _plain(value)
    except _LostError:
        return None


def _number(text: Any, kind: type) -> Any:
    try:
        if len(str(text)) > 40:
            raise _LostError("a number that is too long")
        return kind(text)
    except (ValueError, TypeError, OverflowError) as error:
        raise _LostError("a number that is none") from error


def _moment(value: Any) -> str:
    if isinstance(value, str):
        return value
    try:
        moment = datetime.datetime.fromtimestamp(value / 1000, tz=datetime.UTC)
    except (TypeError, ValueError, OverflowError, OSError) as error:
        raise _LostError("a time that is none") from error
    return moment.isoformat().replace("+00:00", "Z")
