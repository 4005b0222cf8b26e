"""Reading Label Studio: tasks as they are imported or exported in full, and the short form JSON_MIN."""

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from hardcases.errors import Invalid
from hardcases.formats import strict
from hardcases.formats.assembling import CARRIED, Assembler
from hardcases.formats.classes import part
from hardcases.formats.exchange import Finding, Item, Options, Package
from hardcases.formats.marks import Mark
from hardcases.formats.packages import AmbiguousError, only_member
from hardcases.formats.rows import shown
from hardcases.formats.rowwise import target_of
from hardcases.formats.said import is_finite
from hardcases.formats.studio_regions import RegionReader, Regions, Size

OURS = "hardcases-"  # how the ids of predictions begin that we wrote
UNNAMED = OURS + "unnamed"  # the model's version, where it has none
_PICTURES = ("image", "img", "picture", "photo")
_UPLOADED = re.compile(r"[0-9a-f]{8}-(?=.)")
_SHORT_FORM = frozenset({"annotation_id", "annotator", "lead_time"})
_BOOKKEEPING = frozenset({"id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time", "agreement"})


def read_label_studio(package: Package, options: Options) -> Iterator[Item | Finding]:
    """One item a task. The newest annotation that counts as ground truth is its label, the newest prediction its prediction."""
    name = only_member(package, (".json",), options.mapping.get("member"))
    reader = _Tasks(package, options)
    reader.assembler.base = name.rpartition("/")[0]
    if any(other.lower().endswith(".xml") for other in package.names()):
        reader.assembler.tally.add("", "The labelling configuration (XML) is not read; every region says itself what it is.")
    with package.open(name) as file:
        number = -1
        try:
            for list_name, number, value in strict.pieces(file):
                if list_name:
                    raise Invalid("Tasks of Label Studio come as a JSON list. Nothing was imported. Export them as JSON or JSON_MIN.")
                if number >= 0:
                    yield from reader.task(f"tasks/{number}", value)
        except strict.JSONError as error:
            yield Finding(place=f"tasks/{max(number + 1, 0)}", problem=f"From here on the file could not be read: {error}")
    yield from reader.short_tasks()
    yield from reader.assembler.end()


class _Tasks:
    def __init__(self, package: Package, options: Options) -> None:
        self.assembler = Assembler(package, options)
        self._options, self._tally = options, self.assembler.tally
        self._fields = part(options, "fields")
        classes = self.assembler.classes
        self._regions = RegionReader(options, self._tally, lambda name: name in classes.mapping or name in options.classes)
        self._short: dict[str, tuple[str, dict[str, Any]]] = {}

    def task(self, place: str, task: Any) -> Iterator[Item | Finding]:
        """The item of one task. Tasks of the short form are kept until the end, as each of several annotators has one."""
        if not isinstance(task, dict) or isinstance(task, strict.Repeating):
            yield Finding(place=place, problem="This task is no JSON object with single keys.")
        elif isinstance(task.get("data"), dict):
            yield from self._whole(place, task, task["data"])
        elif _SHORT_FORM & task.keys():
            self._keep_short(place, task)
        else:
            yield Finding(place=place, problem="This task has no “data”.")

    def _whole(self, place: str, task: dict[str, Any], data: dict[str, Any]) -> Iterator[Item | Finding]:
        fields, name = self._content(data)
        size = _SizeOf(self.assembler, name)
        for what in ("drafts", "comments"):
            if task.get(what):
                self._tally.add(place, f"{what.capitalize()} of tasks are not read.")
        kept = task["meta"].get(CARRIED) if isinstance(task.get("meta"), dict) else None
        if task.get("meta") and kept is None:
            fields["attributes"]["meta"] = task["meta"]
        annotation = self._newest_annotation(place, _objects(task.get("annotations", task.get("completions"))))
        if annotation is not None:
            self._add_label(place, fields, self._regions.read(place, _objects(annotation.get("result")), size))
        prediction = _newest(_objects(task.get("predictions")))
        if prediction is not None and not _is_ours(prediction, kept):
            self._add_prediction(place, fields, prediction, size)
        yield from self.assembler.item(place, fields, name=name, foreign_id=task.get("id"), kept=kept)

    def _content(self, data: Mapping[str, Any]) -> tuple[dict[str, Any], str | None]:
        """The fields that the task's variables are, and the picture's name. Variables are mapped like columns of a table."""
        fields: dict[str, Any] = {"attributes": {}}
        name = None
        for variable, value in data.items():
            target = target_of(variable, self._options)
            if target == ("file", "") or (target == ("attributes", variable) and variable in _PICTURES):
                name = self._packed_name(value) if isinstance(value, str) else None
            elif target is not None and not target[1] and target[0] not in {"label", "prediction", "correction", "attributes"}:
                fields[target[0]] = value
            elif target is not None and value not in (None, ""):
                fields["attributes"][target[1] or variable] = value
        return fields, name

    def _packed_name(self, address: str) -> str:
        """The picture's name, without what Label Studio put before the names of uploads if that is how it is packed."""
        name = file_name(address)
        try:
            packed = self.assembler.member(name) is not None
        except AmbiguousError:
            packed = True
        return name if packed or "upload/" not in address else _UPLOADED.sub("", name, count=1)

    def _newest_annotation(self, place: str, annotations: list[Mapping[str, Any]]) -> Mapping[str, Any] | None:
        usable = [one for one in annotations if one.get("was_cancelled") is not True]
        if len(usable) < len(annotations):
            self._tally.add(place, "Cancelled annotations were skipped.", count=len(annotations) - len(usable))
        truths = [one for one in usable if one.get("ground_truth") is True]
        if len(usable) > 1:
            self._tally.add(place, "Of several annotations the newest that is marked as ground truth was read, or else the newest.")
        return _newest(truths or usable)

    def _add_label(self, place: str, fields: dict[str, Any], regions: Regions) -> None:
        if regions.size is not None:
            fields["width"], fields["height"] = regions.size
        task = self._options.task
        marked = self._control(place, regions.classes, task in {"classification", "multilabel"})
        for control, marks in regions.classes.items():
            if control != marked:
                self._put(fields, control, [mark.name for mark in marks])
        numbered = self._control(place, regions.numbers, task == "regression")
        for control, number in regions.numbers.items():
            if control != numbered:
                self._put(fields, control, number)
        for control, texts in regions.texts.items():
            self._put(fields, control, texts)
        if not regions.whole:
            return
        if task == "regression":
            fields["label"] = None if numbered is None else {"value": regions.numbers[numbered]}
            return
        marks = regions.boxes if task == "detection" else [*regions.boxes, *(regions.classes[marked] if marked else ())]
        if task == "detection" or marked or marks or not (regions.classes or regions.numbers or regions.texts):
            fields["label"] = self.assembler.marks.label(place, marks)

    def _control(self, place: str, found: Mapping[str, Any], wanted: bool) -> str | None:
        """The control whose values are the label: the only one there is, or the one that “fields” in the mapping turns into `label`."""
        if not wanted or not found:
            return None
        named = [control for control in found if self._fields.get(control) == "label"]
        if named or (len(found) == 1 and next(iter(found)) not in self._fields):
            return named[0] if named else next(iter(found))
        if not all(control in self._fields for control in found):
            names = " and ".join(shown(control) for control in list(found)[:3])
            self._tally.add(
                place, f"{names} could each be the label. Say which with “fields” in the mapping.", kind=f"controls {sorted(found)}"
            )
        return None

    def _put(self, fields: dict[str, Any], control: str, value: Any) -> None:
        """What is no label becomes an attribute of the control's name, or what the mapping says."""
        target = self._fields.get(control, control)
        value = value[0] if isinstance(value, list) and len(value) == 1 else value
        if target is None or value == []:
            return
        if target == "note" and isinstance(value, str):
            fields["note"] = value
        else:
            fields["attributes"][str(target).removeprefix("attributes.")] = value

    def _add_prediction(self, place: str, fields: dict[str, Any], prediction: Mapping[str, Any], size: "_SizeOf") -> None:
        results = _objects(prediction.get("result"))
        version = prediction.get("model_version")
        if isinstance(version, str) and version:
            fields["model"] = version
        regions = self._regions.read(place, results, size)
        if self._options.task == "regression":
            if regions.numbers:
                fields["prediction"] = {"value": next(iter(regions.numbers.values()))}
            return
        score = prediction.get("score")
        marks = [*regions.boxes, *(mark for marks in regions.classes.values() for mark in marks)]
        if len(marks) == 1 and marks[0].score is None and score is not None and is_finite(score):
            marks = [Mark(marks[0].name, marks[0].box, float(score))]
        fields["prediction"] = self.assembler.marks.prediction(place, marks)

    def _keep_short(self, place: str, task: dict[str, Any]) -> None:
        identity = str(task.get("id", place))
        before = self._short.get(identity)
        if before is not None:
            self._tally.add(place, "Of several annotations of a task the newest was read.")
        if before is None or str(task.get("updated_at", "")) >= str(before[1].get("updated_at", "")):
            self._short[identity] = place, task

    def short_tasks(self) -> Iterator[Item | Finding]:
        """The items of the tasks in the short form, in which regions, choices and data stand side by side."""
        for place, task in self._short.values():
            results: list[dict[str, Any]] = []
            data: dict[str, Any] = {}
            for control, value in task.items():
                if control in _BOOKKEEPING:
                    continue
                found = _short_results(control, value, named=control in self._fields or control in {"choice", "choices", "label"})
                results += found
                data |= {} if found else {control: value}
            fields, name = self._content(data)
            self._add_label(place, fields, self._regions.read(place, results, _SizeOf(self.assembler, name)))
            yield from self.assembler.item(place, fields, name=name, foreign_id=task.get("id"))


def _is_ours(prediction: Mapping[str, Any], kept: object) -> bool:
    """Whether it is the prediction that we wrote, so that the whole of it is carried along with more than regions can say."""
    if not isinstance(kept, Mapping) or "prediction" not in kept:
        return False
    regions = _objects(prediction.get("result"))
    version = prediction.get("model_version") == (kept.get("model") or UNNAMED)
    return version and all(str(region.get("id", "")).startswith(OURS) for region in regions)


class _SizeOf:
    """The size of a task's picture, looked up only when a region does not tell it."""

    def __init__(self, assembler: Assembler, name: str | None) -> None:
        self._assembler, self._name = assembler, name

    def __call__(self) -> Size | None:
        return None if self._name is None else self._assembler.size(self._name)


def _short_results(name: str, value: Any, *, named: bool) -> list[dict[str, Any]]:
    """The value of one control in the short form, as the regions of the long one. Empty for what is data of the task."""
    if isinstance(value, list) and value and all(isinstance(one, dict) for one in value):
        kinds = ("rectanglelabels", "polygonlabels", "ellipselabels", "brushlabels", "keypointlabels", "labels")
        return [{"from_name": name, "type": kind, "value": one, **one} for one in value for kind in kinds if kind in one]
    if isinstance(value, dict) and isinstance(value.get("choices"), list):
        return [{"from_name": name, "type": "choices", "value": value}]
    if not named:
        return []
    if isinstance(value, str):
        return [{"from_name": name, "type": "choices", "value": {"choices": [value]}}]
    return [{"from_name": name, "type": "number", "value": {"number": value}}]


def file_name(address: str) -> str:
    """The picture's name within what people pack beside the tasks, from the address that Label Studio knows it by. Nothing is fetched."""
    try:
        parts = urlsplit(address)
        local = parse_qs(parts.query).get("d")
    except ValueError:
        return address
    if local and parts.path.rstrip("/").endswith("local-files"):
        return unquote(local[0])
    path = unquote(parts.path)
    if "/data/upload/" in path or path.startswith(("data/upload/", "upload/")):
        return path.rpartition("/")[2]
    return path.lstrip("/") or address


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _newest(found: list[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The one that was changed last; of equal or unknown times the last in the file."""
    return max(
        enumerate(found), key=lambda pair: (str(pair[1].get("updated_at") or pair[1].get("created_at") or ""), pair[0]), default=(0, None)
    )[1]
