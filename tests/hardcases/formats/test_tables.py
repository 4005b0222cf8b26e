"""Uploaded predictions: every format reads the same, every trap is a finding with its row, nothing is dropped or joined by position."""

import gzip
import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hardcases.errors import TooLarge, UnsupportedMedia
from hardcases.formats import tables
from hardcases.formats.findings import TableRefused
from hardcases.formats.joining import CaseIndex, join
from hardcases.formats.tables import read_table

CLASSES = ["normal", "nodule"]
DIGITS = ["a", "b", "c"]
CSV, NDJSON, JSON, PARQUET = "text/csv", "application/x-ndjson", "application/json", "application/vnd.apache.parquet"
KEYS = ["XR-1", "XR-2", "XR-3"]
SHA = [f"{n:064x}" for n in (11, 12, 13)]
IDS = CaseIndex(KEYS, sha256=lambda: SHA, external_ids=["req-1", "req-2", "alias-2"], external_positions=[0, 1, 1])


def joined(content, kind=CSV, *, ids=IDS, classes=CLASSES, positive="nodule", missing="refuse"):
    data = content.encode() if isinstance(content, str) else content
    return join(read_table(data, kind, classes=classes), ids, classes=classes, positive_class=positive, missing=missing)


def refused(content, kind=CSV, **options):
    with pytest.raises(TableRefused) as caught:
        joined(content, kind, **options)
    found = {}
    for finding in caught.value.errors:
        found[finding.pointer] = f"{found[finding.pointer]} {finding.detail}" if finding.pointer in found else finding.detail
    return found


def parquet(**columns):
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue()


GOOD = "case,score:nodule\nXR-3,0.3\nXR-1,0.1\nXR-2,0.2\n"


class JoinTests:
    def test_rows_are_joined_by_id_never_by_position(self):
        predictions = joined(GOOD).predictions
        assert predictions.row.tolist() == [0, 1, 2]
        assert predictions.scores[:, 1].tolist() == [0.1, 0.2, 0.3]
        assert np.isnan(predictions.scores[:, 0]).all()

    def test_a_case_goes_by_key_external_id_alias_or_digest(self):
        content = f"case,score:nodule\nsha256:{SHA[2]},0.3\nalias-2,0.2\nreq-1,0.1\n"
        assert joined(content).predictions.scores[:, 1].tolist() == [0.1, 0.2, 0.3]
        assert joined(content.replace("sha256:", "")).predictions.scores[:, 1].tolist() == [0.1, 0.2, 0.3]

    def test_an_unknown_case_is_listed_with_its_row(self):
        assert refused(GOOD + "XR-9,0.9\n") == {"/rows/3": "The test set holds no case “XR-9”."}

    def test_a_repeated_case_names_the_row_it_repeats(self):
        assert refused(GOOD + "XR-1,0.1\n") == {"/rows/3": "The case “XR-1” was already answered in row 1."}

    def test_key_and_alias_of_one_case_are_a_repetition(self):
        assert refused(GOOD + "alias-2,0.2\n") == {"/rows/3": "“alias-2” is the same case as “XR-2”, which was already answered in row 2."}

    def test_an_external_id_that_is_another_cases_key_cannot_misjoin(self):
        ids = CaseIndex(["XR-1", "XR-2"], external_ids=["XR-2", "other"], external_positions=[0, 1])
        found = refused("case,score:nodule\nXR-2,0.1\nother,0.2\n", ids=ids)
        assert list(found) == ["/rows/1", "/cases/XR-1"]

    def test_missing_cases_are_listed_unless_they_count_as_wrong(self):
        content = "case,score:nodule\nXR-2,0.2\n"
        assert list(refused(content)) == ["/cases/XR-1", "/cases/XR-3"]
        answer = joined(content, missing="wrong")
        assert answer.missing.tolist() == [0, 2]
        assert answer.predictions.row.tolist() == [1]

    def test_a_row_without_a_case_is_no_case(self):
        assert refused(GOOD + ",0.9\n") == {"/rows/3": "This row names no case."}

    def test_several_faults_are_listed_together_in_the_order_of_the_rows(self):
        found = refused("case,score:nodule,label\nXR-1,x,\nXR-1,0.1,\nXR-2,0.2,cat\nXR-9,0.3,\n")
        assert list(found) == ["/rows/0", "/rows/1", "/rows/2", "/rows/3", "/cases/XR-3"]

    def test_a_thousand_findings_are_listed_and_the_rest_counted(self):
        content = GOOD + "".join(f"no-{n},0.5\n" for n in range(1234))
        with pytest.raises(TableRefused) as caught:
            joined(content)
        assert len(caught.value.errors) == 1000
        assert caught.value.errors[0].pointer == "/rows/3"
        assert caught.value.extra == {"more": 234}
        assert "1,234 findings" in caught.value.sentence

    def test_a_row_beyond_the_list_is_counted_once(self):
        ids = CaseIndex([f"XR-{n}" for n in range(1500)])
        with pytest.raises(TableRefused) as caught:
            joined("case,score:nodule\n" + "".join(f"XR-{n},nan\n" for n in range(1500)), ids=ids)
        assert (len(caught.value.errors), caught.value.extra) == (1000, {"more": 500})

    def test_many_missing_cases_are_counted_too(self):
        ids = CaseIndex([f"XR-{n}" for n in range(2500)])
        with pytest.raises(TableRefused) as caught:
            joined("case,score:nodule\nXR-1,0.5\n", ids=ids)
        assert (len(caught.value.errors), caught.value.extra) == (1000, {"more": 1499})


class AnswerTests:
    def test_the_positive_score_alone_suffices_in_a_binary_project(self):
        assert (
            refused("case,score:normal\nXR-1,0.3\nXR-2,0.3\nXR-3,0.3\n")["/rows/0"]
            == "The score of the positive class “nodule” is missing."
        )

    def test_several_classes_need_every_score(self):
        found = refused("case,score:a,score:b\nXR-1,0.1,0.9\nXR-2,0.1,0.9\nXR-3,0.1,0.9\n", classes=DIGITS, positive=None)
        assert found["/rows/2"] == "The score of class “c” is missing; every class needs one."

    def test_a_label_alone_is_an_answer(self):
        predictions = joined("case,label\nXR-1,b\nXR-2,c\nXR-3,a\n", classes=DIGITS, positive=None).predictions
        assert predictions.label.tolist() == [1, 2, 0]

    def test_a_wrong_label_is_listed(self):
        assert refused("case,label\nXR-1,nodule\nXR-2,Nodule\nXR-3,normal\n") == {"/rows/1": "“Nodule” is not a class of this project."}

    def test_a_refusal_is_an_answer_and_keeps_its_message(self):
        predictions = joined('case,refused,message,score:nodule\nXR-1,true,"no, not an X-ray",\nXR-2,false,,0.2\nXR-3,,,0.3\n').predictions
        assert predictions.refused.tolist() == [True, False, False]
        assert predictions.message.to_pylist() == ["no, not an X-ray", None, None]

    def test_an_empty_row_is_no_answer(self):
        assert refused("case,label\nXR-1,nodule\nXR-2,\nXR-3,normal\n") == {
            "/rows/1": "This row has no answer: give a label, scores, or refused."
        }

    def test_a_value_is_for_regression(self):
        content = "case,value\nXR-1,1.5\nXR-2,-2\nXR-3,3e2\n"
        assert joined(content, classes=[], positive=None).predictions.value.tolist() == [1.5, -2, 300]
        assert "not a value" in refused(content)["/rows/0"]
        assert "no answer" in refused(content.replace("-2", ""), classes=[], positive=None)["/rows/1"]
        assert "not a label" in refused("case,label\nXR-1,x\nXR-2,x\nXR-3,x\n", classes=[], positive=None)["/rows/0"]


class CsvTests:
    @pytest.mark.parametrize("text", ["nan", "NaN", "inf", "-Infinity", "1e999"])
    def test_numbers_must_be_finite(self, text):
        assert "must be finite" in refused(GOOD.replace("0.1", text))["/rows/1"]

    @pytest.mark.parametrize("text", ["high", "0,1", "1_000", "0x1F", "--1", "NA", "null", "٣"])
    def test_what_is_not_a_number_is_listed_with_its_row(self, text):
        assert "is not a number" in refused(GOOD.replace("0.1", f'"{text}"'))["/rows/1"]

    def test_an_unknown_class_or_column_is_named(self):
        assert refused("case,score:nodule,score:zebra,note\nXR-1,1,2,x\n") == {
            "/columns/score:zebra": "“zebra” is not a class of this project.",
            "/columns/note": "The column “note” is unknown. Columns are case, label, score:<class>, value, refused, message.",
        }

    def test_a_repeated_column_is_named(self):
        assert "more than once" in refused("case,score:nodule,score:nodule\nXR-1,1,0\n")["/columns/score:nodule"]

    @pytest.mark.parametrize("content", ["", "\n", "XR-1,0.5\n", "case;score:nodule\nXR-1;0.1\n"])
    def test_a_file_without_a_case_column_says_so(self, content):
        assert "no column “case”" in refused(content)["/columns/case"]

    def test_a_header_alone_holds_no_predictions(self):
        with pytest.raises(TableRefused, match="holds no predictions"):
            joined("case,label\n")

    @pytest.mark.parametrize(
        "change",
        [lambda c: b"\xef\xbb\xbf" + c, lambda c: c.replace(b"\n", b"\r\n"), lambda c: c.rstrip(), lambda c: c.replace(b"\n", b"\n\n")],
    )
    def test_bom_crlf_no_final_newline_and_blank_lines_change_nothing(self, change):
        assert joined(change(GOOD.encode())).predictions.scores[:, 1].tolist() == [0.1, 0.2, 0.3]

    def test_bom_and_crlf_survive_the_slow_reading(self):
        content = b"\xef\xbb\xbf" + GOOD.replace("0.1", "x").replace("\n", "\r\n").encode()
        assert refused(content) == {"/rows/1": "“x” in column “score:nodule” is not a number."}

    def test_quotes_commas_and_newlines_inside_cells(self):
        ids = CaseIndex(["1"], external_ids=['a,"b"\nc'], external_positions=[0])
        predictions = joined(
            'case,"score:x,y","message"\n"a,""b""\nc",0.5,"two\nlines"\n', ids=ids, classes=["x,y", "z"], positive="x,y"
        ).predictions
        assert predictions.scores[0, 0] == 0.5
        assert predictions.message.to_pylist() == ["two\nlines"]

    def test_ragged_lines_are_listed_and_the_others_keep_their_numbers(self):
        found = refused("case,score:nodule\nXR-1\nXR-2,0.2,7\nXR-3,0.3\nXR-9,0.1\n")
        assert found["/rows/0"] == "This row has 1 cells, the header 2."
        assert found["/rows/1"] == "This row has 3 cells, the header 2."
        assert found["/rows/3"] == "The test set holds no case “XR-9”."

    def test_bytes_that_are_not_utf8_are_listed(self):
        assert refused(b"case,score:nodule,message\nXR-1,0.1,ok\nXR-2,0.2,caf\xe9\nXR-3,0.3,\n") == {
            "/rows/1": "The cell in column “message” is not UTF-8."
        }

    def test_a_quote_that_never_closes_is_listed(self):
        assert any(
            "could not be read as CSV" in detail for detail in refused('case,score:nodule\nXR-1,0.1\nXR-2,"0.2\nXR-3,0.3\n').values()
        )

    def test_refused_must_be_true_or_false(self):
        assert "must be true or false" in refused("case,refused\nXR-1,true\nXR-2,maybe\nXR-3,0\n")["/rows/1"]

    def test_a_path_reads_like_bytes(self, tmp_path):
        file = tmp_path / "predictions.csv"
        file.write_text(GOOD)
        assert len(read_table(file, CSV, classes=CLASSES)) == 3


class JsonTests:
    LINES = (
        '{"case": "XR-2", "scores": {"normal": 0.8, "nodule": 0.2}}\n\n'
        '{"case": "XR-1", "label": "nodule"}\n{"case": "XR-3", "refused": true, "message": "no"}\n'
    )

    def test_lines_are_prediction_shapes(self):
        predictions = joined(self.LINES, NDJSON).predictions
        assert predictions.label.tolist() == [1, -1, -1]
        assert predictions.scores[1].tolist() == [0.8, 0.2]
        assert predictions.refused.tolist() == [False, False, True]

    def test_a_json_list_reads_like_lines(self):
        records = json.dumps([json.loads(line) for line in self.LINES.split("\n") if line])
        assert joined(records, JSON).predictions.label.tolist() == joined(self.LINES, NDJSON).predictions.label.tolist()

    @pytest.mark.parametrize(
        ("line", "said"),
        [
            ('{"case": "XR-1", "scores": {"nodule": "0.1"}}', "is not a number"),
            ('{"case": "XR-1", "scores": {"nodule": true}}', "is not a number"),
            ('{"case": "XR-1", "scores": {"nodule": NaN}}', "must be finite"),
            ('{"case": "XR-1", "scores": {"nodule": 1e999}}', "must be finite"),
            ('{"case": "XR-1", "scores": {"zebra": 0.1}}', "“zebra” is not a class"),
            ('{"case": "XR-1", "scores": {"nodule": 0.1, "nodule": 0.2}}', "more than once"),
            ('{"case": "XR-1", "case": "XR-2", "label": "nodule"}', "more than once"),
            ('{"case": "XR-1", "scores": [0.1]}', "must be an object"),
            ('{"case": 1, "label": "nodule"}', "“case” must be a text"),
            ('{"case": "XR-1", "label": "nodule", "score": 1}', "“score” is unknown"),
            ('{"case": "XR-1", "label": "\\ud800"}', "must be a text"),
            ('{"case": "XR-1", "refused": "maybe"}', "must be true or false"),
            ('{"case": "XR-1", "label": ', "not valid JSON"),
            ("[1, 2]", "must be a JSON object"),
            ("7", "must be a JSON object"),
            ("[" * 100_000, "not valid JSON"),
        ],
    )
    def test_a_bad_line_is_listed_with_its_row(self, line, said):
        found = refused('{"case": "XR-2", "label": "nodule"}\n' + line + "\n", NDJSON)
        assert said in found["/rows/1"]
        if said != "not valid JSON":
            assert said in refused('[{"case": "XR-2", "label": "nodule"},' + line + "]", JSON)["/rows/1"]

    def test_null_is_no_prediction(self):
        assert refused('{"case": "XR-2", "label": "nodule"}\nnull\n', NDJSON)["/rows/1"]
        assert refused('[{"case": "XR-2", "label": "nodule"}, null]', JSON)["/rows/1"]

    def test_lines_with_bom_and_without_utf8(self):
        assert len(joined(b"\xef\xbb\xbf" + self.LINES.encode(), NDJSON).predictions) == 3
        assert "not UTF-8" in refused(b'{"case": "XR-1", "label": "caf\xe9"}\n', NDJSON)["/rows/0"]

    @pytest.mark.parametrize("content", ["", "{}", '{"case": "XR-1"}', "[" * 100_000, "[1", "\x00", "[]"])
    def test_a_json_file_that_is_no_list_of_predictions_is_refused(self, content):
        with pytest.raises(TableRefused, match="Nothing was stored"):
            joined(content, JSON)

    def test_a_long_json_list_is_too_large(self, monkeypatch):
        monkeypatch.setattr(tables, "MAX_JSON_LIST", 10)
        with pytest.raises(TooLarge, match="JSON lines"):
            joined('[{"case": "XR-1"}]', JSON)


class ParquetTests:
    def test_columns_of_any_number_type_and_dictionaries(self):
        content = parquet(case=pa.array(["XR-3", "XR-1", "XR-2"]).dictionary_encode(), **{"score:nodule": pa.array([1, 0, 1], pa.int8())})
        assert joined(content, PARQUET).predictions.scores[:, 1].tolist() == [0, 1, 1]

    def test_numeric_ids_are_read_as_text(self):
        ids = CaseIndex(["17", "18"])
        assert len(joined(parquet(case=[17, 18], label=["nodule", "normal"]), PARQUET, ids=ids).predictions) == 2

    def test_nan_is_a_finding_and_null_an_absent_score(self):
        found = refused(parquet(case=KEYS, **{"score:nodule": [0.1, float("nan"), None]}), PARQUET)
        assert "must be finite" in found["/rows/1"]
        assert "no answer" in found["/rows/2"]

    def test_texts_in_a_score_column_are_listed(self):
        assert refused(parquet(case=KEYS, **{"score:nodule": ["0.1", "x", "3e-1"]}), PARQUET) == {
            "/rows/1": "“x” in column “score:nodule” is not a number."
        }

    @pytest.mark.parametrize("column", [[[0.1], [0.2], [0.3]], [True, False, True], [b"\xff", b"a", b"b"]])
    def test_a_column_of_another_kind_is_named(self, column):
        assert set(refused(parquet(case=KEYS, label=["nodule"] * 3, **{"score:nodule": column}), PARQUET)) & {
            "/columns/score:nodule",
            "/rows/0",
        }

    @pytest.mark.parametrize(
        "content",
        [b"", b"PAR1", b"PAR1" * 50, parquet(case=KEYS)[:-20], gzip.compress(b"case", mtime=0)],
        ids=["empty", "mark", "marks", "cut", "gzip"],
    )
    def test_damaged_files_are_refused(self, content):
        with pytest.raises(TableRefused, match="could not be read as Parquet"):
            joined(content, PARQUET)

    def test_a_file_that_promises_too_many_rows_is_refused_before_it_is_read(self, monkeypatch):
        monkeypatch.setattr(tables, "MAX_CELLS", 2)
        with pytest.raises(TooLarge):
            joined(parquet(case=KEYS), PARQUET)

    def test_unknown_columns_are_named(self):
        assert "unknown" in refused(parquet(case=KEYS, index=[0, 1, 2]), PARQUET)["/columns/index"]


def test_another_media_type_is_refused():
    with pytest.raises(UnsupportedMedia, match="text/csv"):
        read_table(b"", "text/html; charset=utf-8", classes=CLASSES)


finite = st.floats(allow_nan=False, allow_infinity=False)
names = st.lists(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r\n\ufeff"), min_size=1, max_size=8),
    min_size=1,
    max_size=12,
    unique=True,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(names, st.data())
def test_every_format_gives_the_same_answers(keys, data):
    """Round trip: the same answers as CSV, JSON lines, JSON and Parquet, each shuffled, are the same predictions to the last bit."""
    scores = {key: [data.draw(finite), data.draw(finite)] for key in keys}
    order = data.draw(st.permutations(keys))
    records = [{"case": key, "scores": dict(zip(CLASSES, scores[key], strict=True))} for key in order]
    quoted = ['"' + key.replace('"', '""') + '"' for key in order]
    lines = [f"{cell},{scores[key][0]!r},{scores[key][1]!r}" for cell, key in zip(quoted, order, strict=True)]
    files = {
        CSV: "\n".join(["case,score:normal,score:nodule", *lines]).encode(),
        NDJSON: "\n".join(json.dumps(record) for record in records).encode(),
        JSON: json.dumps(records).encode(),
        PARQUET: parquet(case=order, **{f"score:{name}": [scores[key][code] for key in order] for code, name in enumerate(CLASSES)}),
    }
    for kind, content in files.items():
        found = joined(content, kind, ids=CaseIndex(keys)).predictions
        assert found.scores.tolist() == [scores[key] for key in keys], kind


@settings(max_examples=200, deadline=None)
@given(
    st.binary(max_size=200), st.sampled_from([CSV, NDJSON, JSON, PARQUET]), st.sampled_from([b"", b"case,label\n", b'{"case": "XR-1", '])
)
def test_no_bytes_whatever_end_in_anything_but_a_refusal(noise, kind, start):
    try:
        joined(start + noise, kind, missing="wrong")
    except TableRefused as refusal:
        assert refusal.sentence  # noqa: PT017 - either outcome is right; another exception is not
