"""Writing Label Studio: tasks with their annotation and prediction, ready to be imported into a project with the labelling configuration beside them."""

import html
import json
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from typing import IO, Any

from hardcases.errors import Invalid
from hardcases.formats.assembling import CARRIED, carried
from hardcases.formats.exchange import Item, Media, Options
from hardcases.formats.packing import Names, aside, bundled
from hardcases.formats.pictures import with_file, with_size
from hardcases.formats.rows import shown
from hardcases.formats.said import SIDES
from hardcases.formats.studio_read import OURS, UNNAMED

_LOCAL = "/data/local-files/?d="
_TITLES = {"classification": "Choices", "multilabel": "Choices", "detection": "RectangleLabels", "regression": "Number"}


def write_label_studio(items: Iterable[Item], out: IO[bytes], options: Options, media: Media | None) -> None:
    """A JSON list of tasks; with `media` an archive of `tasks.json`, `label_config.xml` and the folder `images`.

    Raises `Invalid` for boxes in a picture of unknown size.
    """
    with aside() as file, bundled(out) if media else nullcontext() as bundle:
        target = file if bundle else out
        names, kinds = Names(), set()
        target.write(b"[")
        for number, item in enumerate(items):
            named = item
            if item.file is not None:
                sized = with_size(item, media)
                named = bundle.add_picture(sized, media) if bundle else with_file(sized, names.of(sized))
            kinds.add("image" if named.file else "record" if named.record is not None else "text")
            target.write(b",\n" if number else b"\n")
            target.write(json.dumps(_task(named, options), ensure_ascii=False, allow_nan=False).encode())
        target.write(b"\n]\n")
        if bundle:
            bundle.add_file("tasks.json", file)
            bundle.add_bytes("label_config.xml", _config(options, "image" if "image" in kinds or not kinds else kinds.pop()).encode())


def _task(item: Item, options: Options) -> dict[str, Any]:
    data: dict[str, Any]
    if item.file is not None:
        tag, data = "image", {"image": _LOCAL + item.file}
    elif item.record is not None:
        tag, data = "record", {"record": dict(item.record)}
    else:
        tag, data = "text", {"text": item.text or ""}
    task: dict[str, Any] = {"data": data, "meta": {CARRIED: carried(item, "text", "record")}}
    if item.label is not None:
        task["annotations"] = [{"result": _results(item, item.label, tag, options, ""), "ground_truth": True, "was_cancelled": False}]
    if item.prediction is not None:
        results = _results(item, item.prediction, tag, options, OURS)
        scores = [result["score"] for result in results if "score" in result]
        task["predictions"] = [{"model_version": item.model or UNNAMED, "result": results, **({"score": max(scores)} if scores else {})}]
    return task


def _results(item: Item, said: Mapping[str, Any], tag: str, options: Options, prefix: str) -> list[dict[str, Any]]:
    """What was said, as regions. Of a prediction in classes the best one, or those with a score of one half and more; all scores are carried along."""
    where = {"from_name": "label", "to_name": tag, "origin": "prediction" if prefix else "manual"}
    if "boxes" in said:
        return [{"id": f"{prefix}{number}", **where, **_rectangle(item, box)} for number, box in enumerate(said["boxes"], start=1)]
    if "value" in said:
        return [{"id": f"{prefix}1", **where, "type": "number", "value": {"number": said["value"]}}]
    scores = said.get("scores") or {}
    if "labels" in said:
        names = list(said["labels"])
    elif "label" in said:
        names = [said["label"]]
    elif options.task == "multilabel":
        names = [name for name, score in scores.items() if score >= 0.5]
    else:
        names = [max(scores, key=lambda name: scores[name])] if scores else []
    if not names and (prefix or "labels" not in said):
        return []
    score = {"score": scores[names[0]]} if names and names[0] in scores else {}
    return [{"id": f"{prefix}1", **where, "type": "choices", "value": {"choices": names}, **score}]


def _rectangle(item: Item, box: Mapping[str, Any]) -> dict[str, Any]:
    if item.width is None or item.height is None:
        which = shown(item.key or item.external_id or item.place)
        raise Invalid(
            f"Label Studio wants boxes in percent, and the size of the picture of {which} is not known. Nothing was exported. Export with media."
        )
    scales = (100 / item.width, 100 / item.height) * 2
    value = {side: box[side] * scale for side, scale in zip(SIDES, scales, strict=True)}
    return {
        "type": "rectanglelabels",
        "value": {**value, "rotation": 0, "rectanglelabels": [box["label"]]},
        "original_width": item.width,
        "original_height": item.height,
        "image_rotation": 0,
        **({"score": box["score"]} if "score" in box else {}),
    }


def _config(options: Options, kind: str) -> str:
    """The labelling configuration that the regions are made for."""
    media = {"image": '<Image name="image" value="$image"/>', "text": '<Text name="text" value="$text"/>'}
    shows = media.get(kind, '<Table name="record" value="$record"/>')
    control = _TITLES[options.task]
    if control == "Number":
        return f'<View>\n  {shows}\n  <Number name="label" toName="{kind}"/>\n</View>\n'
    child = "Label" if control == "RectangleLabels" else "Choice"
    lines = "".join(f'    <{child} value="{html.escape(name, quote=True)}"/>\n' for name in options.classes)
    choice = ' choice="multiple"' if options.task == "multilabel" else ""
    return f'<View>\n  {shows}\n  <{control} name="label" toName="{kind}"{choice}>\n{lines}  </{control}>\n</View>\n'
