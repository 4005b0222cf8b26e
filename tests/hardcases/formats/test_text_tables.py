"""CSV and JSON lines: what people really send, read without guessing."""

import csv
import io
import json
import subprocess
import sys
from dataclasses import replace

import pytest

from hardcases.errors import Invalid
from hardcases.formats import csv_cells
from hardcases.formats.exchange import Item, Options
from hardcases.formats.fields import NOTHING
from tests.builders.formats import BOXES, CHEST, MANY, NUMBER, members, png, read, written


def problems(findings):
    return {finding.place: finding.problem for finding in findings}


class CsvTests:
    def test_columns_say_where_values_belong(self):
        content = (
            "external_id,text,label,site,age,portable,score:nodule,tags,captured_at\n"
            'req-1,"one, two",nodule,clinic-7,61,true,0.25,"night;urgent",2026-11-20T14:02:00Z\n'
        )
        items, findings = read("csv", content)
        assert findings == []
        assert items == [
            Item(
                place="rows/0",
                external_id="req-1",
                text="one, two",
                label={"label": "nodule"},
                attributes={"site": "clinic-7", "age": 61, "portable": True},
                prediction={"scores": {"nodule": 0.25}},
                tags=("night", "urgent"),
                captured_at="2026-11-20T14:02:00Z",
            )
        ]

    @pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
    def test_the_delimiter_is_found_whatever_the_name_says(self, mark):
        content = f'key{mark}"a, b; c"{mark}label\nXR-1{mark}x{mark}nodule\n'
        items, _ = read("csv", content, name="table.csv")
        assert (items[0].key, dict(items[0].attributes)) == ("XR-1", {"a, b; c": "x"})

    @pytest.mark.parametrize("mark", [",", ";", "\t", "|", "#"])
    def test_a_first_line_that_tells_a_spreadsheet_the_delimiter(self, mark):
        content = f"\ufeffsep={mark}\r\nkey{mark}site{mark}note\r\nXR-1{mark}a{mark}b\r\n"
        items, findings = read("csv", content)
        assert (items, findings) == ([Item(place="rows/0", key="XR-1", attributes={"site": "a"}, note="b")], [])

    @pytest.mark.parametrize("code", ["12", "1.5", "true", "[1]", "007"])
    def test_a_declared_category_is_a_text_whatever_it_looks_like(self, code):
        options = replace(CHEST, categories=("site",))
        items, findings = read("csv", f"key,site,age\nXR-1,{code},61\n", options)
        assert (items[0].attributes, findings) == ({"site": code, "age": 61}, [])
        assert read("csv", written("csv", items, options), options)[0] == items

    @pytest.mark.parametrize(("kind", "content"), [("csv", "key,label\nXR-1,1\n"), ("jsonl", '{"key": "XR-1", "label": 1}')])
    def test_a_class_may_be_called_by_its_number(self, kind, content):
        items, _ = read(kind, content, CHEST, classes={"1": "nodule"})
        assert items[0].label == {"label": "nodule"}
        items, findings = read(kind, content, CHEST)
        assert (items[0].label, findings[0].unknown_class) == (None, "1")

    def test_the_mapping_may_name_the_delimiter_and_refuses_nonsense(self):
        assert read("csv", "key~label\nXR-1~nodule\n", delimiter="~")[0][0].label == {"label": "nodule"}
        with pytest.raises(Invalid, match="one character"):
            read("csv", "key\n1\n", delimiter="ab")

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be-bom"])
    def test_encodings(self, encoding):
        text = "key,site\nXR-1,Köln\n"
        content = b"\xfe\xff" + text.encode("utf-16-be") if encoding == "utf-16-be-bom" else text.encode(encoding)
        assert read("csv", content)[0][0].attributes == {"site": "Köln"}

    def test_a_row_that_is_not_utf_8_is_lost_alone(self):
        items, findings = read("csv", b"key,site\nXR-1,K\xf6ln\nXR-2,Bonn\n")
        assert [item.key for item in items] == ["XR-2"]
        assert problems(findings) == {"rows/0": "The cell in column “site” is not UTF-8. Save the file as CSV in UTF-8."}

    def test_json_in_cells(self):
        content = 'key,record,note_list,label\nXR-1,"{""age"": 3, ""site"": ""a""}","[1, 2]","{""label"": ""nodule""}"\n'
        (item,), _ = read("csv", content)
        assert (item.record, item.attributes, item.label) == ({"age": 3, "site": "a"}, {"note_list": [1, 2]}, {"label": "nodule"})

    def test_json_that_cannot_be_used_is_told(self):
        items, findings = read("csv", 'key,record,correction\nXR-1,"{""a"": NaN}",\nXR-2,,"{""a"":1,""a"":2}"\n')
        assert [(item.key, item.correction) for item in items] == [("XR-2", None)]
        assert [(finding.place, finding.lost) for finding in findings] == [("rows/0", True), ("rows/1", False)]

    def test_numbers_are_kept_as_text_on_request(self):
        content = "key,site,age,code\nXR-1,7,61,007\n"
        assert read("csv", content)[0][0].attributes == {"site": 7, "age": 61, "code": "007"}
        assert read("csv", content, texts=["site"])[0][0].attributes == {"site": "7", "age": 61, "code": "007"}
        with pytest.raises(Invalid, match="list of columns"):
            read("csv", content, texts="site")

    def test_numbers_that_are_none_are_told_and_the_rest_is_kept(self):
        content = "key,value,label\nXR-1,,nan\nXR-2,,1e999\nXR-3,,+1.5\n"
        items, findings = read("csv", content, NUMBER)
        assert [item.label for item in items] == [None, None, {"value": 1.5}]
        assert problems(findings)["rows/0"] == "The column “label” holds “nan”, which is no number."
        assert not any(finding.lost for finding in findings)

    def test_columns_are_renamed_or_dropped_by_the_mapping(self):
        content = "Patient ID,finding,secret\nreq-1,Nodule,x\n"
        (item,), findings = read(
            "csv", content, columns={"Patient ID": "external_id", "finding": "label", "secret": None}, classes={"Nodule": "nodule"}
        )
        assert (item.external_id, item.label, item.attributes, findings) == ("req-1", {"label": "nodule"}, {}, [])

    def test_classes_that_are_unknown_leave_the_label_out_and_are_told_once(self):
        content = "key,label\n" + "".join(f"XR-{n},Mass\n" for n in range(5))
        items, findings = read("csv", content)
        assert [item.label for item in items] == [None] * 5
        assert [(finding.place, finding.count, finding.lost) for finding in findings] == [("rows/0", 5, False)]

    def test_a_class_that_is_mapped_to_nothing_is_left_out_without_a_word(self):
        items, findings = read("csv", "key,label\nXR-1,Mass\n", classes={"Mass": None})
        assert (items[0].label, findings) == (None, [])

    @pytest.mark.parametrize("mapping", [{"classes": {"a": "mass"}}, {"classes": ["a"]}, {"columns": "x"}, {"columns": {"key": 3}}])
    def test_mappings_that_cannot_be_followed_are_refused(self, mapping):
        with pytest.raises(Invalid, match="apping"):
            read("csv", "key,label\nXR-1,nodule\n", **mapping)

    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            ("", "empty"),
            ("\n\n", "empty"),
            ("key,key\n1,2\n", "more than once"),
            (b"k\xf6y\n1\n", "cannot be read"),
        ],
    )
    def test_headers_that_cannot_be_used_refuse_the_file(self, content, sentence):
        with pytest.raises(Invalid, match=sentence):
            read("csv", content)

    def test_a_column_without_a_name_is_kept_under_its_number(self):
        assert read("csv", ",key\n0,XR-1\n")[0][0].attributes == {"column 1": 0}

    def test_ragged_rows_and_broken_quotes_are_told(self):
        items, findings = read("csv", 'key,label\nXR-1\nXR-2,nodule,x\nXR-3,nodule\nXR-4,"no"dule"\nXR-5,nodule\n')
        assert [item.key for item in items] == ["XR-3"]
        assert [finding.place for finding in findings] == ["rows/0", "rows/1", "rows/3"]

    @pytest.mark.parametrize("cell", ["x" * (csv_cells.MAX_CELL + 1), '"' + "line\n" * (csv_cells.MAX_CELL // 5 + 1) + '"'])
    def test_a_cell_beyond_the_limit_is_told_with_its_row(self, cell):
        items, findings = read("csv", f"key,site\nXR-1,a\nXR-2,{cell}\nXR-3,b\n")
        assert [item.key for item in items] == ["XR-1"]
        assert problems(findings) == {"rows/1": "This row has a cell of more than 4,194,304 characters; from here on nothing was read."}
        assert read("csv", f"key,site\nXR-1,{'x' * csv_cells.MAX_CELL}\n")[1] == []

    def test_what_is_read_does_not_depend_on_what_was_read_before(self):
        """Python keeps the longest cell for the whole process."""
        script = "import csv; import hardcases.formats.tables; print(csv.field_size_limit())"
        fresh = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
        read("csv", "key,site\nXR-1,a\n")
        assert int(fresh.stdout) == csv.field_size_limit() == csv_cells.MAX_CELL

    def test_rows_that_name_no_case_and_hold_no_content_are_lost(self):
        items, findings = read("csv", "label,site\nnodule,a\n")
        assert (items, problems(findings)) == ([], {"rows/0": NOTHING})

    def test_formulas_are_shielded_on_the_way_out_and_read_back(self):
        texts = ["=1+1", "+x", "-x", "@x", "\tx", "\rx", "'=x", "''+x", "'x", "-5", "x=1"]
        items = [Item(place=f"rows/{n}", key=f"XR-{n}", text=text) for n, text in enumerate(texts)]
        content = written("csv", items)
        assert read("csv", content)[0] == items
        cells = [row.split(",")[6] for row in content.decode().split("\r\n")[1:-1] if row.startswith("XR-")]
        assert not any(cell.strip('"').startswith(("=", "+", "@", "\t", "\r", "-x")) for cell in cells)
        assert "-5" in cells

    def test_apostrophes_of_other_peoples_files_stay(self):
        assert read("csv", "key,site\nXR-1,'=x\n")[0][0].attributes == {"site": "'=x"}

    def test_types_of_attributes_survive_the_way_through_text(self):
        attributes = {"site": "61", "age": 61, "a": "true", "b": True, "c": [1, "x"], "d": "", "e": '"q"', "f": 0.1, "g": "{x", "h": "[1]"}
        item = Item(place="rows/0", key="XR-1", attributes=attributes)
        named = Options(task="classification", classes=CHEST.classes, attributes=tuple(attributes))
        assert read("csv", written("csv", [item], named), named)[0] == [item]

    def test_pictures_come_with_the_table(self):
        content = {
            "cases.csv": "file,label\nimages/a.png,nodule\nb.png,normal\nc.png,normal\n",
            "images/a.png": png(),
            "images/b.png": png(),
        }
        items, findings = read("csv", content)
        normal = {"label": "normal"}
        assert [(item.file, item.label) for item in items] == [
            ("images/a.png", {"label": "nodule"}),
            ("images/b.png", normal),
            ("c.png", normal),  # may be the name of a case that is known already
        ]
        assert not findings

    def test_a_picture_that_is_not_there_can_still_name_a_case(self):
        items, findings = read("csv", "key,file,label\nXR-1,a.png,nodule\nXR-2,b.png,normal\n")
        assert [(item.key, item.file) for item in items] == [("XR-1", None), ("XR-2", None)]
        assert [(finding.count, finding.lost) for finding in findings] == [(2, False)]

    def test_which_of_several_tables_is_meant_must_be_said(self):
        content = {"a.csv": "key\nXR-1\n", "b.csv": "key\nXR-2\n"}
        with pytest.raises(Invalid, match="member"):
            read("csv", content)
        assert read("csv", content, member="b.csv")[0][0].key == "XR-2"
        with pytest.raises(Invalid, match="holds no file"):
            read("csv", content, member="c.csv")

    def test_a_case_is_named_by_id_or_digest(self):
        items, _ = read("csv", f"case,label\nreq-1,nodule\nsha256:{'A' * 64},normal\n")
        assert [(item.external_id, item.sha256) for item in items] == [("req-1", None), (None, "a" * 64)]

    @pytest.mark.parametrize(
        ("options", "cell", "label"),
        [
            (MANY, "cat;dog", {"labels": ["cat", "dog"]}),
            (MANY, '"[""cat""]"', {"labels": ["cat"]}),
            (BOXES, '"[{""x"":1,""y"":2,""width"":3,""height"":4,""label"":""cat""}]"', {"boxes": [{"x": 1, "y": 2, "width": 3, "height": 4, "label": "cat"}]}),
            (NUMBER, "-2.5", {"value": -2.5}),
        ],
    )  # fmt: skip
    def test_labels_in_the_simple_form_of_each_task(self, options, cell, label):
        items, findings = read("csv", f"key,label\nXR-1,{cell}\n", options)
        assert (items[0].label, findings) == (label, [])

    def test_a_box_of_an_unknown_class_leaves_the_whole_label_out(self):
        boxes = json.dumps([{"x": 1, "y": 2, "width": 3, "height": 4, "label": name} for name in ("cat", "cow")])
        line = json.dumps({"key": "XR-1", "label": json.loads(boxes)})
        items, findings = read("jsonl", line, BOXES)
        assert (items[0].label, findings[0].lost) == (None, False)
        items, findings = read("jsonl", line, BOXES, classes={"cow": None})
        assert [box["label"] for box in items[0].label["boxes"]] == ["cat"]


class JsonLinesTests:
    def test_lines_may_differ_and_bad_ones_are_lost_alone(self):
        lines = [
            '{"key": "XR-1", "text": "a", "label": "nodule"}',
            '{"key": "XR-2", "record": {"age": 3}, "site": "b"}',
            '{"key": "XR-3", "a": NaN}',
            '{"key": "XR-4", "key": "XR-5"}',
            '{"key": "\\ud800"}',
            '{"key": "XR-6", "a": "\\u0000"}',
            '{"key": "XR-7", "a": 12345678901234567890}',
            '{"key": "XR-8", "a": ' + "[" * 40 + "]" * 40 + "}",
            '{"key": "XR-9", "a": 1e999}',
            "[1]",
            "{",
            "",
            '{"key": "XR-10"}',
        ]
        items, findings = read("jsonl", "\n".join(lines))
        assert [item.key for item in items] == ["XR-1", "XR-2", "XR-10"]
        assert [finding.place for finding in findings] == [f"rows/{n}" for n in range(2, 11)]
        assert all(finding.lost for finding in findings)
        assert items[2].place == "rows/11"

    def test_a_list_is_read_like_lines(self):
        items, findings = read("jsonl", [{"key": "XR-1"}, 3, {"key": "XR-2"}])
        assert [item.key for item in items] == ["XR-1", "XR-2"]
        assert problems(findings) == {"rows/1": "This element is not a JSON object."}

    def test_a_list_that_breaks_off_gives_what_came_before(self):
        items, findings = read("jsonl", b'[{"key": "XR-1"}, {"key": ')
        assert [item.key for item in items] == ["XR-1"]
        assert "From here on" in findings[0].problem

    def test_a_report_of_the_api_is_read_as_it_is(self):
        line = {
            "external_id": "req-1",
            "input": {"record": {"age": 3}},
            "prediction": {"scores": {"nodule": 0.07}},
            "correction": {"label": "nodule"},
            "attributes": {"site": "clinic-7"},
            "tags": ["night"],
            "reason": "doctor_disagreed",
        }
        (item,), findings = read("jsonl", json.dumps(line))
        assert findings == []
        assert (item.record, item.prediction, item.correction) == ({"age": 3}, {"scores": {"nodule": 0.07}}, {"label": "nodule"})
        assert (item.attributes, item.tags, item.reason) == ({"site": "clinic-7"}, ("night",), "doctor_disagreed")

    def test_values_of_another_type_are_told(self):
        lines = [
            {"key": 3},
            {"key": "XR-1", "tags": "a"},
            {"key": "XR-2", "tags": ["a", 3]},
            {"key": "XR-3", "text": 3},
            {"key": "XR-4", "width": 0.5},
        ]
        items, findings = read("jsonl", "\n".join(map(json.dumps, lines)))
        assert [(item.key, item.tags) for item in items] == [("XR-1", ("a",)), ("XR-2", ("a",)), ("XR-4", ())]
        assert [(finding.place, finding.lost) for finding in findings] == [
            ("rows/0", True),
            ("rows/2", False),
            ("rows/3", True),
            ("rows/4", False),
        ]

    def test_two_contents_are_one_too_many(self):
        items, findings = read("jsonl", '{"text": "a", "record": {"b": 1}}')
        assert (items, findings[0].lost) == ([], True)

    def test_a_line_beyond_the_limit_ends_the_reading(self):
        items, findings = read("jsonl", b'{"key": "XR-1"}\n{"text": "' + b"a" * (8 * 2**20) + b'"}\n{"key": "XR-2"}\n')
        assert [item.key for item in items] == ["XR-1"]
        assert "longer than" in findings[0].problem

    def test_an_empty_file_says_so(self):
        items, findings = read("jsonl", b"\n \n")
        assert (items, [finding.problem for finding in findings]) == ([], ["The file is empty."])


class DialogueTests:
    def test_langfuse(self):
        line = {
            "id": "item-1", "status": "ACTIVE", "input": {"question": "What is it?"}, "expectedOutput": "nodule", "metadata": {"site": "a"},
            "sourceTraceId": "t", "datasetId": "d", "mediaReferences": [{"field": "input"}],
        }  # fmt: skip
        (item,), findings = read("jsonl", json.dumps(line))
        assert (item.external_id, item.text, item.label, item.attributes) == ("item-1", "What is it?", {"label": "nodule"}, {"site": "a"})
        assert {finding.lost for finding in findings} == {False}
        assert any("Media" in finding.problem for finding in findings)

    def test_langsmith(self):
        line = {
            "id": "e",
            "dataset_id": "d",
            "inputs": {"a": "x", "b": 2},
            "outputs": {"answer": "long text"},
            "metadata": {"dataset_split": ["test"]},
        }
        (item,), _ = read("jsonl", json.dumps(line))
        assert (item.record, item.attributes) == ({"a": "x", "b": 2}, {"expected_output": "long text", "dataset_split": ["test"]})

    def test_phoenix_and_braintrust(self):
        phoenix = {"id": "p", "node_id": "n", "input": {"q": {"deep": 1}}, "output": {"answer": 2.5}, "metadata": {}, "source": {"span": 1}}
        braintrust = {"id": "b", "input": "q", "expected": 3, "metadata": None, "tags": ["t"], "_xact_id": "1"}
        items, _ = read("jsonl", json.dumps(phoenix) + "\n" + json.dumps(braintrust), NUMBER)
        assert (items[0].text, items[0].label) == ('{"q":{"deep":1}}', {"value": 2.5})
        assert (items[1].text, items[1].label, items[1].tags) == ("q", {"value": 3}, ("t",))

    def test_conversations(self):
        short = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
        long = {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "Hi"}]}
        items, _ = read("jsonl", json.dumps(short) + "\n" + json.dumps(long))
        assert (items[0].text, items[0].attributes) == ("Hi", {"expected_output": "Hello"})
        assert json.loads(items[1].text) == long["messages"]


class ExportTests:
    def test_pictures_are_packed_beside_the_table_and_names_do_not_collide(self):
        items = [Item(place=f"rows/{n}", key=f"XR-{n}", file=name) for n, name in enumerate(["a/x.png", "b/x.png", "../ä ö.png"])]
        for kind in ("csv", "jsonl"):
            content = written(kind, items, media=lambda item: io.BytesIO(item.file.encode()))
            packed = members(content)
            assert list(packed) == ["images/x.png", "images/x-2.png", "images/ä_ö.png", f"cases.{kind}"]
            assert packed["images/x-2.png"] == b"b/x.png"
            assert [item.file for item in read(kind, content)[0]] == ["images/x.png", "images/x-2.png", "images/ä_ö.png"]
            assert content == written(kind, items, media=lambda item: io.BytesIO(item.file.encode()))
