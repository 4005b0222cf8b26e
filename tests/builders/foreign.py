"""Items for the law of every format: what was written is read again. One strategy for each task, with values that break careless readers."""

import io
import string

from hypothesis import strategies as st

from hardcases.formats.exchange import Item
from tests.builders.formats import png

WORDS = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")) | st.sampled_from("=+-@\"',;\t\n{}[]"), min_size=1, max_size=12
).filter(lambda text: text.strip() == text)
NAMES = st.text(string.ascii_lowercase, min_size=1, max_size=8)
NUMBERS = st.floats(-1e9, 1e9, allow_nan=False).map(lambda value: value + 0.0)
SINGLE = WORDS | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | NUMBERS
SIDE = st.floats(0.5, 500, allow_nan=False)


def scores(options):
    return st.dictionaries(st.sampled_from(options.classes), st.floats(0, 1), min_size=1)


def boxes(options, *, scored):
    """Boxes inside a picture of 1,000 by 1,000 pixels."""
    sides = dict.fromkeys(("x", "y", "width", "height"), SIDE)
    more = {"score": st.floats(0, 1)} if scored else {}
    return st.lists(st.fixed_dictionaries({**sides, "label": st.sampled_from(options.classes), **more}), max_size=4)


def labels(options):
    """What a person may say in a project of this task."""
    if options.task == "classification":
        return st.fixed_dictionaries({"label": st.sampled_from(options.classes)})
    if options.task == "multilabel":
        return st.fixed_dictionaries({"labels": st.lists(st.sampled_from(options.classes), unique=True)})
    if options.task == "detection":
        return st.fixed_dictionaries({"boxes": boxes(options, scored=False)})
    return st.fixed_dictionaries({"value": NUMBERS})


def predictions(options):
    """What a model may say."""
    if options.task == "classification":
        return st.fixed_dictionaries({"scores": scores(options)}, optional={"label": st.sampled_from(options.classes)})
    if options.task == "multilabel":
        return st.fixed_dictionaries(
            {"scores": scores(options)}, optional={"labels": st.lists(st.sampled_from(options.classes), unique=True)}
        )
    if options.task == "detection":
        return st.fixed_dictionaries({"boxes": boxes(options, scored=True)})
    return st.fixed_dictionaries({"value": NUMBERS}) | st.just({"refused": True, "message": "too dark"})


def contents(kinds):
    """One of the kinds of content, as fields of an item."""
    found = {
        "file": st.just({"width": 1000, "height": 1000}).map(lambda size: {"file": "", **size}),
        "text": WORDS.map(lambda text: {"text": text}),
        "record": st.dictionaries(NAMES, SINGLE, min_size=1, max_size=3).map(lambda record: {"record": record}),
    }
    return st.one_of([found[kind] for kind in kinds])


@st.composite
def items(draw, options, kinds=("file", "text", "record")):
    """Up to four items with keys and files of their own."""
    found = []
    for number in range(1, draw(st.integers(0, 4)) + 1):
        content = draw(contents(kinds))
        if "file" in content:
            content["file"] = f"images/XR-{number}.png"
        optional = {
            "external_id": WORDS, "sha256": st.just("ab" * 32), "captured_at": st.just("2026-11-20T14:02:00Z"), "reason": WORDS, "source": WORDS,
            "model": WORDS, "note": WORDS, "attributes": st.dictionaries(st.sampled_from([*options.attributes, "other", "a.b"]), SINGLE, max_size=3),
            "tags": st.lists(WORDS, max_size=2).map(tuple), "prediction": predictions(options), "correction": labels(options), "label": labels(options),
        }  # fmt: skip
        rest = draw(st.fixed_dictionaries({}, optional=optional))
        found.append(Item(place="", key=f"XR-{number}", **content, **rest))
    return found


def media(item):
    """A picture of the size that the strategy says."""

    return io.BytesIO(png(1000, 1000))
