"""The columns of our own tables, which are known before the first item is, and the values of an item in them."""

import json
from collections.abc import Mapping
from typing import Any

from hardcases.formats.exchange import Item, Options
from hardcases.formats.rowwise import SCORE

OWN = ("key", "external_id", "sha256")  # a table that begins with these columns is taken for one of ours
_PLAIN = ("file", "width", "height", "text", "captured_at", "reason", "source", "model", "note")


def columns_of(options: Options) -> list[str]:
    """Names as `rowwise` reads them: the case, what was said, one column a class where there are scores, one for each declared attribute."""
    return [
        *OWN,
        *_PLAIN,
        *("record", "tags", "label", "correction", "prediction", "prediction.label"),
        *(f"prediction.{SCORE}{name}" for name in _scored(options)),
        *(f"attributes.{name}" for name in options.attributes),
        "attributes",
    ]


def row_of(item: Item, options: Options) -> dict[str, Any]:
    """Column to value: texts and numbers; lists and objects as JSON. Declared attributes keep their own type; the others are one object."""
    row: dict[str, Any] = {name: getattr(item, name) for name in (*OWN, *_PLAIN) if getattr(item, name) not in {None, ""}}
    if item.record is not None:
        row["record"] = _json(item.record)
    if item.tags:
        row["tags"] = _json(list(item.tags))
    for name, said in (("label", item.label), ("correction", item.correction)):
        if said is not None:
            row[name] = _simple(said, options)
    if item.prediction is not None:
        row |= _prediction(item.prediction, options)
    others = {}
    for name, value in item.attributes.items():
        if name in options.attributes:
            row[f"attributes.{name}"] = value
        else:
            others[name] = value
    if others:
        row["attributes"] = _json(others)
    return row


def _scored(options: Options) -> tuple[str, ...]:
    return tuple(options.classes) if options.task in {"classification", "multilabel"} else ()


def _simple(said: Mapping[str, Any], options: Options) -> str:
    """A class or a number where that is all that was said; else JSON."""
    if options.task == "classification" and set(said) == {"label"} and _is_plain(said["label"]):
        return str(said["label"])
    if options.task == "regression" and set(said) == {"value"}:
        return _json(said["value"])
    return _json(said)


def _prediction(said: Mapping[str, Any], options: Options) -> dict[str, Any]:
    scores = said.get("scores", {})
    in_columns = said and set(said) <= {"scores", "label"} and set(scores) <= set(_scored(options)) and ("scores" not in said or scores)
    if not in_columns or not _is_plain(said.get("label", "-")):
        return {"prediction": _json(said)}
    label = {"prediction.label": said["label"]} if "label" in said else {}
    return label | {f"prediction.{SCORE}{name}": score for name, score in scores.items()}


def _is_plain(name: Any) -> bool:
    return isinstance(name, str) and name != "" and not name.lstrip().startswith(("{", "["))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
