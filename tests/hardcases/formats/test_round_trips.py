"""The law of every format: what was written is read again, for all that the format can hold."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hardcases.formats.exchange import Item
from hardcases.formats.registry import WRITERS
from tests.builders.foreign import items, media
from tests.builders.formats import BOXES, CHEST, MANY, NUMBER, read, written

EVERYTHING = ("file", "text", "record")
PICTURES = ("file",)
HOLDS = [
    *((kind, options, EVERYTHING) for kind in ("csv", "jsonl", "parquet") for options in (CHEST, MANY, BOXES, NUMBER)),
    *(("label_studio", options, EVERYTHING) for options in (CHEST, MANY, NUMBER)),
    ("label_studio", BOXES, PICTURES),
    ("yolo", BOXES, PICTURES),
    *(("fiftyone", options, PICTURES) for options in (CHEST, MANY, BOXES, NUMBER)),
    *(("coco", options, PICTURES) for options in (CHEST, MANY, BOXES)),
]
EACH = pytest.mark.parametrize(("kind", "options", "contents"), HOLDS, ids=[f"{kind}-{options.task}" for kind, options, _ in HOLDS])


def settled(item):
    """Without what only says where it stood: its place, and the folder that the format packs pictures into."""
    file = item.file and item.file.rpartition("/")[2]
    return replace(item, place="", file=file, tags=tuple(item.tags), attributes=dict(item.attributes))


@EACH
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_what_was_written_is_read_again(kind, options, contents, data):
    before = data.draw(items(options, contents))
    found, findings = read(kind, written(kind, before, options, media), options)
    assert [finding for finding in findings if finding.lost] == []
    assert [settled(item) for item in found] == [settled(item) for item in before]


@EACH
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_without_pictures_all_but_they_is_read_again(kind, options, contents, data):
    before = data.draw(items(options, contents))
    found, findings = read(kind, written(kind, before, options), options)
    assert [finding for finding in findings if finding.lost] == []
    assert [settled(item) for item in found] == [settled(replace(item, file=None)) for item in before]


@pytest.mark.parametrize("kind", WRITERS)
def test_the_same_items_make_the_same_bytes(kind):
    options, label = (BOXES, {"boxes": []}) if kind == "yolo" else (CHEST, {"label": "nodule"})
    before = [
        Item(place="", key=f"XR-{n}", file=f"images/XR-{n}.png", width=1000, height=1000, label=said, attributes={"site": "a"})
        for n, said in enumerate([label, None])
    ]
    assert written(kind, before, options, media) == written(kind, before, options, media)
