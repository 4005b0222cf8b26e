"""Slice discovery: against trying every conjunction, against SciPy's exact test, and against chance."""

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests

from evaluation.engine.arrays import BadInput
from evaluation.engine.multiplicity import benjamini_hochberg, benjamini_yekutieli
from evaluation.engine.slices import Attribute, Search, _hypergeometric, _Lattice, find_slices

WIDTHS = (3, 4, 2, 3)


def _codes(seed: int, n: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(-1, width, n) for width in WIDTHS]


def _attributes(codes: list[np.ndarray]) -> list[Attribute]:
    return [Attribute(f"a{i}", [str(v) for v in range(width)], code) for i, (width, code) in enumerate(zip(WIDTHS, codes, strict=True))]


@given(seed=st.integers(0, 10_000), weight=st.sampled_from([0.6, 0.9, 1.0]), support=st.integers(1, 25), most=st.integers(1, 12))
def test_the_search_finds_what_trying_everything_finds(seed: int, weight: float, support: int, most: int) -> None:
    codes = _codes(seed, 300)
    rng = np.random.default_rng(seed + 1)
    errors = (rng.random(300) < np.where((codes[0] == 1) & (codes[2] == 0), 0.5, 0.1)).astype(float)
    lattice = _Lattice(codes, WIDTHS, errors, Search(support=support, weight=weight, most=most))
    every = {}
    for depth in (1, 2, 3):
        for attributes in combinations(range(4), depth):
            for values in product(*(range(WIDTHS[a]) for a in attributes)):
                member = np.logical_and.reduce([codes[a] == v for a, v in zip(attributes, values, strict=True)])
                size, wrong = float(member.sum()), float(errors[member].sum())
                if size >= support and wrong / size > errors.mean():
                    score = float(lattice.score(np.array(size), np.array(wrong)))
                    if score > 0:
                        every[tuple(zip(attributes, values, strict=True))] = score
    wanted = sorted(every.values(), reverse=True)[:most]
    assert [score for _, score in lattice.best()] == pytest.approx(wanted)


@pytest.mark.parametrize("clustered", [False, True])
def test_a_planted_slice_is_found_and_confirmed_on_other_cases(clustered: bool) -> None:
    codes = _codes(1, 4000)
    planted = (codes[0] == 2) & (codes[3] == 1)
    errors = (np.random.default_rng(2).random(4000) < np.where(planted, 0.4, 0.08)).astype(float)
    found = find_slices(_attributes(codes), errors, seed=b"s", clusters=np.arange(4000) // 2 if clustered else None)
    assert found[0].name == "a0=2 & a3=1"
    assert found[0].confirmed
    inside, outside = found[0].inside, found[0].outside
    assert inside is not None
    assert outside is not None
    assert inside.low < 0.4 < inside.high
    assert inside.n + outside.n == pytest.approx(2000, abs=3)
    assert inside.low > outside.high
    assert found == find_slices(_attributes(codes), errors, seed=b"s", clusters=np.arange(4000) // 2 if clustered else None)


def test_chance_is_seldom_confirmed() -> None:
    confirmed = 0
    for seed in range(60):
        errors = (np.random.default_rng(seed).random(800) < 0.15).astype(float)
        confirmed += any(one.confirmed for one in find_slices(_attributes(_codes(seed, 800)), errors, seed=bytes([seed])))
    assert confirmed <= 10  # 10 % wanted, and adjusted for overlap: 6 expected at the most


def test_whole_clusters_are_on_one_side_of_the_split() -> None:
    """Copies of cases add nothing: with every case four times the evidence is that of one copy."""
    codes, rng = _codes(5, 500), np.random.default_rng(6)
    errors = (rng.random(500) < np.where(codes[0] == 1, 0.2, 0.1)).astype(float)
    copies = find_slices(
        _attributes([np.repeat(code, 4) for code in codes]), np.repeat(errors, 4), seed=b"s", clusters=np.repeat(np.arange(500), 4)
    )
    naive = find_slices(_attributes([np.repeat(code, 4) for code in codes]), np.repeat(errors, 4), seed=b"s")
    least = min(one.p for one in copies if one.p is not None)
    assert least > 10 * min(one.p for one in naive if one.p is not None)


@given(k=st.integers(0, 20), n=st.integers(1, 40), wrong=st.integers(0, 60), total=st.integers(80, 120))
def test_the_exact_test_equals_scipys(k: int, n: int, wrong: int, total: int) -> None:
    k = min(k, n, wrong)
    law = stats.hypergeom(total, wrong, n)
    assert _hypergeometric(k, n, wrong, total) == pytest.approx(law.sf(k) + law.pmf(k) / 2, abs=1e-9)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=15))
def test_false_discovery_rates_equal_statsmodels(p: list[float]) -> None:
    for ours, theirs in ((benjamini_hochberg, "fdr_bh"), (benjamini_yekutieli, "fdr_by")):
        np.testing.assert_allclose(ours(p), multipletests(p, method=theirs)[1], atol=1e-12)


def test_nothing_wrong_finds_nothing_and_bad_input_is_named() -> None:
    codes = _codes(1, 50)
    assert find_slices(_attributes(codes), np.zeros(50), seed=b"s") == []
    with pytest.raises(BadInput, match="row 3"):
        find_slices(_attributes(codes), np.where(np.arange(50) == 3, 0.5, 0), seed=b"s")
    with pytest.raises(BadInput, match="row 7: code 9"):
        find_slices([Attribute("a", ["x"], np.where(np.arange(50) == 7, 9, 0))], np.ones(50), seed=b"s")
    with pytest.raises(BadInput, match="50 cases"):
        find_slices([Attribute("a", ["x"], np.zeros(3, dtype=int))], np.ones(50), seed=b"s")
    with pytest.raises(BadInput, match="weight"):
        Search(weight=0.0)
