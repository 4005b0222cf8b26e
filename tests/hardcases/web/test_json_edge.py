"""The strict JSON reader: what it lets through, what it refuses, and where it says the fault lies."""

import io
import json
from typing import Any

import pytest
import rfc8785
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import QueryDict
from django.utils.datastructures import MultiValueDict
from hypothesis import given
from hypothesis import strategies as st

from hardcases.errors import BadRequest, TooLarge
from hardcases.web.json_edge import (
    BadJSON,
    StrictJSONParser,
    StrictNDJSONParser,
    canonical,
    digest_of,
    json_part,
    pointer,
    read_json,
    read_ndjson,
    stable,
)

storable = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))
scalars = st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False) | storable
documents = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(storable, inner), max_leaves=20)


def refused(body: bytes | str) -> BadJSON:
    with pytest.raises(BadJSON) as caught:
        read_json(body)
    return caught.value


class ReadingTests:
    @given(documents)
    def test_every_ordinary_document_comes_through_unchanged(self, document: object) -> None:
        assert read_json(json.dumps(document)) == document
        assert read_json(json.dumps(document, ensure_ascii=False).encode()) == document

    def test_a_surrogate_pair_is_one_character(self) -> None:
        assert read_json(b'"\\ud83d\\ude00"') == "😀"

    @pytest.mark.parametrize(
        ("body", "where"),
        [
            ('{"a": {"b": [1, NaN]}}', "/a/b/1"),
            ("[Infinity]", "/0"),
            ("[-Infinity]", "/0"),
            ("[1, 1e999]", "/1"),
            ("[-1e999]", "/0"),
            ("[9007199254740992]", "/0"),
            ("[-9007199254740992]", "/0"),
            ("[" + "9" * 200_000 + "]", "/0"),
            ('{"a": 1, "a": 1}', "/a"),
            ('{"x": {"a~/": 1, "a~/": 2}}', "/x/a~0~1"),
            ('{"t": "a\\u0000b"}', "/t"),
            ('{"t": "\\ud800"}', "/t"),
            ('{"t": "\\udc00\\ud800"}', "/t"),
            ('{"o": {"k\\u0000": 1}}', "/o"),
            ('{"o": {"k\\udfff": 1}}', "/o"),
        ],
    )
    def test_a_value_that_breaks_a_rule_is_named_by_its_pointer(self, body: str, where: str) -> None:
        refusal = refused(body)
        assert refusal.status == 400
        assert [finding.pointer for finding in refusal.errors] == [where]
        assert "Nothing was stored" in refusal.sentence

    def test_integers_up_to_the_safe_range_pass(self) -> None:
        assert read_json(f"[{2**53 - 1}, {-(2**53) + 1}]") == [2**53 - 1, -(2**53) + 1]

    def test_all_findings_come_at_once_but_no_flood(self) -> None:
        assert len(refused('{"a": NaN, "b": Infinity}').errors) == 2
        assert len(refused("[" + "NaN," * 500 + "NaN]").errors) == 20

    @pytest.mark.parametrize(
        "body", [b"", b" ", b"{", b"[1,]", b"{'a': 1}", b'"\x01"', b"\xff\xfe", b"1 2", b'\xef\xbb\xbf{"a": 1}', b'["a\x00b"]']
    )
    def test_what_is_not_json_is_refused_with_a_sentence(self, body: bytes) -> None:
        assert refused(body).sentence.startswith("The body is not")

    def test_depth_is_bounded_before_parsing(self) -> None:
        read_json("[" * 32 + "]" * 32)
        for depth in (33, 2_000, 400_000):
            assert "nested deeper than 32" in refused("[" * depth + "]" * depth).sentence
        assert "nested deeper" in refused('{"a":' * 2_000 + "1" + "}" * 2_000).sentence

    def test_brackets_inside_strings_are_text(self) -> None:
        text = "[" * 500 + '"\\'
        assert read_json(json.dumps([text])) == [text]

    def test_a_wall_of_escaped_quotes_is_read_in_linear_time(self) -> None:
        refused('"' + '\\"' * 400_000)

    def test_the_limit_is_in_bytes(self) -> None:
        assert read_json(b'"aaa"', limit=5) == "aaa"
        with pytest.raises(TooLarge, match="5 bytes"):
            read_json(b'"aaaa"', limit=5)


class NDJSONTests:
    def test_a_bad_line_does_not_take_the_good_ones_along(self) -> None:
        lines = list(read_ndjson(io.BytesIO(b'{"a": 1}\n\n[NaN]\r\n"last"'), total_limit=1_000))
        assert [(line.number, line.value, line.refusal is None) for line in lines] == [
            (0, {"a": 1}, True),
            (1, None, False),
            (2, "last", True),
        ]

    @pytest.mark.parametrize("limits", [{"total_limit": 5}, {"total_limit": 99, "line_limit": 3}, {"total_limit": 99, "max_lines": 1}])
    def test_each_limit_refuses(self, limits: dict[str, int]) -> None:
        with pytest.raises(TooLarge):
            list(read_ndjson(io.BytesIO(b'"aaa"\n"bbb"\n'), **limits))

    def test_a_line_of_exactly_the_limit_passes(self) -> None:
        assert [line.value for line in read_ndjson(io.BytesIO(b'"aaa"\r\n"bbb"\n'), total_limit=99, line_limit=5)] == ["aaa", "bbb"]


class ParserTests:
    def test_the_view_sets_the_limit(self) -> None:
        class View:
            json_limit = 4

        with pytest.raises(TooLarge):
            StrictJSONParser().parse(io.BytesIO(b"[1,2]"), "application/json", {"view": View()})
        assert StrictJSONParser().parse(io.BytesIO(b"[1]"), "application/json", {"view": View()}) == [1]

    def test_ndjson_gives_lines(self) -> None:
        assert [line.value for line in StrictNDJSONParser().parse(io.BytesIO(b"1\n2\n"))] == [1, 2]


class PartTests:
    def test_a_part_is_read_with_or_without_a_file_name(self) -> None:
        as_field = QueryDict(mutable=True)
        as_field["case"] = '{"a": 1}'
        assert json_part(as_field, MultiValueDict(), "case") == {"a": 1}
        as_file = MultiValueDict({"case": [SimpleUploadedFile("case.json", b'{"a": 1}')]})
        assert json_part(QueryDict(), as_file, "case") == {"a": 1}

    def test_missing_and_repeated_parts_are_refused(self) -> None:
        with pytest.raises(BadRequest, match="is missing"):
            json_part(QueryDict(), MultiValueDict(), "case")
        with pytest.raises(BadRequest, match="more than once"):
            json_part(QueryDict("case=1&case=2"), MultiValueDict(), "case")


class CanonicalTests:
    def test_key_order_and_number_spelling_do_not_change_the_digest(self) -> None:
        assert canonical(read_json('{"b": 1.0, "a": [1e2, "é"]}')) == '{"a":[100,"é"],"b":1}'.encode()
        assert digest_of({"a": 1, "b": 2}) == digest_of(read_json('{"b": 2.0, "a": 1}'))
        assert digest_of({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"

    @given(documents)
    def test_whatever_was_read_has_a_canonical_form(self, document: object) -> None:
        assert json.loads(canonical(read_json(json.dumps(document))), parse_int=float) == document

    @given(st.recursive(scalars | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text() | storable, inner), max_leaves=20))
    def test_the_fast_form_is_rfc_8785(self, document: object) -> None:
        try:
            expected = rfc8785.dumps(document)
        except rfc8785.CanonicalizationError:
            with pytest.raises(rfc8785.CanonicalizationError):
                canonical(document)
        else:
            assert canonical(document) == expected

    @given(documents)
    def test_the_stable_form_does_not_depend_on_the_order_of_keys(self, document: object) -> None:
        assert stable(json.loads(stable(document))) == stable(document) == stable(_backwards(document))

    def test_the_stable_form_knows_no_infinity(self) -> None:
        with pytest.raises(ValueError, match="not JSON compliant"):
            stable({"a": float("inf")})


def _backwards(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _backwards(value[key]) for key in reversed(value)}
    return [_backwards(item) for item in value] if isinstance(value, list) else value


def test_pointer_escapes() -> None:
    assert pointer("a/b", 3, "~") == "/a~1b/3/~0"
