"""FiftyOne datasets on disk, in MongoDB's extended JSON."""

import json

import pytest

from hardcases.errors import Invalid
from hardcases.formats.exchange import Item
from tests.builders.foreign import media
from tests.builders.formats import BOXES, CHEST, MANY, NUMBER, members, png, read, written


def sample(**fields):
    return {"_id": {"$oid": "a" * 24}, "filepath": "data/a.png", "tags": ["t"], "_media_type": "image", "_rand": 0.5,
            "metadata": {"_cls": "ImageMetadata", "width": 200, "height": 100}, **fields}  # fmt: skip


def dataset(*samples):
    return {"metadata.json": {"name": "x", "version": "1.0.0"}, "samples.json": {"samples": list(samples)}, "data/a.png": png(200, 100)}


def detection(**more):
    return {
        "_id": {"$oid": "b" * 24},
        "_cls": "Detection",
        "label": "cat",
        "bounding_box": [0.25, 0.5, 0.5, 0.25],
        "tags": [],
        "attributes": {},
        **more,
    }


def detections(*found):
    return {"_cls": "Detections", "detections": list(found)}


CAT = {"x": 50, "y": 50, "width": 100, "height": 25, "label": "cat"}


def one(options, **fields):
    items, findings = read("fiftyone", dataset(sample(**fields)), options)
    return items[0], [finding.problem for finding in findings]


def test_fractions_become_pixels():
    item, problems = one(BOXES, ground_truth=detections(detection()), predictions=detections(detection(confidence=0.5)))
    assert problems == []
    assert item == Item(
        place="samples/0",
        file="data/a.png",
        width=200,
        height=100,
        tags=("t",),
        label={"boxes": [CAT]},
        prediction={"boxes": [{**CAT, "score": 0.5}]},
    )


def test_the_size_is_that_of_the_picture_where_the_sample_does_not_say_it():
    bare = sample(ground_truth=detections(detection()), metadata=None)
    assert read("fiftyone", dataset(bare), BOXES)[0][0].label == {"boxes": [CAT]}
    content = {name: value for name, value in dataset(bare).items() if name != "data/a.png"}
    items, findings = read("fiftyone", content, BOXES)
    assert items[0].label is None
    assert any("size of the picture" in finding.problem for finding in findings)


@pytest.mark.parametrize(
    ("options", "field", "label"),
    [
        (CHEST, {"_cls": "Classification", "label": "nodule", "confidence": {"$numberDouble": "NaN"}}, {"label": "nodule"}),
        (MANY, {"_cls": "Classifications", "classifications": [{"label": "cat"}, {"label": "dog"}]}, {"labels": ["cat", "dog"]}),
        (NUMBER, {"_cls": "Regression", "value": {"$numberDouble": "2.5"}}, {"value": 2.5}),
        (
            BOXES,
            {"_cls": "Polylines", "polylines": [{"label": "cat", "points": [[[0.25, 0.5], [0.75, 0.5], [0.75, 0.75]]]}]},
            {"boxes": [CAT]},
        ),
        (BOXES, {"_cls": "Detections", "detections": []}, {"boxes": []}),
        (BOXES, {"_cls": "Detections", "detections": [{"label": "cat", "bounding_box": [0, 0, 0, 1]}]}, None),
        (BOXES, {"_cls": "Detections", "detections": [{"bounding_box": [0, 0, 1, 1]}]}, None),
        (NUMBER, {"_cls": "Regression", "value": {"$numberDouble": "NaN"}}, None),
        (CHEST, {"_cls": "Classification", "label": "mass"}, None),
    ],
)
def test_labels_of_each_kind(options, field, label):
    item, problems = one(options, ground_truth=field)
    assert item.label == label
    assert label is not None or problems


def test_predictions_of_classes():
    assert one(CHEST, predictions={"_cls": "Classification", "label": "nodule", "confidence": 0.75})[0].prediction == {
        "scores": {"nodule": 0.75}
    }


def test_masks_and_what_else_has_no_place_are_told():
    binary = {"$binary": {"base64": "eJw=", "subType": "00"}}
    item, problems = one(
        BOXES,
        ground_truth=detections(detection(mask=binary, attributes={"x": 1}), detection(mask=binary, iscrowd=0)),
        heat={"_cls": "Heatmap", "map": binary},
        raw=binary,
        place={"_cls": "GeoLocation", "point": [1, 2]},
    )
    assert len(item.label["boxes"]) == 2
    assert {problem.split(" ")[0] for problem in problems} == {"Masks", "Attributes", "“iscrowd”", "“Heatmap”", "The", "“GeoLocation”"}


def test_plain_fields_become_attributes_in_plain_json():
    times = {"day": {"$date": "2026-11-20T00:00:00Z"}, "at": {"$date": {"$numberLong": "0"}}}
    item, _ = one(CHEST, age={"$numberInt": "61"}, site="a", none=None, _dataset_id={"$oid": "c"}, **times)
    assert item.attributes == {"age": 61, "day": "2026-11-20T00:00:00Z", "at": "1970-01-01T00:00:00Z", "site": "a"}


def test_other_fields_of_labels_need_to_be_named():
    field = {"_cls": "Classification", "label": "nodule"}
    item, problems = one(CHEST, truth=field)
    assert item.label is None
    assert any("“truth” holds labels" in problem for problem in problems)
    items, findings = read("fiftyone", dataset(sample(truth=field, x=1)), fields={"truth": "label", "x": None})
    assert (items[0].label, items[0].attributes, findings) == ({"label": "nodule"}, {}, [])


def test_absolute_paths_find_their_pictures():
    assert read("fiftyone", dataset(sample(filepath="/home/me/x/a.png")))[0][0].file == "data/a.png"


def test_samples_that_are_none_and_files_that_break_off():
    broken = '{"samples": [3, {"tags": []}, ' + json.dumps(sample()) + ', {"filepath'
    items, findings = read("fiftyone", {"samples.json": broken, "data/a.png": png()})
    assert [item.place for item in items] == ["samples/2"]
    assert [finding.place for finding in findings if finding.lost] == ["samples/0", "samples/1", "samples"]
    with pytest.raises(Invalid, match="no list"):
        read("fiftyone", {"samples.json": "{}"})
    with pytest.raises(Invalid, match="use_dirs"):
        read("fiftyone", {"metadata.json": "{}", "samples/1.json": "{}", "samples/2.json": "{}"})


class ExportTests:
    ITEM = Item(
        place="",
        key="XR-1",
        file="a.png",
        label={"boxes": [{**CAT, "x": 51}]},
        prediction={"boxes": [{**CAT, "score": 0.5}]},
        attributes={"site": "a"},
    )

    def test_samples_hold_what_an_importer_needs(self):
        packed = members(written("fiftyone", [self.ITEM], BOXES, media))
        assert set(packed) == {"data/a.png", "samples.json", "metadata.json"}
        (found,) = json.loads(packed["samples.json"])["samples"]
        metadata = json.loads(packed["metadata.json"])
        fields = {field["db_field"]: field for field in metadata["sample_fields"]}
        assert {name for name in found if name not in {"_media_type", "_rand"}} == set(fields)
        assert found["filepath"] == "data/a.png"
        assert len(found["_id"]["$oid"]) == 24
        assert found["metadata"] == {"_cls": "ImageMetadata", "width": 1000, "height": 1000}
        assert found["ground_truth"]["detections"][0]["bounding_box"] == [0.051, 0.05, 0.1, 0.025]
        assert fields["ground_truth"]["embedded_doc_type"].endswith("Detections")
        assert found["attribute_site"] == "a"

    def test_a_label_that_was_changed_in_the_tool_counts(self):
        packed = members(written("fiftyone", [self.ITEM], BOXES, media))
        samples = json.loads(packed["samples.json"])
        samples["samples"][0]["ground_truth"]["detections"][0]["bounding_box"][0] = 0.5
        samples["samples"][0]["attribute_site"] = "b"
        (item,), _ = read("fiftyone", {**packed, "samples.json": samples}, BOXES)
        assert (item.key, item.label["boxes"][0]["x"], item.attributes) == ("XR-1", 500, {"site": "b"})

    def test_what_it_cannot_hold_is_refused(self):
        with pytest.raises(Invalid, match="pictures only"):
            written("fiftyone", [Item(place="", key="XR-1", text="a")])
        with pytest.raises(Invalid, match="size"):
            written("fiftyone", [self.ITEM], BOXES)
