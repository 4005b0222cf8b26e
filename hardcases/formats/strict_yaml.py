"""The small YAML files that stand beside foreign data: plain values only, and nothing that hides what they say."""

from typing import Any

import yaml

from hardcases.formats import strict

LIMIT = 200_000  # bytes; the parser is slow


class YAMLError(ValueError):
    """Why it cannot be used, as a sentence."""


def parse(data: bytes) -> Any:
    """One document of mappings, lists, texts, numbers and booleans. Raises `YAMLError` for anchors, tags, repeated keys, deep nesting, and more than 200,000 bytes."""
    if len(data) > LIMIT:
        raise YAMLError(f"It is larger than {LIMIT:,} bytes.")
    try:
        _refuse_anchors(data)
        _refuse_repeats(yaml.compose(data, Loader=yaml.SafeLoader))
        value = yaml.safe_load(data)
    except YAMLError:
        raise
    except (yaml.YAMLError, ValueError, TypeError, RecursionError, OverflowError) as error:
        raise YAMLError("It is not YAML of plain values.") from error
    problem = strict.unfit(value)
    if problem:
        raise YAMLError(problem)
    return value


def _refuse_anchors(data: bytes) -> None:
    """Also stops at the depth that strict JSON allows: the parser's time grows with the square of the depth."""
    depth = 0
    for event in yaml.parse(data, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > strict.MAX_DEPTH:
            raise YAMLError(f"It is nested deeper than {strict.MAX_DEPTH} levels.")
        if getattr(event, "anchor", None) is not None:
            raise YAMLError("It holds anchors or aliases.")


def _refuse_repeats(node: yaml.Node | None) -> None:
    waiting = [node]
    while waiting:
        item = waiting.pop()
        if isinstance(item, yaml.MappingNode):
            names = [str(key.value) for key, _ in item.value]
            if len(set(names)) < len(names):
                raise YAMLError("A key is repeated.")
            waiting += [value for _, value in item.value]
        elif isinstance(item, yaml.SequenceNode):
            waiting += item.value
