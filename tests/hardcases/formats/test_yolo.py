"""YOLO in the layouts that people have: the text file says less than one would like, and is read for no more than it says."""

import io
import math

import pytest
from PIL import Image

from hardcases.errors import Invalid
from hardcases.formats import strict_yaml
from hardcases.formats.exchange import Item
from tests.builders.foreign import media
from tests.builders.formats import BOXES, CHEST, MANY, NUMBER, members, png, read, written

DATA = "names: [cat, dog]\nnc: 2\n"
LINE = "0 0.5 0.5 0.25 0.5\n"
CAT = {"x": 75, "y": 25, "width": 50, "height": 50, "label": "cat"}


def pack(lines=LINE, **more):
    """A package of version 8 with one picture of 200 by 100 pixels."""
    return {"data.yaml": DATA, "images/train/a.png": png(200, 100), **({} if lines is None else {"labels/train/a.txt": lines}), **more}


def boxes(content, options=BOXES, **mapping):
    items, findings = read("yolo", content, options, **mapping)
    return [item.label for item in items], [finding.problem for finding in findings]


@pytest.mark.parametrize(
    "line",
    [
        "0 1.5 0.5 0.1 0.1",
        "0 0.5 -0.2 0.1 0.1",
        "0 100 50 50 50",
        "0 0.5 0.5 1.2 0.5",
        "0 0.1 0.1 1.3 0.1 0.1 0.9",
        "0 1.5 0.5 0.1 0.1 0.9",
    ],
)
def test_numbers_that_are_no_fractions_are_no_box(line):
    """Pixels instead of fractions, or a box whose centre lies outside of the picture."""
    labels, problems = boxes(pack(f"{LINE}{line}\n"))
    assert labels == [None]
    assert problems == ["A line holds numbers that are no fractions of the picture from 0 to 1. The label of the picture was left out."]


class LayoutTests:
    def test_versions_5_and_8(self):
        items, findings = read("yolo", pack(), BOXES)
        assert findings == []
        assert items == [Item(place="images/train/a.png", file="images/train/a.png", width=200, height=100, label={"boxes": [CAT]})]

    @pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
    def test_boxes_are_fractions_of_the_upright_picture(self, kind):
        exif, out = Image.Exif(), io.BytesIO()
        exif[274] = 6
        Image.new("L", (100, 200)).save(out, kind, exif=exif)
        items, _ = read("yolo", pack(**{"images/train/a.png": out.getvalue()}), BOXES)
        assert [(item.width, item.height, item.label) for item in items] == [(200, 100, {"boxes": [CAT]})]

    @pytest.mark.parametrize("end", ["", "\n", "\r\n", "\n\n"])
    def test_line_ends(self, end):
        assert boxes(pack(LINE.strip() + end))[0] == [{"boxes": [CAT]}]

    def test_roboflow(self):
        content = {
            "data.yaml": "train: ../train/images\nval: ../valid/images\nnames: ['cat', 'dog']\nroboflow: {version: 1}\n",
            "README.roboflow.txt": "x",
        }
        for part in ("train", "valid"):
            content |= {f"{part}/images/a.png": png(200, 100), f"{part}/labels/a.txt": LINE}
        labels, problems = boxes(content)
        assert (labels, problems) == ([{"boxes": [CAT]}] * 2, [])

    def test_without_any_text_nothing_is_known(self):
        labels, problems = boxes(pack(None))
        assert (labels, len(problems)) == ([None], 1)
        assert "no files of labels at all" in problems[0]

    @pytest.mark.parametrize("folder", ["labelTxt", "Annotations", "LABELS"])
    def test_folders_of_other_names(self, folder):
        content = {"obj.names": "cat\ndog\n", "train/Images/a.png": png(200, 100), f"train/{folder}/a.txt": LINE}
        assert boxes(content) == ([{"boxes": [CAT]}], [])

    def test_a_text_that_lies_elsewhere_belongs_to_the_one_picture_of_its_name(self):
        content = {"data.yaml": DATA, "photos/a.png": png(200, 100), "truth/2026/a.txt": LINE, "photos/b.png": png(), "photos/b.txt": ""}
        assert boxes(content)[0] == [{"boxes": [CAT]}, {"boxes": []}]

    def test_a_text_that_may_belong_to_two_pictures_labels_none(self):
        content = {"data.yaml": DATA, "one/a.png": png(200, 100), "two/a.png": png(200, 101), "truth/a.txt": LINE}
        labels, problems = boxes(content)
        assert labels == [None, None]
        assert any("cannot be told whose they are" in problem for problem in problems)

    def test_version_4_with_texts_beside_the_pictures(self):
        content = {"obj.data": "classes = 2\nnames = obj.names\n", "obj.names": "cat\ndog\n", "train.txt": "data/a.png\n"}
        labels, problems = boxes({**content, "obj_train_data/a.png": png(200, 100), "obj_train_data/a.txt": LINE})
        assert (labels, problems) == ([{"boxes": [CAT]}], [])

    def test_absolute_paths_in_the_yaml_are_not_followed(self):
        content = pack(**{"data.yaml": "path: /home/me/data\ntrain: images/train\nnames:\n  0: cat\n  1: dog\n"})
        assert boxes(content)[0] == [{"boxes": [CAT]}]

    def test_a_readme_among_the_labels_is_none(self):
        assert boxes(pack(**{"labels/train/README.txt": "hello there"})) == ([{"boxes": [CAT]}], [])

    @pytest.mark.parametrize("lines", [None, "", "\n"])
    def test_an_empty_or_missing_text_is_a_negative_picture(self, lines):
        labels, problems = boxes(pack(lines, **{"images/train/b.png": png(), "labels/train/b.txt": ""}))
        assert labels == [{"boxes": []}] * 2
        assert (lines is None) == any("without a file of labels" in problem for problem in problems)

    def test_labels_without_a_picture_are_told(self):
        _, findings = read("yolo", pack(**{"labels/train/b.txt": LINE}), BOXES)
        assert [(finding.place, finding.lost) for finding in findings] == [("labels/train/b.txt", True)]

    def test_classes_without_names_go_by_their_numbers(self):
        content = pack()
        del content["data.yaml"]
        labels, problems = boxes(content)
        assert labels == [None]
        assert any("“0” is no class" in problem for problem in problems)
        assert boxes(content, classes={"0": "cat"})[0] == [{"boxes": [CAT]}]

    @pytest.mark.parametrize(
        "text",
        ["names: &a [cat]\nx: *a\n", "names: [cat]\nnames: [dog]\n", "names: !!python/object:os.system x\n", "nc: 2\n", ": [", "- a\n"],
    )
    def test_yaml_that_hides_what_it_says_is_refused(self, text):
        with pytest.raises(Invalid, match=r"data\.yaml"):
            read("yolo", pack(**{"data.yaml": text}), BOXES)

    def test_yaml_is_bounded(self):
        with pytest.raises(strict_yaml.YAMLError, match="larger"):
            strict_yaml.parse(b"a" * 200_001)
        with pytest.raises(strict_yaml.YAMLError, match="deeper"):
            strict_yaml.parse(b"[" * 5_000)

    def test_a_picture_that_cannot_be_read_has_no_pixels(self):
        labels, problems = boxes(pack(**{"images/train/a.png": b"none"}))
        assert labels == [None]
        assert any("size of a picture" in problem for problem in problems)


class LineTests:
    def test_a_sixth_number_is_a_score_and_makes_a_prediction(self):
        items, _ = read("yolo", pack("0 0.5 0.5 0.25 0.5 0.75\n"), BOXES)
        assert (items[0].label, items[0].prediction) == (None, {"boxes": [{**CAT, "score": 0.75}]})

    @pytest.mark.parametrize(
        "line",
        [
            "0 0.375 0.25 0.625 0.25 0.625 0.75 0.375 0.75",
            "0 0.375 0.25 0.625 0.5 0.5 0.75",
            "75 25 125 25 125 75 75 75 cat 1",
            "75 25 125 25 125 75 75 75 cat",
        ],
    )
    def test_turned_boxes_and_outlines_become_the_box_around_and_that_is_said(self, line):
        labels, problems = boxes(pack(line))
        assert labels == [{"boxes": [CAT]}]
        assert any("upright boxes around" in problem for problem in problems)

    def test_keypoints_are_told(self):
        content = pack("0 0.5 0.5 0.25 0.5 " + "0.1 0.2 2 " * 2, **{"data.yaml": DATA + "kpt_shape: [2, 3]\n"})
        labels, problems = boxes(content)
        assert labels == [{"boxes": [CAT]}]
        assert any("Keypoints" in problem for problem in problems)

    @pytest.mark.parametrize(
        "line",
        [
            "0 0.5",
            "cat 0.5 0.5 0.1 0.1",
            "0 0.5 0.5 0 0.1",
            "0 0.5 0.5 nan 0.1",
            "0 0.5 0.5 x 0.1",
            "-1 0.5 0.5 0.1 0.1",
            "0 1 2 3 4 5 6 7",
        ],
    )
    def test_one_unusable_line_leaves_the_label_out(self, line):
        labels, problems = boxes(pack(LINE + line + "\n"))
        assert labels == [None]
        assert any("left out" in problem for problem in problems)

    def test_other_tasks_take_the_classes_or_refuse(self):
        assert boxes(pack(), MANY)[0] == [{"labels": ["cat"]}]
        assert boxes(pack(), CHEST)[0] == [None]
        with pytest.raises(Invalid, match="numbers"):
            read("yolo", pack(), NUMBER)


class ExportTests:
    ITEMS = (
        Item(place="", key="XR-1", file="a.png", label={"boxes": [{"x": 1.25, "y": 2, "width": 3, "height": 4, "label": "dog"}]}),
        Item(place="", key="XR-2", file="a.jpg", label={"boxes": []}),
        Item(place="", key="XR-3", file="b.png"),
    )

    def test_it_is_laid_out_as_version_8_wants_it(self):
        packed = members(written("yolo", self.ITEMS, BOXES, media))
        assert strict_yaml.parse(packed["data.yaml"]) == {
            "path": ".", "train": "images/test", "val": "images/test", "test": "images/test", "names": {0: "cat", 1: "dog"},
        }  # fmt: skip
        assert {"images/test/a.png", "images/test/a-2.jpg", "images/test/b.png", "labels/test/a.txt", "labels/test/a-2.txt"} <= set(packed)
        assert "labels/test/b.txt" not in packed
        number, *sides = packed["labels/test/a.txt"].split()
        assert number == b"1"
        assert all(math.isclose(float(one), other) for one, other in zip(sides, (0.00275, 0.004, 0.003, 0.004), strict=True))
        assert packed["labels/test/a-2.txt"] == b""

    def test_what_it_cannot_hold_is_refused(self):
        with pytest.raises(Invalid, match="boxes only"):
            written("yolo", [], CHEST)
        with pytest.raises(Invalid, match="pictures only"):
            written("yolo", [Item(place="", key="XR-1", text="a")], BOXES)
        with pytest.raises(Invalid, match="size"):
            written("yolo", self.ITEMS, BOXES)


class LooseFileTests:
    DICOM = b"\x00" * 128 + b"DICM" + b"rest"

    def test_pictures_and_their_folders(self):
        content = {"normal/a.png": png(), "x/nodule/b.PNG": png(), "other/c.png": png(), "d.png": png(), "notes.txt": "x", "inner.zip": "x"}
        items, findings = read("zip", content)
        assert [item.file for item in items] == ["normal/a.png", "x/nodule/b.PNG", "other/c.png", "d.png"]
        assert {item.label for item in items} == {None}
        assert [finding.place for finding in findings] == ["notes.txt", "inner.zip"]
        items, findings = read("zip", content, folders="class", classes={"other": None})
        assert [item.label for item in items] == [{"label": "normal"}, {"label": "nodule"}, None, None]
        assert read("zip", {"cat/a.png": png()}, MANY, folders="class")[0][0].label == {"labels": ["cat"]}
        with pytest.raises(Invalid, match="no label"):
            read("zip", content, BOXES, folders="class")

    def test_dicom_by_its_bytes(self):
        content = {"IM0001": self.DICOM, "a.dcm": b"no preamble", "b.txt": "x", "DICOMDIR": self.DICOM}
        items, findings = read("dicom_zip", content)
        assert [item.file for item in items] == ["IM0001", "a.dcm"]
        assert [(finding.place, finding.lost) for finding in findings] == [("b.txt", True), ("DICOMDIR", False)]


def test_boxes_that_went_through_fractions_are_what_they_were():
    """Sides of one half are rounded to either side; that must not part boxes that agree."""
    boxes = [{"x": 0.5, "y": 148.83662052162902, "width": 197.86535602386823, "height": 345.754564307218, "label": "cat"} for _ in range(2)]
    boxes[1] = {**boxes[1], "y": 0.5, "width": 0.5}
    item = Item(place="", key="XR-1", file="XR-1.png", width=1000, height=1000, label={"boxes": boxes})
    assert read("yolo", written("yolo", [item], BOXES, media), BOXES)[0][0].label == {"boxes": boxes}
