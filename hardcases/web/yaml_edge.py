"""YAML for people who write documents by hand: the same values as the strict JSON reader, and none of YAML's surprises."""

import json
from collections.abc import Mapping
from typing import IO, Any

import yaml
from rest_framework.parsers import BaseParser

from hardcases.errors import BadRequest, TooLarge
from hardcases.web.json_edge import MAX_DEPTH, read_json

YAML_LIMIT = 200_000


class BadYAML(BadRequest):
    """The text is not YAML that we take."""

    code, title = "bad_yaml", "The YAML could not be read"


def read_yaml(data: bytes, *, limit: int = YAML_LIMIT) -> Any:
    """Parse one YAML document into JSON values. Anchors, tags and repeated keys are refused: they hide what a document says, or how much of it."""
    if len(data) > limit:
        raise TooLarge(f"The YAML is larger than the limit of {limit:,} bytes. Nothing was stored. Send less at once.")
    try:
        depth = 0
        for event in yaml.parse(data, Loader=yaml.SafeLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:  # here, because the parser's time grows with the square of the depth
                raise BadYAML(f"The YAML is nested deeper than {MAX_DEPTH} levels. Nothing was stored. Write it flatter.")
            if getattr(event, "anchor", None) is not None:
                raise BadYAML("Anchors and aliases are not taken. Nothing was stored. Write the value out where it is needed.")
        node = yaml.compose(data, Loader=yaml.SafeLoader)
        _refuse_repeated_keys(node)
        value = yaml.safe_load(data)
        return read_json(json.dumps(value, allow_nan=True), limit=limit * 2)
    except (yaml.YAMLError, TypeError, ValueError, RecursionError) as error:
        place = getattr(error, "problem_mark", None)
        where = f" at line {place.line + 1}, column {place.column + 1}" if place else ""
        raise BadYAML(f"This is not YAML with plain values only{where}. Nothing was stored. Quote dates, or send JSON.") from error


def _refuse_repeated_keys(node: yaml.Node | None) -> None:
    waiting = [node]
    while waiting:
        item = waiting.pop()
        if isinstance(item, yaml.MappingNode):
            names = [key.value for key, _ in item.value]
            repeated = {name for name in names if names.count(name) > 1} if len(names) < 1_000 else set()
            if repeated or len(names) >= 1_000:
                raise BadYAML(
                    f"A key is repeated or there are too many in one place ({', '.join(sorted(repeated)) or len(names)}). Nothing was stored."
                )
            waiting += [value for _, value in item.value]
        elif isinstance(item, yaml.SequenceNode):
            waiting += item.value


class YAMLParser(BaseParser):
    """`application/yaml` through `read_yaml`."""

    media_type = "application/yaml"

    def parse(self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        """The document's JSON values."""
        return read_yaml(stream.read(YAML_LIMIT + 1))
