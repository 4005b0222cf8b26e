"""COCO as others write it, and as every reader of it wants it."""

import contextlib
import io
import json

import numpy as np
import pytest

from hardcases.errors import Invalid
from hardcases.formats.exchange import Item, Options
from tests.builders.formats import BOXES, CHEST, MANY, NUMBER, members, png, read, written

CATEGORIES = [{"id": 3, "name": "cat"}, {"id": 7, "name": "dog"}]


def coco(images=1, annotations=(), categories=CATEGORIES, **more):
    """A dataset of `images` pictures a1.png, a2.png, … (or a list of them); annotations get ids of their own."""
    listed = (
        [{"id": n, "file_name": f"a{n}.png", "width": 8, "height": 4} for n in range(1, images + 1)] if isinstance(images, int) else images
    )
    numbered = [{"id": n, "image_id": 1, "category_id": 3, **annotation} for n, annotation in enumerate(annotations)]
    return json.dumps({"images": listed, "annotations": numbered, "categories": categories, **more})


def box(x, y, width, height, label="cat", **more):
    return {"x": x, "y": y, "width": width, "height": height, "label": label, **more}


def sentences(findings):
    return [finding.problem for finding in findings]


class DatasetTests:
    def test_boxes_become_the_label_of_their_picture(self):
        content = coco(
            2, [{"bbox": [1, 2, 3.5, 1]}, {"bbox": [0, 0, 1, 1], "category_id": 7, "image_id": 2}, {"bbox": [4, 0, 2, 2], "category_id": 7}]
        )
        items, findings = read("coco", {"a.json": content, "images/a1.png": png(), "images/a2.png": png()}, BOXES)
        assert findings == []
        assert items[0] == Item(
            place="images/0", file="images/a1.png", width=8, height=4, label={"boxes": [box(1, 2, 3.5, 1), box(4, 0, 2, 2, "dog")]}
        )
        assert items[1].label == {"boxes": [box(0, 0, 1, 1, "dog")]}

    def test_annotations_may_come_before_their_pictures_and_ids_may_be_texts(self):
        content = json.dumps({
            "annotations": [{"id": "x", "image_id": "p-1", "category_id": "c", "bbox": [1, 1, 2, 2], "iscrowd": "0"}],
            "images": [{"id": "p-1", "file_name": "a.png"}],
            "categories": [{"id": "c", "name": "cat"}],
        })  # fmt: skip
        items, _ = read("coco", content, BOXES)
        assert (items[0].external_id, items[0].label) == ("a.png", {"boxes": [box(1, 1, 2, 2)]})

    def test_ids_from_zero_extra_keys_and_no_info(self):
        image = {
            "id": 0,
            "file_name": "a0.png",
            "width": 8,
            "height": 4,
            "path": "/data/a0.png",
            "metadata": {},
            "license": None,
            "coco_url": "",
            "site": "b",
        }
        content = coco(
            [image],
            [{"image_id": 0, "bbox": [1, 1, 2, 2], "iscrowd": "0", "color": "#fff", "isbbox": True, "metadata": {}, "segmentation": []}],
        )
        items, findings = read("coco", content, BOXES)
        assert items[0].attributes == {"path": "/data/a0.png", "site": "b"}
        assert items[0].label == {"boxes": [box(1, 1, 2, 2)]}
        assert {"“color” of annotations is not kept.", "“isbbox” of annotations is not kept."} <= set(sentences(findings))

    def test_what_is_lost_is_said_once_with_its_count(self):
        lossy = {
            "bbox": [1, 1, 2, 2],
            "segmentation": [[1, 1, 3, 1, 3, 3]],
            "keypoints": [1, 1, 2],
            "num_keypoints": 1,
            "attributes": {"occluded": True},
        }
        _, findings = read("coco", coco(1, [lossy] * 40, info={"year": "2026"}), BOXES)
        counts = {finding.problem.split(" ")[0]: finding.count for finding in findings}
        assert counts["Outlines"] == counts["Keypoints"] == counts["Attributes"] == 40
        assert len(findings) < 8
        assert not any(finding.lost for finding in findings)

    @pytest.mark.parametrize("crowd", [1, "1", True])
    def test_crowd_regions_are_left_out_and_said(self, crowd):
        items, findings = read("coco", coco(1, [{"bbox": [1, 1, 2, 2]}, {"bbox": [0, 0, 8, 4], "iscrowd": crowd}]), BOXES)
        assert items[0].label == {"boxes": [box(1, 1, 2, 2)]}
        assert any("Crowd" in sentence for sentence in sentences(findings))

    def test_an_outline_without_a_box_gives_the_box_around_it_and_a_mask_gives_none(self):
        content = coco(
            2,
            [
                {"segmentation": [[1, 1, 3, 1, 3, 2.5], [0, 2, 1, 2, 1, 3]]},
                {"image_id": 2, "segmentation": {"counts": "abc", "size": [4, 8]}},
            ],
        )
        items, findings = read("coco", content, BOXES)
        assert [item.label for item in items] == [{"boxes": [box(0, 1, 3, 2)]}, None]
        assert any("mask and no box" in sentence for sentence in sentences(findings))

    @pytest.mark.parametrize(
        "bad",
        [
            {"bbox": [1, 1, 0, 2]},
            {"bbox": [1, 1, 2]},
            {"bbox": "1,1,2,2"},
            {"bbox": [1, 1, None, 2]},
            {},
            {"bbox": [1, 1, 1, 1], "category_id": None},
        ],
    )
    def test_one_unusable_box_leaves_the_label_of_its_picture_out_whole(self, bad):
        items, findings = read("coco", coco(2, [{"bbox": [1, 1, 2, 2]}, bad, {"image_id": 2, "bbox": [1, 1, 2, 2]}]), BOXES)
        assert [item.label for item in items] == [None, {"boxes": [box(1, 1, 2, 2)]}]
        assert any("left out" in sentence for sentence in sentences(findings))

    def test_unknown_categories_leave_labels_out_until_they_are_mapped(self):
        content = coco(1, [{"bbox": [1, 1, 2, 2]}, {"bbox": [1, 1, 2, 2], "category_id": 9}], [*CATEGORIES, {"id": 9, "name": "Cow"}])
        items, findings = read("coco", content, BOXES)
        assert items[0].label is None
        assert any("“Cow” is no class" in sentence for sentence in sentences(findings))
        assert read("coco", content, BOXES, classes={"Cow": None})[0][0].label == {"boxes": [box(1, 1, 2, 2)]}
        assert read("coco", content, BOXES, classes={"Cow": "dog"})[0][0].label == {"boxes": [box(1, 1, 2, 2), box(1, 1, 2, 2, "dog")]}

    def test_a_category_that_is_not_listed_is_known_by_its_id(self):
        items, findings = read("coco", coco(1, [{"bbox": [1, 1, 2, 2], "category_id": 90}]), BOXES)
        assert items[0].label is None
        assert any("“90” is no class" in sentence for sentence in sentences(findings))

    def test_pictures_without_annotations_are_negative_where_others_have_some(self):
        items, findings = read("coco", coco(2, [{"bbox": [1, 1, 2, 2]}]), BOXES)
        assert items[1].label == {"boxes": []}
        assert any("nothing is on it" in sentence for sentence in sentences(findings))
        items, findings = read("coco", coco(2), BOXES)
        assert [item.label for item in items] == [None, None]
        assert any("no annotations of any picture" in sentence for sentence in sentences(findings))

    def test_the_same_id_or_the_same_file_twice_leaves_nobodys_label(self):
        images = [{"id": n, "file_name": name} for n, name in ((1, "a.png"), (1, "b.png"), (2, "c.png"), (3, "c.png"), (4, "d.png"))]
        items, findings = read("coco", coco(images, [{"image_id": n, "bbox": [1, 1, 2, 2]} for n in (1, 2, 3, 4)]), BOXES)
        assert [(item.external_id, item.label is None) for item in items] == [("a.png", True), ("c.png", True), ("d.png", False)]
        assert [finding.place for finding in findings if finding.lost] == ["images/1", "images/3"]

    def test_the_same_stem_with_another_ending_is_another_picture(self):
        images = [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "a.png"}]
        items, _ = read("coco", {"x.json": coco(images), "data/a.png": png(), "data/a.jpg": png()}, BOXES)
        assert [item.file for item in items] == ["data/a.jpg", "data/a.png"]
        items, _ = read("coco", {"x.json": coco(images), "data/a.png": png()}, BOXES)
        assert [(item.file, item.external_id) for item in items] == [(None, "a.jpg"), ("data/a.png", None)]

    def test_pictures_that_are_not_packed_are_told_not_fatal(self):
        items, findings = read("coco", {"x.json": coco(6, [{"bbox": [1, 1, 2, 2]}]), "images/q1.png": png(), "images/q2.png": png()}, BOXES)
        assert [item.file for item in items] == [None] * 6
        assert [finding.count for finding in findings if "not in the package" in finding.problem] == [6]

    def test_annotations_of_unlisted_pictures_are_told(self):
        _, findings = read(
            "coco", coco(1, [{"bbox": [1, 1, 2, 2]}, {"image_id": 5, "bbox": [1, 1, 2, 2]}, {"image_id": 5, "bbox": [1, 1, 2, 2]}]), BOXES
        )
        assert [(finding.place, finding.count) for finding in findings if "does not list" in finding.problem] == [("image_id/5", 2)]

    def test_scores_make_a_prediction_of_it(self):
        items, _ = read("coco", coco(2, [{"bbox": [1, 1, 2, 2], "score": 0.25}]), BOXES)
        assert [(item.label, item.prediction) for item in items] == [
            (None, {"boxes": [box(1, 1, 2, 2, score=0.25)]}),
            (None, {"boxes": []}),
        ]

    def test_captions_are_kept_as_an_attribute(self):
        captions = [{"caption": text, "category_id": None} for text in ("a cat", "two cats")]
        assert read("coco", coco(1, captions), BOXES)[0][0].attributes == {"captions": ["a cat", "two cats"]}

    @pytest.mark.parametrize(("options", "label"), [(CHEST, None), (MANY, {"labels": ["cat", "dog"]}), (NUMBER, None)])
    def test_other_tasks_take_the_classes(self, options, label):
        items, findings = read("coco", coco(1, [{"bbox": [1, 1, 2, 2]}, {"bbox": [1, 1, 2, 2], "category_id": 7}, {}]), options)
        assert items[0].label == label
        assert findings

    def test_names_may_be_external_ids_keys_or_ids(self):
        content = {"x.json": coco([{"id": 17, "file_name": "a/XR-5.png"}]), "a/XR-5.png": png()}
        assert read("coco", content, BOXES)[0][0].external_id is None
        assert read("coco", content, BOXES, names="external_id")[0][0].external_id == "a/XR-5.png"
        assert read("coco", content, BOXES, names="id")[0][0].external_id == "17"
        assert read("coco", content, BOXES, names="key")[0][0].key == "XR-5"
        with pytest.raises(Invalid, match="names"):
            read("coco", content, BOXES, names="sha")

    def test_several_datasets_in_folders_as_roboflow_packs_them(self):
        pack = {}
        for part in ("train", "valid"):
            pack |= {f"{part}/_annotations.coco.json": coco(1, [{"bbox": [1, 1, 2, 2]}]), f"{part}/a1.png": png()}
        items, findings = read("coco", pack, BOXES)
        assert [item.file for item in items] == ["train/a1.png", "valid/a1.png"]
        assert items[0].place == "train/_annotations.coco.json#images/0"
        assert not any(finding.lost for finding in findings)

    @pytest.mark.parametrize(
        "content",
        [
            '{"images": [{"id": 1, "file_name": "a.png"}], "annotations": [{"id": 1',
            "",
            "3",
            '{"images": [}',
            '{"images": [], "images": []}',
            b"\xff\xfe",
        ],
    )
    def test_json_that_breaks_off_is_refused_whole(self, content):
        with pytest.raises(Invalid, match="cannot be read as COCO"):
            read("coco", content, BOXES)

    def test_objects_with_repeated_keys_are_lost_alone(self):
        content = '{"images": [{"id": 1, "id": 2, "file_name": "a.png"}, {"id": 3, "file_name": "b.png"}, 5], "annotations": []}'
        items, findings = read("coco", content, BOXES)
        assert [item.external_id for item in items] == ["b.png"]
        assert [finding.place for finding in findings if finding.lost] == ["images/0", "images/2"]


class ResultTests:
    def test_results_alone_name_cases_by_image_id(self):
        rows = [
            {"image_id": 42, "category_id": 3, "bbox": [1, 2, 3, 4], "score": 0.5},
            {"image_id": 43, "category_id": 3, "bbox": [1, 2, 3, 4], "score": 0.25},
        ]
        items, _ = read("coco", json.dumps(rows), BOXES, classes={"3": "cat"})
        assert [(item.external_id, item.prediction) for item in items] == [
            ("42", {"boxes": [box(1, 2, 3, 4, score=0.5)]}),
            ("43", {"boxes": [box(1, 2, 3, 4, score=0.25)]}),
        ]

    def test_results_beside_their_dataset_become_its_predictions_and_strangers_are_told_one_by_one(self):
        rows = [{"image_id": n, "category_id": 7, "bbox": [1, 2, 3, 4], "score": 0.5} for n in (1, 8, 9)]
        items, findings = read(
            "coco", {"set.json": coco(1, [{"bbox": [1, 1, 2, 2]}]), "results.json": json.dumps(rows), "a1.png": png()}, BOXES
        )
        assert (items[0].label, items[0].prediction) == ({"boxes": [box(1, 1, 2, 2)]}, {"boxes": [box(1, 2, 3, 4, "dog", score=0.5)]})
        assert {finding.place for finding in findings if finding.lost} == {"results.json#image_id/8", "results.json#image_id/9"}

    def test_scores_of_classes(self):
        rows = [{"image_id": 1, "category_id": 3, "score": 0.75}, {"image_id": 1, "category_id": 7, "score": 0.5}]
        items, _ = read("coco", json.dumps(rows), MANY, classes={"3": "cat", "7": "dog"})
        assert items[0].prediction == {"scores": {"cat": 0.75, "dog": 0.5}}


class ExportTests:
    ITEMS = (
        Item(
            place="",
            key="XR-12",
            file="XR-12.png",
            width=8,
            height=4,
            label={"boxes": [box(1, 2, 3.25, 1), box(0.1, 0, 1, 1, "dog")]},
            tags=("t",),
        ),
        Item(
            place="",
            key="XR-7",
            file="XR-7.png",
            width=8,
            height=4,
            label={"boxes": []},
            prediction={"boxes": [box(1, 1, 1, 1, score=0.5)]},
        ),
        Item(place="", key="XR-9", file="XR-9.png", attributes={"site": "a"}, external_id="req-9"),
    )

    def test_pycocotools_loads_it(self, tmp_path):
        from pycocotools.coco import COCO

        (tmp_path / "a.json").write_bytes(written("coco", self.ITEMS, BOXES))
        with contextlib.redirect_stdout(io.StringIO()):
            loaded = COCO(tmp_path / "a.json")
            results = loaded.loadRes([{"image_id": 12, "category_id": 1, "bbox": [1, 2, 3, 1], "score": 0.5}])
        assert loaded.getImgIds() == [12, 7, 9]
        assert [loaded.cats[one["category_id"]]["name"] for one in loaded.loadAnns(loaded.getAnnIds(imgIds=[12]))] == ["cat", "dog"]
        assert np.allclose(loaded.anns[1]["bbox"], [1, 2, 3.25, 1])
        assert loaded.anns[1]["area"] == 3.25
        assert len(results.anns) == 1

    def test_everything_tools_ask_for_is_there(self):
        about = {"name": "hard-cxr", "license": "CC-BY-4.0", "published": "2026-11-20", "creator": "Radiology", "version": "3.0.0"}
        options = Options(task="detection", classes=("cat", "dog"), about=about)
        document = json.loads(written("coco", self.ITEMS, options))
        assert document["info"] == {
            "description": "hard-cxr", "url": "", "version": "3.0.0", "contributor": "Radiology", "date_created": "2026-11-20", "year": 2026,
        }  # fmt: skip
        assert document["licenses"] == [{"id": 1, "name": "CC-BY-4.0", "url": ""}]
        assert [category["id"] for category in document["categories"]] == [1, 2]
        assert {image["license"] for image in document["images"]} == {1}

    def test_importing_it_again_changes_nothing(self):
        content = written("coco", self.ITEMS, BOXES, media=lambda item: io.BytesIO(png()))
        assert list(members(content)) == ["images/XR-12.png", "images/XR-7.png", "images/XR-9.png", "annotations.json"]
        items, findings = read("coco", content, BOXES)
        assert findings == []
        for item, before in zip(items, self.ITEMS, strict=True):
            assert (item.key, item.external_id, item.label, item.prediction, item.tags, item.attributes) == (
                before.key, before.external_id, before.label, before.prediction, before.tags, before.attributes,
            )  # fmt: skip

    def test_a_label_that_was_changed_in_a_tool_counts(self):
        document = json.loads(written("coco", self.ITEMS, BOXES))
        document["annotations"][0]["bbox"][0] = 2
        items, _ = read("coco", json.dumps(document), BOXES)
        assert items[0].label["boxes"][0]["x"] == 2

    @pytest.mark.parametrize("item", [Item(place="", key="XR-1", text="a"), Item(place="", key="XR-1", record={"a": 1})])
    def test_what_is_no_picture_is_refused(self, item):
        with pytest.raises(Invalid, match="pictures only"):
            written("coco", [item], BOXES)
        with pytest.raises(Invalid, match="no place for numbers"):
            written("coco", [], NUMBER)

    def test_keys_that_share_a_number_get_ids_of_their_own(self):
        items = [Item(place="", key=key, file=f"{n}.png") for n, key in enumerate(["A-1", "B-1", None, "C-0"])]
        ids = [image["id"] for image in json.loads(written("coco", items, BOXES))["images"]]
        assert len(set(ids)) == 4
        assert ids[0] == 1
