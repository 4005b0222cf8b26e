"""Label Studio: tasks as people import and export them."""

import json
from xml.etree import ElementTree

import pytest

from hardcases.errors import Invalid
from hardcases.formats.exchange import Item
from hardcases.formats.studio_read import file_name
from tests.builders.foreign import media
from tests.builders.formats import BOXES, CHEST, MANY, NUMBER, members, png, read, written


def region(kind="rectanglelabels", **value):
    """A region of a picture of 200 by 100 pixels."""
    labels = {} if kind in value or kind in {"number", "rating", "textarea", "rectangle"} else {kind: ["cat"]}
    size = {"original_width": 200, "original_height": 100, "image_rotation": 0}
    return {"id": "r", "from_name": "label", "to_name": "image", "type": kind, "value": {**value, **labels}, **size}


def rectangle(**more):
    return {**region(x=10, y=20, width=50, height=10, rotation=0), **more}


def choices(*names, control="label", **more):
    return {"id": "c", "from_name": control, "to_name": "image", "type": "choices", "value": {"choices": list(names)}, **more}


def task(*results, data=None, **annotation):
    return {"id": 5, "data": data or {"image": "/data/upload/1/0a1b2c3d-a.png"}, "annotations": [{"result": list(results), **annotation}]}


def tasks(*found):
    return json.dumps(found)


def label(options, *results):
    items, findings = read("label_studio", tasks(task(*results)), options)
    return items[0].label, [finding.problem for finding in findings if "package" not in finding.problem]


class LabelTests:
    def test_percent_become_pixels(self):
        items, _ = read("label_studio", {"tasks.json": tasks(task(rectangle())), "images/a.png": png(200, 100)}, BOXES)
        assert items[0] == Item(
            place="tasks/0",
            file="images/a.png",
            width=200,
            height=100,
            label={"boxes": [{"x": 20, "y": 20, "width": 100, "height": 10, "label": "cat"}]},
        )

    def test_the_size_is_that_of_the_picture_where_no_region_tells_it(self):
        bare = {name: value for name, value in rectangle().items() if not name.startswith("original")}
        items, _ = read("label_studio", {"tasks.json": tasks(task(bare)), "a.png": png(200, 100)}, BOXES)
        assert items[0].label["boxes"][0]["width"] == 100
        said, problems = label(BOXES, bare)
        assert said is None
        assert any("how large" in problem for problem in problems)

    def test_shapes_become_the_boxes_around_them_and_that_is_said(self):
        turned = region(x=50, y=50, width=10, height=20, rotation=90)
        outline = region("polygonlabels", points=[[10, 10], [30, 10], [20, 50]])
        ellipse = region("ellipselabels", x=50, y=50, radiusX=10, radiusY=20, rotation=0)
        said, problems = label(BOXES, turned, outline, ellipse)
        boxes = [[round(box[side], 6) for side in ("x", "y", "width", "height")] for box in said["boxes"]]
        assert boxes == [[80, 50, 20, 20], [20, 10, 40, 40], [80, 30, 40, 40]]
        assert len(problems) == 3

    @pytest.mark.parametrize(
        "bad",
        [
            region("brushlabels", format="rle", rle=[1, 2]),
            region("keypointlabels", x=1, y=1, width=1),
            region(x=1, y=1, width=0, height=1),
            region(x=1, y=1, width="2", height=1),
            region(x=1, y=1, width=2, height=1, rectanglelabels=[]),
            region("polygonlabels", points=[[1, 1]]),
            rectangle(image_rotation=90),
            {"type": "rectanglelabels", "value": 3},
        ],
    )
    def test_a_region_that_cannot_be_used_leaves_the_label_out(self, bad):
        said, problems = label(BOXES, rectangle(), bad)
        assert said is None
        assert problems

    def test_a_box_whose_class_stands_in_a_region_of_the_same_id(self):
        plain = {**region("rectangle", x=10, y=20, width=50, height=10), "id": "q"}
        named = {**region("labels", x=10, y=20, width=50, height=10), "id": "q"}
        said, problems = label(BOXES, plain, named)
        assert (len(said["boxes"]), problems) == (1, [])

    def test_an_annotation_without_regions_says_that_nothing_is_there(self):
        assert label(BOXES)[0] == {"boxes": []}
        assert label(MANY)[0] == {"labels": []}
        assert label(CHEST)[0] is None

    def test_choices_numbers_ratings_and_taxonomies(self):
        assert label(CHEST, choices("nodule"))[0] == {"label": "nodule"}
        assert label(MANY, choices("cat", "dog"))[0] == {"labels": ["cat", "dog"]}
        assert label(NUMBER, region("number", number=2.5))[0] == {"value": 2.5}
        assert label(NUMBER, region("rating", rating=4))[0] == {"value": 4}
        assert label(MANY, region("taxonomy", taxonomy=[["animal", "cat"]]))[0] == {"labels": ["cat"]}

    def test_several_controls_are_told_apart_by_the_mapping(self):
        content = tasks(
            task(choices("nodule"), choices("good", control="quality"), {**region("textarea", text=["see left"]), "from_name": "comment"})
        )
        items, findings = read("label_studio", content)
        assert (items[0].label, items[0].attributes) == (None, {"label": "nodule", "quality": "good", "comment": "see left"})
        assert any("fields" in finding.problem for finding in findings)
        items, findings = read("label_studio", content, fields={"label": "label", "quality": None, "comment": "note"})
        assert (items[0].label, items[0].attributes, items[0].note) == ({"label": "nodule"}, {}, "see left")

    def test_classes_are_mapped(self):
        assert read("label_studio", tasks(task(choices("Nodule"))), classes={"Nodule": "nodule"})[0][0].label == {"label": "nodule"}
        assert label(CHEST, choices("Nodule"))[0] is None

    def test_what_has_no_place_is_said(self):
        relation = {"type": "relation", "from_id": "a", "to_id": "b", "direction": "right"}
        spans = {"type": "labels", "from_name": "ner", "value": {"start": 1, "end": 3, "labels": ["X"]}}
        said, problems = label(CHEST, choices("nodule"), relation, spans)
        assert said == {"label": "nodule"}
        assert len(problems) == 2


class TaskTests:
    def test_cancelled_annotations_are_skipped_and_the_newest_truth_counts(self):
        annotations = [
            {"result": [choices("normal")], "was_cancelled": True, "updated_at": "2026-11-09"},
            {"result": [choices("nodule")], "ground_truth": True, "updated_at": "2026-11-02"},
            {"result": [choices("normal")], "ground_truth": True, "updated_at": "2026-11-01"},
            {"result": [choices("normal")], "ground_truth": False, "updated_at": "2026-11-08"},
        ]
        items, findings = read("label_studio", tasks({"data": {"image": "a.png"}, "annotations": annotations}))
        assert items[0].label == {"label": "nodule"}
        assert {finding.problem.split(" ")[0] for finding in findings} >= {"Cancelled", "Of"}
        items, _ = read("label_studio", tasks({"data": {"image": "a.png"}, "annotations": annotations[:1]}))
        assert items[0].label is None

    def test_the_newest_prediction_counts_with_its_model(self):
        predictions = [
            {"model_version": "m@2", "created_at": "2026-11-02", "score": 0.75, "result": [choices("nodule")]},
            {"model_version": "m@1", "created_at": "2026-11-01", "score": 0.5, "result": [choices("normal")]},
        ]
        items, _ = read("label_studio", tasks({"data": {"image": "a.png"}, "predictions": predictions}))
        assert (items[0].model, items[0].prediction, items[0].label) == ("m@2", {"scores": {"nodule": 0.75}}, None)
        boxes = [{"result": [rectangle(score=0.25)]}]
        items, _ = read("label_studio", tasks({"data": {"image": "a.png"}, "predictions": boxes}), BOXES)
        assert items[0].prediction["boxes"][0]["score"] == 0.25

    def test_data_is_mapped_like_columns(self):
        content = tasks(task(choices("nodule"), data={"text": "hallo", "site": "a", "ref": "req-1", "x": 1}))
        items, _ = read("label_studio", content, columns={"ref": "external_id", "x": None})
        assert (items[0].text, items[0].external_id, items[0].attributes) == ("hallo", "req-1", {"site": "a"})
        items, _ = read("label_studio", tasks(task(data={"scan": "x/a.png"})), columns={"scan": "file"})
        assert items[0].external_id == "x/a.png"

    @pytest.mark.parametrize(
        ("address", "name"),
        [
            ("/data/upload/1/0a1b2c3d-a.png", "0a1b2c3d-a.png"),
            ("/data/local-files/?d=images/a%20b.png", "images/a b.png"),
            ("https://host/x/a%20b.png?token=1", "x/a b.png"),
            ("s3://bucket/x/a.png", "x/a.png"),
            ("images/a.png", "images/a.png"),
            ("http://[x", "http://[x"),
        ],
    )
    def test_the_name_of_a_picture_in_its_address(self, address, name):
        assert file_name(address) == name

    def test_uploads_are_packed_with_or_without_their_prefix(self):
        content = tasks(task(choices("nodule")))
        assert read("label_studio", {"t.json": content, "images/0a1b2c3d-a.png": png()})[0][0].file == "images/0a1b2c3d-a.png"
        assert read("label_studio", {"t.json": content, "images/a.png": png()})[0][0].file == "images/a.png"

    def test_the_configuration_is_not_read_and_that_is_said(self):
        bomb = '<!DOCTYPE x [<!ENTITY a "aaaa">]><View>&a;</View>'
        _, findings = read("label_studio", {"t.json": tasks(task(choices("nodule"))), "label_config.xml": bomb})
        assert any("XML" in finding.problem for finding in findings)

    def test_tasks_that_are_none_and_files_that_break_off(self):
        items, findings = read("label_studio", '[3, {"a": 1}, {"data": {"text": "x"}}, {"data"')
        assert [item.text for item in items] == ["x"]
        assert [finding.place for finding in findings if finding.lost] == ["tasks/0", "tasks/1", "tasks/3"]
        with pytest.raises(Invalid, match="list"):
            read("label_studio", '{"tasks": []}')

    def test_the_short_form(self):
        rows = [
            {"id": 1, "image": "a.png", "choice": "normal", "annotator": 1, "annotation_id": 1, "updated_at": "2026-11-01", "lead_time": 2},
            {"id": 1, "image": "a.png", "choice": "nodule", "annotator": 2, "annotation_id": 2, "updated_at": "2026-11-02", "lead_time": 2},
        ]
        items, findings = read("label_studio", json.dumps(rows))
        assert [item.label for item in items] == [{"label": "nodule"}]
        assert any("newest" in finding.problem for finding in findings)
        value = {
            "x": 10,
            "y": 20,
            "width": 50,
            "height": 10,
            "rotation": 0,
            "rectanglelabels": ["cat"],
            "original_width": 200,
            "original_height": 100,
        }
        items, _ = read(
            "label_studio",
            json.dumps([{"id": 1, "image": "a.png", "boxes": [value], "annotation_id": 3, "lead_time": 1, "site": "b"}]),
            BOXES,
        )
        assert items[0].label["boxes"][0]["x"] == 20
        assert items[0].attributes == {"site": "b"}


class ExportTests:
    def test_tasks_and_configuration_fit_together(self):
        item = Item(place="", key="XR-1", file="a.png", label={"boxes": [{"x": 1, "y": 2, "width": 3, "height": 4, "label": "cat"}]}, model="m@1",
                    prediction={"boxes": [{"x": 1, "y": 2, "width": 3, "height": 4, "label": "dog", "score": 0.5}]})  # fmt: skip
        packed = members(written("label_studio", [item], BOXES, media))
        (task,) = json.loads(packed["tasks.json"])
        config = ElementTree.fromstring(packed["label_config.xml"])
        control = config.find("RectangleLabels")
        for result in [*task["annotations"][0]["result"], *task["predictions"][0]["result"]]:
            assert (result["from_name"], result["to_name"]) == (control.get("name"), control.get("toName"))
            assert result["type"] == control.tag.lower()
            assert result["value"]["rectanglelabels"][0] in [child.get("value") for child in control]
            assert result["original_width"] == 1000
        assert task["data"]["image"] == "/data/local-files/?d=images/a.png"
        assert task["predictions"][0]["model_version"] == "m@1"

    def test_a_label_that_was_changed_in_the_tool_counts(self):
        item = Item(place="", key="XR-1", text="a", label={"label": "normal"}, prediction={"scores": {"nodule": 0.25, "normal": 0.75}})
        found = json.loads(written("label_studio", [item]))
        found[0]["annotations"][0]["result"][0]["value"]["choices"] = ["nodule"]
        (again,), findings = read("label_studio", json.dumps(found))
        assert (again.label, again.prediction, again.key, findings) == ({"label": "nodule"}, item.prediction, "XR-1", [])

    def test_boxes_need_the_size_of_their_picture(self):
        item = Item(place="", key="XR-1", file="a.png", label={"boxes": [{"x": 1, "y": 2, "width": 3, "height": 4, "label": "cat"}]})
        with pytest.raises(Invalid, match="size"):
            written("label_studio", [item], BOXES)
