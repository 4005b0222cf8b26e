"""Examples as tools for language models export them (Langfuse, LangSmith, Phoenix, Braintrust, chat fine-tuning), in the names of an item.

What the model was given becomes the content: a text as it is, flat values as a record, anything deeper as the text of its JSON. What it should have answered
becomes the label where it is one in this project, else the attribute `expected_output`.
"""

import json
from collections.abc import Mapping
from typing import Any

from hardcases.formats.exchange import Options
from hardcases.formats.said import is_number
from hardcases.formats.tally import Tally

EXPECTED = "expected_output"
_NOT_KEPT = frozenset({
    "dataset_id", "datasetId", "datasetName", "node_id", "created_at", "createdAt", "modified_at", "updated_at", "updatedAt",
    "source_run_id", "sourceTraceId", "sourceObservationId", "_xact_id", "mediaReferences", "attachments", "status", "projectId", "split",
})  # fmt: skip
_LOST = {
    "mediaReferences": "Media that the example points to is not fetched.",
    "attachments": "Attachments of the example are not fetched.",
}


def translated(place: str, line: dict[str, Any], options: Options, tally: Tally) -> dict[str, Any]:
    """The line in the names of an item; a line that is none of these shapes comes back as it is, with the API's `input` taken apart."""
    if isinstance(line.get("messages"), list):
        return _chat(line)
    if "inputs" in line and isinstance(line["inputs"], Mapping):
        return _example(place, line, line["inputs"], line.get("outputs"), options, tally)
    if "input" not in line:
        return line
    given = line["input"]
    if isinstance(given, Mapping) and set(given) in ({"text"}, {"record"}) and not {"output", "expected", "expectedOutput"} & set(line):
        return {**{name: value for name, value in line.items() if name != "input"}, **given}
    answer = next((line[name] for name in ("expectedOutput", "expected", "output") if name in line), None)
    return _example(place, line, given, answer, options, tally)


def _example(place: str, line: Mapping[str, Any], given: Any, answer: Any, options: Options, tally: Tally) -> dict[str, Any]:
    fields = {"external_id": line.get("id"), **_content(given), **_answer(answer, options)}
    attributes = dict(fields.pop("attributes", {}))
    metadata = line.get("metadata")
    attributes |= metadata if isinstance(metadata, Mapping) else {} if metadata is None else {"metadata": metadata}
    split = line.get("split")
    attributes |= {} if split is None else {"split": split}
    for name, value in line.items():
        if name in _LOST and value:
            tally.add(place, _LOST[name])
        elif name == "tags":
            fields["tags"] = value
        elif name not in _NOT_KEPT | {"id", "input", "inputs", "output", "outputs", "expected", "expectedOutput", "metadata"}:
            attributes.setdefault(name, value)
        elif name in _NOT_KEPT and name not in _LOST | {"split": ""} and value is not None:
            tally.add(place, f"“{name}” belongs to the tool that wrote the file and is not kept.")
    return {**fields, "attributes": attributes}


def _content(given: Any) -> dict[str, Any]:
    if isinstance(given, str):
        return {"text": given}
    if isinstance(given, Mapping):
        if set(given) <= {"text", "input", "question", "prompt"} and len(given) == 1 and isinstance(next(iter(given.values())), str):
            return {"text": next(iter(given.values()))}
        if not any(isinstance(value, Mapping | list) for value in given.values()):
            return {"record": given}
    return {} if given is None else {"text": _json(given)}


def _answer(answer: Any, options: Options) -> dict[str, Any]:
    if isinstance(answer, Mapping) and len(answer) == 1:
        answer = next(iter(answer.values()))
    if answer is None:
        return {}
    mapped = options.mapping.get("classes", {})
    if options.task == "classification" and isinstance(answer, str) and (answer in options.classes or answer in mapped):
        return {"label": {"label": answer}}
    if options.task == "regression" and is_number(answer):
        return {"label": {"value": answer}}
    return {"attributes": {EXPECTED: answer if isinstance(answer, str | int | float) else _json(answer)}}


def _chat(line: Mapping[str, Any]) -> dict[str, Any]:
    """A conversation: its last answer is what was expected, all before it is what the model was given."""
    messages = list(line["messages"])
    last = messages[-1] if messages else None
    attributes = {name: value for name, value in line.items() if name not in {"messages", "id"}}
    if isinstance(last, Mapping) and last.get("role") == "assistant":
        messages.pop()
        content = last.get("content")
        attributes[EXPECTED] = content if isinstance(content, str) else _json(last)
    only = messages[0] if len(messages) == 1 and isinstance(messages[0], Mapping) else {}
    alone = only.get("role") == "user" and isinstance(only.get("content"), str)
    text = only["content"] if alone else _json(messages) if messages else None  # nothing was said to the model
    return {"external_id": line.get("id"), "text": text, "attributes": attributes}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
