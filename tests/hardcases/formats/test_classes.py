"""Classes that the project does not have: the finding itself names them, so that nobody has to read its sentence."""

import pytest

from hardcases.formats.classes import LONGEST_NAME
from tests.builders.formats import BOXES, CHEST, data, png, read

_COCO = data(
    {
        "images": [{"id": 1, "file_name": "a.png", "width": 8, "height": 4}],
        "categories": [{"id": 9, "name": "Cow"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 9, "bbox": [1, 1, 2, 2]}],
    }
)
UNKNOWN = {
    "a table": ("jsonl", b'{"text": "One.", "label": "Cow"}\n', CHEST, {}),
    "boxes": ("coco", _COCO, BOXES, {}),
    "a folder": ("zip", {"Cow/a.png": png()}, CHEST, {"folders": "class"}),
}


@pytest.mark.parametrize(("kind", "content", "options", "mapping"), UNKNOWN.values(), ids=UNKNOWN)
def test_whoever_reads_it_the_finding_has_the_name(kind, content, options, mapping):
    _, findings = read(kind, content, options, **mapping)
    assert [(finding.unknown_class, finding.count) for finding in findings if "no class" in finding.problem] == [("Cow", 1)]
    _, findings = read(kind, content, options, **mapping, classes={"Cow": None})
    assert [finding.unknown_class for finding in findings if finding.unknown_class] == []


def test_long_names_are_told_apart_though_the_sentence_shows_their_beginning():
    names = [letter.rjust(100, "x") for letter in "ab"] + ["y" * LONGEST_NAME]
    _, findings = read("csv", "text,label\n" + "".join(f"t{at},{name}\n" for at, name in enumerate([*names, *names])))
    assert {finding.unknown_class: finding.count for finding in findings} == dict.fromkeys(names, 2)


def test_what_no_mapping_can_hold_is_told_without_its_name():
    _, findings = read("csv", f"text,label\nt,{'x' * (LONGEST_NAME + 1)}\n")
    assert [finding.unknown_class for finding in findings] == [None]
    assert "is no class" in findings[0].problem
