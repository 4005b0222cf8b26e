"""What decides a class, and the canonical part: equal content gives equal bytes, and the part gives the content back."""

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hardcases.formats.predictions import PartUnreadable, Predictions, concatenate, decide, digest, read_part, to_parquet

CLASSES = ["cat", "dog", "eel"]
NONE = np.full(3, -1, dtype=np.int32)
ABSENT = float("nan")


def predictions(rows=(0, 2, 5)):
    n = len(rows)
    return Predictions(
        row=np.array(rows, dtype=np.int64),
        label=np.array([2, -1, 0][:n], dtype=np.int32),
        scores=np.array([[0.1, 0.2, 0.7], [0.5, 0.25, 0.25], [ABSENT] * 3])[:n],
        value=np.array([ABSENT, 1.5, ABSENT])[:n],
        refused=np.array([False, False, True])[:n],
        message=pa.array([None, "", "not an animal"][:n], pa.string()),
    )


def same(first, second):
    return (
        first.row.tolist() == second.row.tolist()
        and first.label.tolist() == second.label.tolist()
        and np.array_equal(first.scores, second.scores, equal_nan=True)
        and np.array_equal(first.value, second.value, equal_nan=True)
        and first.refused.tolist() == second.refused.tolist()
        and first.message.to_pylist() == second.message.to_pylist()
    )


class DecideTests:
    def test_a_given_label_decides_over_scores(self):
        assert decide(np.array([0], dtype=np.int32), np.array([[0.0, 1.0, 0.0]]), CLASSES).tolist() == [0]

    def test_the_highest_score_wins_and_ties_go_in_class_order(self):
        scores = np.array([[0.1, 0.2, 0.7], [0.4, 0.4, 0.2], [0.2, 0.4, 0.4]])
        assert decide(NONE, scores, CLASSES).tolist() == [2, 0, 1]

    def test_binary_is_positive_from_the_threshold_on(self):
        scores = np.array([[0.9, 0.5], [0.9, 0.49999], [ABSENT, 0.6]])
        assert decide(NONE, scores, ["no", "yes"], "yes", 0.5).tolist() == [1, 0, 1]

    def test_the_positive_class_may_come_first(self):
        assert decide(NONE[:2], np.array([[0.3, ABSENT], [0.2, ABSENT]]), ["yes", "no"], "yes", 0.3).tolist() == [0, 1]

    def test_two_classes_without_a_positive_one_go_by_the_highest(self):
        assert decide(NONE[:1], np.array([[0.3, 0.4]]), ["a", "b"], None, 0.9).tolist() == [1]

    def test_nothing_decides_where_a_needed_score_is_absent(self):
        assert decide(NONE[:2], np.array([[0.3, ABSENT, 0.1], [ABSENT] * 3]), CLASSES).tolist() == [-1, -1]
        assert decide(NONE[:1], np.array([[0.3, ABSENT]]), ["no", "yes"], "yes").tolist() == [-1]


class PartTests:
    def test_a_part_gives_its_predictions_back(self, tmp_path):
        part = to_parquet(predictions(), CLASSES)
        assert same(read_part(part, CLASSES), predictions())
        file = tmp_path / "part"
        file.write_bytes(part)
        assert same(read_part(file, CLASSES), predictions())

    def test_equal_content_gives_equal_bytes_however_it_lay_in_memory(self):
        plain = predictions()
        other = Predictions(
            row=plain.row.copy(),
            label=plain.label.copy(),
            scores=np.asfortranarray(plain.scores),
            value=np.array([-np.nan, 1.5, ABSENT]),
            refused=plain.refused.copy(),
            message=pa.concat_arrays([plain.message.slice(0, 1), plain.message.slice(1)]),
        )
        assert to_parquet(other, CLASSES) == to_parquet(plain, CLASSES)
        assert digest(other, CLASSES) == digest(plain, CLASSES)

    def test_the_bytes_of_a_known_part_stay_what_they_are(self):
        """A change of library or of ours that moves them renames every part: the digest must not move with them."""
        assert digest(predictions(), CLASSES) == "eafd647a426e5721ab4704a7f52ab0a14a5c61a75543387273cc5b8d73fe2828"
        assert (
            hashlib.sha256(to_parquet(predictions(), CLASSES)).hexdigest() == hashlib.sha256(to_parquet(predictions(), CLASSES)).hexdigest()
        )

    def test_one_row_group_with_stated_compression_and_no_foreign_metadata(self):
        metadata = pq.ParquetFile(pa.BufferReader(to_parquet(predictions(), CLASSES))).metadata
        assert metadata.num_row_groups == 1
        assert metadata.metadata is None
        assert {metadata.row_group(0).column(i).compression for i in range(metadata.num_columns)} == {"ZSTD"}

    @pytest.mark.parametrize("change", ["row", "label", "scores", "value", "refused", "message"])
    def test_every_column_is_in_the_digest_and_in_the_bytes(self, change):
        changed = {
            "row": np.array([0, 2, 6]),
            "label": np.array([2, -1, 1], dtype=np.int32),
            "scores": np.nan_to_num(predictions().scores),
            "value": np.array([ABSENT, 1.5, 0.0]),
            "refused": np.array([False, False, False]),
            "message": pa.array(["", "", "not an animal"]),
        }
        other = Predictions(**{**{name: getattr(predictions(), name) for name in changed}, change: changed[change]})
        assert digest(other, CLASSES) != digest(predictions(), CLASSES)
        assert to_parquet(other, CLASSES) != to_parquet(predictions(), CLASSES)

    def test_rows_must_ascend(self):
        with pytest.raises(ValueError, match="ascend"):
            to_parquet(predictions((0, 5, 2)), CLASSES)

    @pytest.mark.parametrize("damage", [lambda part: part[:-9], lambda part: b"", lambda part: part[:40] + b"\x00" * 40 + part[80:]])
    def test_a_damaged_part_is_refused(self, damage):
        with pytest.raises(PartUnreadable, match="damaged"):
            read_part(damage(to_parquet(predictions(), CLASSES)), CLASSES)

    def test_a_part_for_other_classes_is_refused(self):
        with pytest.raises(PartUnreadable, match="other classes"):
            read_part(to_parquet(predictions(), CLASSES), ["cat", "dog"])

    def test_no_rows_are_a_part_too(self):
        assert len(read_part(to_parquet(predictions().take(np.array([], dtype=np.int64)), CLASSES), CLASSES)) == 0

    def test_parts_are_put_together_in_the_order_of_the_test_set(self):
        whole = predictions((3, 4, 9))
        assert same(concatenate([whole.take(np.array([2])), whole.take(np.array([0, 1]))]), whole)
        with pytest.raises(ValueError, match="same case"):
            concatenate([whole, whole])

    def test_scores_of_a_model_in_process_are_predictions(self):
        found = Predictions.of_scores(np.array([1, 2]), np.array([[0.5, 0.5], [1, 0]]))
        assert same(read_part(to_parquet(found, ["a", "b"]), ["a", "b"]), found)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 20), st.data())
def test_any_predictions_survive_their_part(n, data):
    made = Predictions(
        row=np.cumsum(np.array(data.draw(st.lists(st.integers(1, 9), min_size=n, max_size=n)), dtype=np.int64)),
        label=data.draw(hnp.arrays(np.int32, n, elements=st.integers(-1, 2))),
        scores=data.draw(hnp.arrays(np.float64, (n, 3), elements=st.floats(allow_infinity=False))),
        value=data.draw(hnp.arrays(np.float64, n, elements=st.floats(allow_infinity=False))),
        refused=data.draw(hnp.arrays(np.bool_, n)),
        message=pa.array(
            data.draw(st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"])), min_size=n, max_size=n)), pa.string()
        ),
    )
    assert same(read_part(to_parquet(made, CLASSES), CLASSES), made)
