"""Candidate against baseline: known paired counts, oracles and the exactness of the clustered test."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar

from evaluation.engine.compare import (
    design_effect,
    mcnemar,
    mcnemar_loss,
    newcombe,
    sign_flip,
    tango,
    tango_bound,
    tango_p_below,
    tango_score,
)
from evaluation.engine.multiplicity import benjamini_hochberg, holm

counts = st.integers(0, 60)


class McNemarTests:
    @pytest.mark.parametrize(
        ("lost", "gained", "p"), [(22, 2, 9.7e-6), (19, 5, 0.00204), (15, 3, 0.00221), (6, 1, 0.0352), (0, 0, 1.0), (0, 4, 1 - 0.5**5)]
    )
    def test_one_sided_mid_p_of_known_counts(self, lost: int, gained: int, p: float) -> None:
        assert float(mcnemar_loss(lost, gained)) == pytest.approx(p, rel=0.01)

    @given(counts, counts)
    def test_exact_equals_statsmodels(self, lost: int, gained: int) -> None:
        table = [[5, lost], [gained, 5]]
        assert float(mcnemar(lost, gained)[1]) == pytest.approx(statsmodels_mcnemar(table, exact=True).pvalue, abs=1e-12)

    @given(counts, counts)
    def test_two_sided_is_symmetric_and_at_most_exact(self, lost: int, gained: int) -> None:
        mid, exact = mcnemar(lost, gained)
        assert float(mcnemar(gained, lost)[0]) == pytest.approx(float(mid), abs=1e-15)
        assert mid <= exact + 1e-15

    @given(counts, counts)
    def test_one_sided_halves_add_to_one(self, lost: int, gained: int) -> None:
        total = float(mcnemar_loss(lost, gained) + mcnemar_loss(gained, lost))
        assert total == pytest.approx(1.0 if lost + gained else 2.0, abs=1e-12)


class TangoTests:
    def test_nothing_differs(self) -> None:
        z2 = 1.959963984540054**2
        np.testing.assert_allclose(
            tango(0, 0, [10, 200]), [[-z2 / (10 + z2), -z2 / (200 + z2)], [z2 / (10 + z2), z2 / (200 + z2)]], atol=1e-12
        )

    @given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 200))
    def test_bounds_solve_the_score_equation_and_hold_the_estimate(self, lost: int, gained: int, rest: int) -> None:
        n = lost + gained + rest
        low, high = tango(lost, gained, n)
        assert -1 <= low <= (gained - lost) / n <= high <= 1
        z = 1.959963984540054
        assert float(tango_score(lost, gained, n, low)) == pytest.approx(z, abs=1e-6)
        assert float(tango_score(lost, gained, n, high)) == pytest.approx(-z, abs=1e-6)

    @given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 200))
    def test_mirrors_when_the_models_change_places(self, lost: int, gained: int, rest: int) -> None:
        low, high = tango(lost, gained, lost + gained + rest)
        back_low, back_high = tango(gained, lost, lost + gained + rest)
        assert (float(low), float(high)) == pytest.approx((-float(back_high), -float(back_low)), abs=1e-12)

    @given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 200), st.floats(0.001, 0.2))
    def test_one_sided_bound_and_p_agree(self, lost: int, gained: int, rest: int, margin: float) -> None:
        n = lost + gained + rest
        _, upper = tango_bound(lost, gained, n, 0.05)
        p = float(tango_p_below(lost, gained, n, -margin))
        if abs(p - 0.05) > 1e-6:
            assert (upper < -margin) == (p < 0.05)

    def test_no_pairs_give_no_interval(self) -> None:
        assert np.isnan(tango(0, 0, 0)).all()

    @given(st.integers(10, 60), st.integers(0, 20), st.integers(0, 20), st.integers(10, 60))
    def test_newcombe_agrees_roughly(self, right: int, lost: int, gained: int, wrong: int) -> None:
        ours, theirs = tango(lost, gained, right + lost + gained + wrong), newcombe(right, lost, gained, wrong)
        np.testing.assert_allclose(ours, theirs, atol=0.08)


class SignFlipTests:
    @given(st.lists(st.integers(-4, 4), min_size=1, max_size=9))
    def test_equals_full_enumeration(self, sums: list[int]) -> None:
        values = np.array(sums)
        everything = np.array([np.dot(values, signs) for signs in itertools.product([-1, 1], repeat=values.size)])
        two, loss = sign_flip(values)
        assert two == pytest.approx(np.mean(np.abs(everything) >= abs(values.sum())), abs=1e-12)
        assert loss == pytest.approx(np.mean(everything <= values.sum()), abs=1e-12)

    def test_singletons_give_the_exact_mcnemar(self) -> None:
        assert sign_flip([-1] * 22 + [1] * 2)[0] == pytest.approx(float(mcnemar(22, 2)[1]), rel=1e-9)

    def test_many_clusters_stay_exact_and_fast(self) -> None:
        sums = np.random.default_rng(1).integers(-3, 4, 50_000)
        two, _ = sign_flip(sums)
        assert two == pytest.approx(_normal_tail(sums), rel=0.01)


def _normal_tail(sums: np.ndarray) -> float:
    from scipy.stats import norm

    return 2 * norm.sf((abs(sums.sum()) - 0.5) / np.sqrt((sums.astype(float) ** 2).sum()))


class DesignEffectTests:
    def test_singletons_have_about_none(self) -> None:
        sums = np.array([-1] * 8 + [1] * 5 + [0] * 87)
        assert design_effect(sums, np.ones(100), 8, 5) == pytest.approx(100 / 99)

    def test_copies_of_every_case_cost_their_number(self) -> None:
        sums = np.array([-1] * 8 + [1] * 5 + [0] * 87) * 3
        assert design_effect(sums, np.full(100, 3), 24, 15) == pytest.approx(3 * 100 / 99)

    def test_nothing_differs(self) -> None:
        assert design_effect(np.zeros(20), np.full(20, 5), 0, 0) == 5


class MultiplicityTests:
    @given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
    def test_equals_statsmodels(self, p: list[float]) -> None:
        from statsmodels.stats.multitest import multipletests

        np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1], atol=1e-12)
        np.testing.assert_allclose(benjamini_hochberg(p), multipletests(p, method="fdr_bh")[1], atol=1e-12)

    def test_untested_strata_do_not_count(self) -> None:
        np.testing.assert_allclose(holm([0.01, np.nan, 0.04]), [0.02, np.nan, 0.04])

    def test_six_newly_wrong_and_one_newly_right_are_nothing_among_sixteen(self) -> None:
        assert holm([float(mcnemar_loss(6, 1))] + [1.0] * 15)[0] == pytest.approx(0.5625)
