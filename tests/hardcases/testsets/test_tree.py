"""The hash tree by itself."""

import hashlib
from uuid import UUID, uuid4

import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from hardcases.testsets import tree

uids = st.uuids()
texts = st.text(st.characters(exclude_categories=["Cs"]))


class LineTests:
    @given(uid=uids, key=texts, revision=st.integers(1, 2**53 - 1), strata=st.lists(st.from_regex(r"[a-z0-9-]{1,9}", fullmatch=True)))
    def test_is_rfc_8785(self, uid: UUID, key: str, revision: int, strata: list[str]) -> None:
        a, c, label = "a" * 64, "c" * 64, "f" * 64
        expected = {
            "attributes": a,
            "content": c,
            "key": key,
            "label": label,
            "revision": revision,
            "strata": sorted(strata),
            "uid": str(uid),
        }
        written = tree.line(attributes=a, content=c, key=key, label=label, revision=revision, strata=strata, uid=uid)
        assert written == rfc8785.dumps(expected) + b"\n"


class TreeTests:
    @given(st.lists(st.tuples(st.dictionaries(st.integers(0, 65_535), st.binary(max_size=3), max_size=4)), max_size=6))
    def test_step_by_step_is_the_same_as_at_once(self, steps: list[tuple[dict[int, bytes]]]) -> None:
        rows: dict[int, bytes] = {}
        now: dict[int, bytes] = {}
        for (step,) in steps:
            leaves = {place: tree.leaf([text] if text else []) for place, text in step.items()}
            now |= leaves
            rows |= tree.replaced({index: rows[index] for index in tree.rows_of(leaves) if index in rows}, leaves)
        assert tree.root(rows.get(tree.TOP, tree.EMPTY_TOP)) == tree.root(tree.replaced({}, now)[tree.TOP])

    def test_an_emptied_bucket_leaves_no_trace(self) -> None:
        filled = tree.replaced({}, {7: tree.leaf([b"x\n"])})
        emptied = tree.replaced(filled, {7: tree.leaf([])})
        assert tree.root(emptied[tree.TOP]) == tree.root()

    def test_order_of_lines_does_not_matter_but_their_bucket_does(self) -> None:
        assert tree.leaf([b"a\n", b"b\n"]) == tree.leaf([b"b\n", b"a\n"])
        one, two = (tree.replaced({}, {place: tree.leaf([b"a\n"])}) for place in (1, 2))
        assert tree.root(one[tree.TOP]) != tree.root(two[tree.TOP])

    def test_written_out_with_hashlib_alone(self) -> None:
        uid = uuid4()
        place = int(hashlib.sha256(str(uid).encode()).hexdigest()[:4], 16)
        assert tree.bucket(uid) == place
        buckets = [hashlib.sha256(b"\x00" + (b"line\n" if index == place else b"")).digest() for index in range(65_536)]
        rows = [hashlib.sha256(b"\x01" + b"".join(buckets[start : start + 256])).digest() for start in range(0, 65_536, 256)]
        assert (
            tree.root(tree.replaced({}, {place: tree.leaf([b"line\n"])})[tree.TOP]) == hashlib.sha256(b"\x02" + b"".join(rows)).hexdigest()
        )
