"""Worked examples of the papers that the methods come from, to the digits that were printed."""

import numpy as np
import pytest
from scipy import special

from evaluation.engine import clopper_pearson, mcnemar, newcombe, tango, tango_bound, wilson
from evaluation.engine.auc import auc_by_stratum
from evaluation.engine.compare import tango_score
from evaluation.engine.ranked import RankMetric, influence_variance
from evaluation.engine.ranking import rank
from tests.engine.build import whole

# DeLong, DeLong & Clarke-Pearson 1988, Biometrics 44:837: of 49 patients with ovarian cancer the 43 with all three tests. Surgery helped the first row of each.
HELPED = {
    "albumin": "32 39 32 16 38 37 32 38 41 36 43 23 35 38 45 37 31 41 43 43 32 26 37 33 42 35 21 40 33 37 36",
    "protein": "63 68 58 56 57 67 54 66 66 57 70 44 58 68 74 74 66 82 70 65 51 47 61 63 77 62 48 70 57 69 66",
    "k-g": "5 3 3 5 5 6 4 6 5 5 4 6 6 7 5 5 6 6 5 4 5 6 5 7 6 5 7 7 6 5 5",
}
DID_NOT = {
    "albumin": "30 28 9 25 36 42 40 30 33 17 29 28",
    "protein": "58 48 40 57 67 76 66 47 68 40 57 62",
    "k-g": "10 6 5 8 4 4 6 8 6 7 9 8",
}
HELPFUL = np.repeat([True, False], [31, 12])


def area_of(test: str) -> RankMetric:
    scores = np.array(f"{HELPED[test]} {DID_NOT[test]}".split(), dtype=float)
    return auc_by_stratum(rank(-scores if test == "k-g" else scores), HELPFUL, whole(43))


@pytest.mark.parametrize(("test", "area", "error"), [("albumin", 0.7366, 0.0927), ("k-g", 0.7258, 0.1028), ("protein", 0.6478, 0.1000)])
def test_delong_of_the_ovarian_data(test: str, area: float, error: float) -> None:
    """Areas and standard errors as in SAS/STAT's guide, PROC LOGISTIC, "Comparing Receiver Operating Characteristic Curves"."""
    found = area_of(test)
    assert (float(found.value[0]), float(found.variance[0]) ** 0.5) == pytest.approx((area, error), abs=5e-5)
    assert float(influence_variance(found.influence.scaled, whole(43))[0]) == pytest.approx(float(found.variance[0]))


@pytest.mark.parametrize(
    ("test", "gap", "error", "chi2", "p"), [("albumin", 0.0108, 0.0953, 0.0127, 0.9102), ("protein", -0.0780, 0.1046, 0.5554, 0.4561)]
)
def test_delong_of_two_tests_on_the_ovarian_data(test: str, gap: float, error: float, chi2: float, p: float) -> None:
    """Against the K-G score; source as above."""
    ours, theirs = area_of(test), area_of("k-g")
    difference = float(ours.value[0] - theirs.value[0])
    variance = float(influence_variance(ours.influence.scaled - theirs.influence.scaled, whole(43))[0])
    statistic = difference**2 / variance
    assert (difference, variance**0.5, statistic) == pytest.approx((gap, error, chi2), abs=5e-5)
    assert float(special.chdtrc(1, statistic)) == pytest.approx(p, abs=5e-5)


def test_tangos_example() -> None:
    """Tango 1998, Stat Med 17:891: two disinfections of 44 contact lenses, 43 / 1 / 0 / 0, margin 0.1: Z 1.709, one-sided p .044."""
    z = float(tango_score(1, 0, 44, -0.1))
    assert (z, float(special.ndtr(-z))) == pytest.approx((1.709, 0.044), abs=5e-4)
    assert float(tango_bound(1, 0, 44)[0]) == pytest.approx(-0.096, abs=5e-4)


def test_airways_before_and_after_transplantation() -> None:
    """Bentur et al. 2009, 1 / 1 / 7 / 12, as in Fagerland, Lydersen & Laake 2013 (BMC Med Res Methodol 13:91) and 2014 (Stat Med 33:2850)."""
    assert [round(float(p), 3) for p in mcnemar(7, 1)] == [0.039, 0.070]
    assert [round(float(end), 3) for end in tango(7, 1, 21)] == [-0.517, -0.026]
    assert [round(float(end), 3) for end in newcombe(1, 7, 1, 12)] == [-0.507, -0.026]


@pytest.mark.parametrize(
    ("k", "n", "score", "exact"),
    [
        (81, 263, (0.2553, 0.3662), (0.2527, 0.3676)),
        (15, 148, (0.0624, 0.1605), (0.0578, 0.1617)),
        (0, 20, (0.0, 0.1611), (0.0, 0.1684)),
        (1, 29, (0.0061, 0.1718), (0.0009, 0.1776)),
    ],
)
def test_newcombes_four_shares(k: int, n: int, score: tuple[float, float], exact: tuple[float, float]) -> None:
    """Newcombe 1998, Stat Med 17:857, table I: methods 3 and 5."""
    assert tuple(map(float, wilson(k, n))) == pytest.approx(score, abs=5e-5)
    assert tuple(map(float, clopper_pearson(k, n))) == pytest.approx(exact, abs=5e-5)
