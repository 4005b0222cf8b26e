"""Traps that were seen in the files of others, from the file to the report: what became of each row is told, and told truly."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from hardcases.cases.models import Case
from hardcases.formats.fields import NOTHING
from hardcases.projects.models import Project
from hardcases.transfers.models import Import
from tests.builders import cases, people, transfers
from tests.builders.formats import zipped
from tests.builders.transfers import imported, jsonl

pytestmark = pytest.mark.django_db
CATEGORIES = [{"id": 1, "name": "cat", "supercategory": None}, {"id": 4, "name": "dog"}]
BOX = {"bbox": [1, 1, 2, 2], "iscrowd": 0}


@pytest.fixture
def boxes() -> Project:
    return people.a_project(task="detection", positive_class=None, classes=["cat", "dog"])


@pytest.fixture
def words() -> Project:
    return people.a_project()


def told(status: str | None = None) -> dict[str, str]:
    """Problems of the one import by their places."""
    return {row["place"]: row["problem"] for row in transfers.rows(Import.objects.get(), status) if "problem" in row}


def image(number: int, name: str) -> dict[str, Any]:
    return {"id": number, "file_name": name, "width": 16, "height": 16, "license": None}


class CocoTests:
    def test_six_pictures_are_named_and_two_others_packed(self, boxes: Project) -> None:
        names = [f"COCO_val2014_{number:012d}.jpg" for number in range(1, 7)]
        document = {
            "images": [image(number, name) for number, name in enumerate(names, start=1)],
            "annotations": [{"id": str(number), "image_id": number, "category_id": 1, **BOX, "segmentation": []} for number in range(1, 7)],
            "categories": CATEGORIES,
        }
        packed = {"annotations/instances.json": document, "val/a.png": cases.a_picture("a"), "val/b.png": cases.a_picture("b")}
        assert imported(boxes, zipped(packed), name="mini.zip") == {"entries": 8, "rejected": 6, "warnings": 8}
        rejected = told("rejected")
        assert list(rejected) == [f"images/{number}" for number in range(6)]
        assert all(name in problem for name, problem in zip(names, rejected.values(), strict=True))
        (unnamed,) = (row for row in transfers.rows(Import.objects.get(), "warning") if row["place"] == "val/a.png")
        assert (unnamed["times"], "No row that could be used names this picture" in unnamed["problem"]) == (2, True)

    def test_the_same_stem_with_another_ending(self, boxes: Project) -> None:
        document = {
            "images": [image(1, "a.jpg"), image(2, "a.png")],
            "annotations": [{"id": "s1", "image_id": 2, "category_id": 4, **BOX}],
            "categories": CATEGORIES,
        }
        counts = imported(boxes, zipped({"x.json": document, "a.png": cases.a_picture("a")}), name="x.zip")
        assert (counts["new"], counts["rejected"]) == (1, 1)
        assert "a.jpg" in told("rejected")["images/0"]
        (box,) = Case.objects.get().current_label.revision.label["boxes"]
        assert box["label"] == "dog"

    def test_masks_of_both_kinds_keypoints_and_what_cvat_adds(self, boxes: Project) -> None:
        """A skeleton that counts its joints from 0 changes nothing: keypoints are not kept, and that is said."""
        annotations = [
            {**BOX, "segmentation": {"counts": [0, 4, 252], "size": [16, 16]}, "attributes": {"occluded": True}},
            {**BOX, "segmentation": {"counts": "04l7", "size": [16, 16]}},
            {**BOX, "category_id": 2, "keypoints": [1, 1, 2], "num_keypoints": 1},
        ]
        document = {
            "images": [image(1, "a.png")],
            "annotations": [{"id": n, "image_id": 1, "category_id": 1, **found} for n, found in enumerate(annotations)],
            "categories": [CATEGORIES[0], {"id": 2, "name": "dog", "keypoints": ["nose", "tail"], "skeleton": [[0, 1]]}],
        }
        counts = imported(boxes, zipped({"x.json": document, "a.png": cases.a_picture("a")}), name="x.zip")
        assert (counts["new"], counts["labelled"], counts["warnings"]) == (1, 1, 4)
        assert {row["problem"]: row.get("times", 1) for row in transfers.rows(Import.objects.get(), "warning")} == {
            "Outlines of annotations are not kept; their boxes are.": 2,
            "Attributes of annotations are not kept; those of pictures are.": 1,
            "Keypoints of annotations are not kept; their boxes are.": 1,
        }

    def test_results_of_several_kinds_in_one_list_and_unknown_ids_row_by_row(self, boxes: Project) -> None:
        """The type of such a file is often guessed from its first element alone."""
        case = cases.a_case(boxes, "a", external_id="17")
        rows: list[dict[str, Any]] = [
            {"image_id": 17, "category_id": 1, "bbox": [1, 1, 2, 2], "score": 0.5},
            {"image_id": 18, "category_id": 1, "bbox": [1, 1, 2, 2], "score": 0.5},
            {"image_id": 17, "caption": "a cat"},
            {"image_id": 19, "category_id": 1, "segmentation": {"counts": "04l7", "size": [16, 16]}, "score": 0.4},
        ]
        counts = imported(boxes, json.dumps(rows).encode(), name="results.json", mapping={"classes": {"1": "cat"}})
        assert (counts["seen_again"], counts["rejected"]) == (1, 2)
        assert list(told("rejected")) == ["image_id/18", "image_id/19"]
        body = case.sightings.order_by("-pk")[0].body
        assert body["attributes"] == {"caption": "a cat"}
        assert [box["score"] for box in body["prediction"]["boxes"]] == [0.5]

    def test_results_alone_that_name_cases_by_their_keys(self, boxes: Project) -> None:
        case = cases.a_case(boxes, "a")
        rows = [{"image_id": name, "category_id": "cat", "bbox": [1, 1, 2, 2], "score": 0.5} for name in (case.key, "XR-99")]
        counts = imported(boxes, json.dumps(rows).encode(), name="results.json", mapping={"names": "key"})
        assert (counts["seen_again"], counts["rejected"]) == (1, 1)
        assert "no case of the key XR-99" in told("rejected")["image_id/XR-99"]


class LabelStudioTests:
    def test_annotators_drafts_spans_and_cancelled_annotations(self, words: Project) -> None:
        chosen = {"id": "x", "from_name": "l", "to_name": "t", "type": "choices", "origin": "manual", "value": {"choices": ["nodule"]}}
        span = {"type": "labels", "from_name": "n", "value": {"start": 12, "end": 23, "text": "February 22", "labels": ["DATE"]}}
        by = {"id": 3, "email": "a@example.org", "first_name": "A", "last_name": "B"}
        tasks = [
            {
                "id": 1,
                "data": {"text": "The scan of February 22."},
                "annotations": [{"id": 1, "completed_by": by, "result": [chosen, span], "was_cancelled": False}],
                "drafts": [{"result": []}],
            },
            {"id": 2, "data": {"text": "Two."}, "annotations": [{"id": 2, "completed_by": 3, "result": [chosen], "was_cancelled": True}]},
            {"id": 3, "data": {"text": "Three."}, "annotations": [{"id": 3, "completed_by": 3, "result": [chosen]}]},
        ]
        assert imported(words, json.dumps(tasks).encode(), name="tasks.json") == {"entries": 6, "new": 3, "labelled": 2, "warnings": 3}
        labelled = {case.text: hasattr(case, "current_label") for case in Case.objects.all()}
        assert labelled == {"The scan of February 22.": True, "Two.": False, "Three.": True}
        problems = [row["problem"] for row in transfers.rows(Import.objects.get(), "warning")]
        assert sorted(problems) == [
            "Cancelled annotations were skipped.",
            "Drafts of tasks are not read.",
            "Regions of the kind “labels” are not kept.",
        ]


class YoloTests:
    def test_lists_of_folders_a_class_beyond_the_names_and_files_that_are_no_labels(self, boxes: Project) -> None:
        data = "path: ../datasets/x\ntrain:\n  - images/train\n  - images/more\nval: valid/images\ntest:\nnc: 3\nnames: {0: cat, 1: dog}\ndownload: https://example.org/x.zip\n"
        packed = {
            "data.yaml": data,
            "images/train/a.png": cases.a_picture("a"),
            "labels/train/a.txt": "0 0.5 0.5 0.5 0.5\n2 0.5 0.5 0.1 0.1",
            "images/more/b.png": cases.a_picture("b"),
            "labels/more/b.txt": "",
            "valid/images/c.png": cases.a_picture("c"),
            "valid/labels/c.txt": "1 0.5 0.5 0.5 0.5",
            "labels/train.cache": "x",
            "labels/train/README.txt": "Cats and dogs.\n",
            "labels/train/classes.txt": "cat\ndog\n",
        }
        assert imported(boxes, zipped(packed), name="x.zip") == {"entries": 4, "new": 3, "labelled": 2, "warnings": 1}
        assert "“2” is no class" in told("warning")["labels/train/a.txt"]


class LanguageModelTests:
    def test_items_of_each_tool(self, words: Project) -> None:
        rows = jsonl(
            {"id": "a", "status": "ARCHIVED", "input": "Hi", "expectedOutput": "nodule", "metadata": None, "datasetId": "d"},
            {"id": "b", "input": {"q": "@@@langfuseMedia:type=image/png|id=1|source=bytes@@@"}, "mediaReferences": [{"field": "input"}]},
            {"id": "c", "inputs": {"question": "What?"}, "outputs": {"answer": "normal"}, "attachments": {"x": {"mime_type": "image/png"}}},
            {"id": "a", "input": "Changed", "expected": "normal", "_xact_id": "1"},
        )
        assert imported(words, rows) == {"entries": 9, "new": 3, "labelled": 2, "rejected": 1, "warnings": 5}
        assert "“a” belongs to" in told("rejected")["rows/3"]
        said = [row["problem"] for row in transfers.rows(Import.objects.get(), "warning")]
        assert {"Media that the example points to is not fetched.", "Attachments of the example are not fetched."} <= set(said)

    def test_a_page_of_a_list_is_not_the_list(self, words: Project) -> None:
        page = {"data": [{"id": "a", "input": "Hi"}], "meta": {"page": 1, "totalItems": 1}}
        assert imported(words, jsonl(page), name="items.json", kind="jsonl") == {"entries": 1, "rejected": 1}

    @pytest.mark.parametrize("messages", [[], [{"role": "assistant", "content": "Nobody asked."}], "x"])
    def test_a_conversation_without_a_question_is_no_case(self, words: Project, messages: Any) -> None:
        assert imported(words, jsonl({"messages": messages})) == {"entries": 1, "rejected": 1}
        assert told("rejected") == {"rows/0": NOTHING}


READ = """
import json, sys
from tests.builders.formats import BOXES, read
print(json.dumps([(found.place, getattr(found, "problem", "")) for part in read(sys.argv[1], json.loads(sys.argv[2]), BOXES) for found in part]))
"""


@pytest.mark.parametrize("kind", ["coco", "fiftyone"])
def test_a_file_tells_the_same_in_the_same_order_in_every_process(kind: str) -> None:
    """A worker that takes an import over goes on by counting: what another one told before it must be the same."""
    more = {f"extra {number}": number + 1 for number in range(20)}
    strangers = [{"image_id": f"s{number}", "category_id": 1, "bbox": [0, 0, 1, 1], "score": 0.5} for number in range(20)]
    document = {
        "images": [image(1, "a.png")],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, **BOX, **more}],
        "categories": CATEGORIES,
    }
    detection = {"_cls": "Detection", "label": "cat", "bounding_box": [0.1, 0.1, 0.2, 0.2], **more}
    samples = {"samples": [{"filepath": "data/a.png", "ground_truth": {"_cls": "Detections", "detections": [detection]}}]}
    files = {
        "coco": {"instances.json": document, "results.json": strangers},
        "fiftyone": {"metadata.json": {"name": "x"}, "samples.json": samples},
    }[kind]
    answers = set()
    for seed in ("1", "2", "3"):
        command = [sys.executable, "-c", READ, kind, json.dumps(files)]
        answers.add(subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, "PYTHONHASHSEED": seed}).stdout)
    assert len(answers) == 1
    assert answers.pop().count("extra") >= 20
