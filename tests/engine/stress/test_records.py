"""Perturbations of records: only declared fields, only as stated, the same bytes everywhere."""

import datetime
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.engine.arrays import BadInput
from evaluation.engine.stress.records import RECORDS, Field, RecordPerturbation, perturb_record
from tests.engine.stress.samples import CASE, GOLDEN, RECORD, SCHEMA, golden_records

ROWS = {row.name: row for row in RECORDS}
every = pytest.mark.parametrize("row", RECORDS, ids=lambda row: row.name)
KINDS = {field.name: field for field in SCHEMA}


def made(name: str, severity: int = 3, seed: int = 0, **changes: Any) -> tuple[dict[str, Any], set[str]]:
    out = perturb_record({**RECORD, **changes}, SCHEMA, name, severity, case_digest=CASE, seed=seed)
    return out.record, set(out.touched)


class LawTests:
    @given(st.sampled_from(RECORDS), st.integers(1, 5), st.integers(0, 1000), st.sets(st.sampled_from(sorted(RECORD))))
    def test_only_declared_and_filled_fields_change(self, row: RecordPerturbation, severity: int, seed: int, empty: set[str]) -> None:
        before = {name: None if name in empty else value for name, value in RECORD.items()}
        out = perturb_record(before, SCHEMA, row.name, severity, case_digest=CASE, seed=seed)
        assert out == perturb_record(before, SCHEMA, row.name, severity, case_digest=CASE, seed=seed)
        assert set(out.touched) == {name for name in before if out.record[name] != before[name]}
        assert set(out.touched) <= set(KINDS) - empty
        assert out.record.keys() == before.keys()

    @every
    def test_another_seed_changes_exactly_the_stochastic(self, row: RecordPerturbation) -> None:
        digests = {perturb_record(RECORD, SCHEMA, row.name, 3, case_digest=CASE, seed=seed).digest for seed in range(12)}
        assert (len(digests) > 1) == row.stochastic

    def test_golden_digests(self) -> None:
        assert golden_records() == json.loads(GOLDEN.read_text(encoding="utf-8"))["records"]


class MeaningTests:
    def test_missing_values(self) -> None:
        assert [len(made("missing_values", severity)[1]) for severity in range(1, 6)] == [1, 2, 3, 4, 5]  # of nine, rounded up
        assert all(made("missing_values")[0][name] is None for name in made("missing_values")[1])

    @pytest.mark.parametrize(("name", "factor"), [("unit_error_10", 10), ("unit_error_1000", 1000)])
    def test_unit_errors(self, name: str, factor: int) -> None:
        for seed in range(20):
            record, touched = made(name, 5, seed)
            assert len(touched) == 2
            for field in touched:
                allowed = {RECORD[field] * factor} if KINDS[field].whole else {RECORD[field] * factor, RECORD[field] / factor}
                assert record[field] in allowed

    def test_zero_has_no_unit_error(self) -> None:
        assert made("unit_error_10", 5, 0, age=0, crp=0, creatinine=0)[1] == set()

    def test_swapped_fields_are_of_one_kind(self) -> None:
        for seed in range(20):
            record, touched = made("swapped_fields", 5, seed)
            assert len(touched) in {2, 4}
            for name in touched:
                assert any(KINDS[other].kind == KINDS[name].kind and record[name] == RECORD[other] for other in touched - {name})

    def test_out_of_range_is_as_far_as_stated(self) -> None:
        for severity, percent in enumerate((10, 25, 50, 100, 200), 1):
            for seed in range(8):
                record, touched = made("out_of_range", severity, seed)
                (name,) = touched
                low, high = KINDS[name].low or 0.0, KINDS[name].high or 0.0
                beyond = max(low - record[name], record[name] - high) / (high - low)
                assert beyond == pytest.approx(percent / 100)
                assert isinstance(record[name], int) == KINDS[name].whole

    def test_category_typos_name_no_other_category(self) -> None:
        for seed in range(30):
            record, touched = made("category_typos", 5, seed)
            assert len(touched) == 1
            assert all(record[name] not in KINDS[name].values for name in touched)
        swapped = [Field(name="x", kind="category", values=("form", "from"))]
        for seed in range(30):
            out = perturb_record({"x": "form"}, swapped, "category_typos", 1, case_digest=CASE, seed=seed)
            assert out.record["x"] not in {"form", "from"}

    def test_rounding(self) -> None:
        record, touched = made("rounding", 3)  # multiples of 5 % of the range: 6, 25 and 1
        assert ({name: record[name] for name in touched}) == {"age": 60, "crp": 0.0, "creatinine": 1.0}
        assert isinstance(record["age"], int)

    def test_stale_dates_keep_the_time_of_day(self) -> None:
        record, touched = made("stale_date", 2)
        assert touched == {"seen", "taken"}
        assert (record["seen"], record["taken"]) == ("2026-01-24", "2026-01-23T10:15:00Z")
        assert datetime.date.fromisoformat(made("stale_date", 5)[0]["seen"]) == datetime.date(2025, 1, 31)


class BadInputTests:
    def test_what_is_no_json(self) -> None:
        with pytest.raises(BadInput, match="not plain JSON"):
            made("rounding", undeclared=object())

    @pytest.mark.parametrize(
        ("field", "value"), [("age", "61"), ("age", True), ("crp", float("nan")), ("site", 3), ("seen", "31.1.2026"), ("smoker", "no")]
    )
    def test_a_value_of_another_kind(self, field: str, value: Any) -> None:
        with pytest.raises(BadInput, match=f"field '{field}' holds"):
            made("rounding", **{field: value})

    def test_a_schema_that_says_too_little_or_too_much(self) -> None:
        with pytest.raises(BadInput, match="declares no values"):
            Field(name="x", kind="category")
        with pytest.raises(BadInput, match="has no range"):
            Field(name="x", kind="number", low=1, high=1)
        with pytest.raises(BadInput, match="'x' twice"):
            perturb_record({}, [Field(name="x", kind="text")] * 2, "rounding", 1, case_digest=CASE)
