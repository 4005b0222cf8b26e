"""Whatever the bytes are, a reader answers with items, findings or one refusal: never with another exception."""

import io
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hardcases.errors import Refusal
from hardcases.formats.exchange import Finding, Item, Options
from hardcases.formats.packages import open_package
from hardcases.formats.registry import READERS, WRITERS, guess
from tests.builders.foreign import media
from tests.builders.formats import TASKS, members, png, written, zipped

PLAIN = st.sampled_from(["nodule", "cat", "a.png", "NaN", "1", 1, 0, -1, 10**400])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=6) | PLAIN,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


def samples():
    """One export of every format and task, and an archive for every reader that has no writer."""
    found = {}
    for options in TASKS:
        said = {
            "classification": ({"label": "nodule"}, {"scores": {"nodule": 0.5}}),
            "multilabel": ({"labels": ["cat"]}, {"labels": ["dog"]}),
            "detection": (
                {"boxes": [{"x": 1, "y": 2, "width": 3, "height": 4, "label": "cat"}]},
                {"boxes": [{"x": 1, "y": 2, "width": 3, "height": 4, "label": "cat", "score": 0.5}]},
            ),
            "regression": ({"value": 1.5}, {"value": 2.5}),
        }[options.task]
        for kind in WRITERS:
            if kind in READERS:
                item = Item(
                    place="", key="XR-1", file="images/XR-1.png", width=1000, height=1000, label=said[0], prediction=said[1], tags=("t",)
                )
                try:
                    found[kind, options.task] = options, written(kind, [item], options, media)
                except Refusal:
                    continue
    return found


SAMPLES = samples()
EACH = pytest.mark.parametrize("case", SAMPLES, ids="-".join)
SLOW = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def consumed(kind, content, options):
    """Everything that a reader tells, or its refusal."""
    found, refused = [], "."
    try:
        with open_package(io.BytesIO(content), name="upload") as package:
            guess(package)
            found.extend(READERS[kind](package, options))
    except Refusal as refusal:
        refused = refusal.sentence
    assert refused.endswith(".")
    for one in found:
        assert isinstance(one, Item | Finding)
        if isinstance(one, Finding):
            assert one.problem
            assert one.count > 0
        else:
            json.dumps(vars(one), allow_nan=False).encode()
            assert not set(vars(one)["attributes"]) & {None}
    return found


@EACH
@SLOW
@given(data=st.data())
def test_mutated_bytes_of_members(case, data):
    options, content = SAMPLES[case]
    packed = members(content)
    name = data.draw(st.sampled_from([name for name in packed if not name.endswith(".png")] or list(packed)))
    changed = bytearray(packed[name])
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, max(len(changed) - 1, 0)))
        changed[at : at + data.draw(st.integers(0, 3))] = data.draw(
            st.binary(max_size=4) | st.sampled_from([b"[", b'"', b"}", b"-", b"1e999", b"\x00", b"NaN", b"null"])
        )
    packed[name] = bytes(changed)
    consumed(case[0], zipped(packed), options)


@EACH
@SLOW
@given(data=st.data())
def test_other_values_at_places_in_the_json(case, data):
    options, content = SAMPLES[case]
    packed = members(content)
    for name in [name for name in packed if name.endswith((".json", ".jsonl"))]:
        lines = packed[name].splitlines() if name.endswith(".jsonl") else [packed[name]]
        changed = [json.dumps(replaced(json.loads(line), data.draw)).encode() for line in lines]
        packed[name] = b"\n".join(changed)
    consumed(case[0], zipped(packed), options)


def replaced(value, draw):
    """The document with one of its values, at a depth that is drawn, exchanged for another."""
    if isinstance(value, dict) and value and draw(st.integers(0, 5)):
        name = draw(st.sampled_from(sorted(value)))
        return {**value, name: replaced(value[name], draw)}
    if isinstance(value, list) and value and draw(st.integers(0, 5)):
        at = draw(st.integers(0, len(value) - 1))
        return [*value[:at], replaced(value[at], draw), *value[at + 1 :]]
    return draw(VALUES)


def paths(value, path=()):
    """The path of every value in a document."""
    yield path
    if isinstance(value, dict | list):
        for step in list(value) if isinstance(value, dict) else range(len(value)):
            yield from paths(value[step], (*path, step))


def exchanged(value, path, other):
    """The document with another value at the path."""
    if not path:
        return other
    copied = dict(value) if isinstance(value, dict) else list(value)
    copied[path[0]] = exchanged(value[path[0]], path[1:], other)
    return copied


@EACH
def test_every_place_in_the_json_may_hold_anything(case):
    options, content = SAMPLES[case]
    packed = {name: png() if name.endswith(".png") else value for name, value in members(content).items()}
    for name in [name for name in packed if name.endswith((".json", ".jsonl"))]:
        document = json.loads(packed[name])
        for path in paths(document):
            for other in (None, [], {}, [[]], "x", -1, 1e308, 10**400, {"label": []}):
                consumed(case[0], zipped({**packed, name: json.dumps(exchanged(document, path, other))}), options)


@pytest.mark.parametrize("kind", READERS)
@settings(max_examples=40, deadline=None)
@given(content=st.binary(max_size=200) | st.text(max_size=100).map(str.encode), number=st.integers(0, 3))
def test_any_bytes_at_all(kind, content, number):
    consumed(kind, content, TASKS[number])


@pytest.mark.parametrize("kind", READERS)
@settings(max_examples=12, deadline=None)
@given(
    mapping=st.dictionaries(
        st.sampled_from(["classes", "columns", "texts", "delimiter", "member", "names", "folders", "fields"]), VALUES, max_size=3
    )
)
def test_any_mapping_at_all(kind, mapping):
    for case, (options, content) in SAMPLES.items():
        if case[0] == kind:
            consumed(kind, content, Options(task=options.task, classes=options.classes, mapping=mapping))
