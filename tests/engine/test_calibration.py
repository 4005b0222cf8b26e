"""Calibration: bins, norms, the debiased error, the reliability line, and what their intervals cover."""

import numpy as np
import pytest
from scipy import stats

from evaluation.engine import Stratum, equal_mass, equal_width, reliability, reliability_line, report
from evaluation.engine.data import arm, cluster_codes
from evaluation.engine.probabilities import Bins
from evaluation.engine.report import comparison_of
from tests.engine.build import BINARY, DIGITS, comparison


def simulated(n: int, seed: int, off: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities, and outcomes that happen `off` more often than they say."""
    rng = np.random.default_rng(seed)
    chance = rng.uniform(0.1, 0.8, n)
    return chance, rng.random(n) < chance + off


def test_bins_are_closed_below_and_the_last_one_above() -> None:
    assert equal_width(np.array([0, 1 / 15, 0.5, 14 / 15, 1.0])).tolist() == [0, 1, 7, 14, 14]


def test_equal_mass_bins_hold_equal_numbers_and_never_part_equal_scores() -> None:
    chance = np.random.default_rng(0).random(1500)
    assert np.bincount(equal_mass(chance)).tolist() == [100] * 15
    tied = np.repeat([0.1, 0.2, 0.9], [70, 20, 10])
    assert len({(c, b) for c, b in zip(tied, equal_mass(tied), strict=True)}) == 3


def test_the_norms_are_ordered() -> None:
    chance, happened = simulated(400, 1, 0.1)
    bins = reliability(chance, happened, equal_width(chance))
    assert bins.error("l1") <= bins.error("l2") <= bins.error("max")
    gaps = [abs(chance[here].mean() - happened[here].mean()) for b in range(15) if (here := equal_width(chance) == b).any()]
    assert float(bins.error("max")) == pytest.approx(max(gaps), abs=1e-12)


def test_the_debiased_error_is_nearer_to_the_true_one() -> None:
    plain, debiased = [], []
    for seed in range(150):
        chance, happened = simulated(200, seed)
        bins = reliability(chance, happened, equal_width(chance))
        plain.append(float(bins.error()))
        debiased.append(float(bins.debiased()))
    assert np.mean(plain) > 0.08  # of a model without any error
    assert np.mean(debiased) < 0.65 * np.mean(plain)


def test_the_expected_bias_is_the_mean_of_simulated_bins() -> None:
    rng = np.random.default_rng(4)
    n, rate, gap = np.array([50.0, 80.0]), np.array([0.3, 0.6]), np.array([0.02, 0.1])
    bins = Bins(n, n * (rate + gap), n * rate)
    drawn = np.abs(gap + rng.normal(0, np.sqrt(rate * (1 - rate) / n), (200_000, 2)))
    bias = (n * (drawn.mean(axis=0) - gap)).sum() / n.sum()
    assert float(bins.debiased()) == pytest.approx(float(bins.error()) - bias, abs=2e-4)


class LineTests:
    def test_equals_least_squares(self) -> None:
        chance, happened = simulated(300, 2)
        line, peer = reliability_line(chance, happened), stats.linregress(chance, happened.astype(float))
        assert line.slope == pytest.approx(peer.slope, abs=1e-9)
        assert line.intercept == pytest.approx(peer.intercept, abs=1e-9)

    def test_interval_equals_the_clustered_sandwich_of_statsmodels(self) -> None:
        import statsmodels.api as sm

        chance, happened = simulated(300, 3)
        clusters = np.arange(300) // 3
        line = reliability_line(chance, happened, cluster_codes(clusters, 300))
        peer = sm.OLS(happened.astype(float), sm.add_constant(chance)).fit(
            cov_type="cluster", cov_kwds={"groups": clusters, "use_correction": False}
        )
        half = stats.t.ppf(0.975, 99) * peer.bse * np.sqrt(100 / 99)
        assert [line.intercept_high, line.slope_high] == pytest.approx((peer.params + half).tolist(), abs=1e-9)

    def test_constant_scores_have_no_line(self) -> None:
        line = reliability_line(np.full(20, 0.3), np.arange(20) % 2 == 0)
        assert line.slope is line.intercept is None


class ReportTests:
    def test_details_of_a_binary_and_of_a_multi_class_task(self) -> None:
        binary, several = (report(comparison(task, 200), [], seed=b"x", resamples=50)["calibration"] for task in (BINARY, DIGITS))
        assert [item["class"] for item in binary["of"]] == ["nodule"]
        assert [item["class"] for item in several["of"]] == [None, "a", "b", "c", "d"]
        shown = binary["of"][0]["equal_width"]
        assert sum(b["n"] for b in shown["bins"]) == 200
        assert sum(b["n"] * abs(b["score"] - b["rate"]) for b in shown["bins"]) / 200 == pytest.approx(shown["l1"], abs=1e-12)

    @pytest.mark.parametrize("off", [0.0, 0.15])
    def test_the_interval_of_the_debiased_error_covers_the_true_one(self, off: float) -> None:
        covered = 0
        for seed in range(40):
            chance, happened = simulated(400, seed, off)
            found = comparison_of(BINARY, happened.astype(int), [arm(BINARY, 400, (chance > 0.5).astype(int), chance)])
            entries = report(found, [], seed=b"x", resamples=300, only=["ece_debiased"])["metrics"]
            entry = next(e for e in entries if e["metric"] == "ece_debiased")
            covered += entry["low"] <= off <= entry["high"]
        assert covered >= 36

    def test_large_and_small_strata_agree_where_the_method_changes(self) -> None:
        """999 cases are drawn, 1,001 are not: the intervals are about equally wide."""
        widths = {}
        for n in (999, 1001):
            found = comparison(BINARY, n, 8)
            for entry in report(found, [Stratum("all", np.ones(n, dtype=bool))], seed=b"x", resamples=1000)["metrics"]:
                if entry["metric"] in {"average_precision", "ece"}:
                    widths[entry["metric"], n] = (entry["method"], entry["high"] - entry["low"])
                    widths["gap " + entry["metric"], n] = (
                        entry["difference"]["method"],
                        entry["difference"]["high"] - entry["difference"]["low"],
                    )
        for name in ("average_precision", "ece", "gap average_precision", "gap ece"):
            (small, one), (large, other) = widths[name, 999], widths[name, 1001]
            assert small != large
            assert one == pytest.approx(other, rel=0.25), name
