"""Worked examples of the papers that the methods come from, to the digits that were printed."""

import numpy as np
import pytest
from scipy import special

from evaluation.engine import (
    Task,
    arm,
    benjamini_hochberg,
    benjamini_yekutieli,
    clopper_pearson,
    comparison_of,
    delong,
    exact_lower,
    exact_upper,
    holm,
    mcnemar,
    newcombe,
    predictive_values,
    regression_report,
    sign_flip,
    square_and_add,
    tango,
    tango_bound,
    values,
    wilson,
)
from evaluation.engine.compare import tango_score
from evaluation.engine.plain_auc import plain_auc

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


# Hanley & McNeil 1982, Radiology 143:29: a reader's five grades of 109 CT images.
GRADES = {"normal": (33, 6, 6, 11, 2), "abnormal": (3, 2, 2, 11, 33)}


def marker(test: str) -> np.ndarray:
    scores = np.array(f"{HELPED[test]} {DID_NOT[test]}".split(), dtype=float)
    return -scores if test == "k-g" else scores


@pytest.mark.parametrize(("test", "area", "error"), [("albumin", 0.7366, 0.0927), ("k-g", 0.7258, 0.1028), ("protein", 0.6478, 0.1000)])
def test_delong_of_the_ovarian_data(test: str, area: float, error: float) -> None:
    """Areas and standard errors as in SAS/STAT's guide, PROC LOGISTIC, "Comparing Receiver Operating Characteristic Curves"."""
    areas, variance = delong(marker(test), HELPFUL)
    assert (float(areas[0]), float(variance[0, 0]) ** 0.5) == pytest.approx((area, error), abs=5e-5)
    assert float(plain_auc(marker(test), HELPFUL)[1][0]) == pytest.approx(float(variance[0, 0]), rel=1e-12)


@pytest.mark.parametrize(
    ("test", "gap", "error", "chi2", "p"), [("albumin", 0.0108, 0.0953, 0.0127, 0.9102), ("protein", -0.0780, 0.1046, 0.5554, 0.4561)]
)
def test_delong_of_two_tests_on_the_ovarian_data(test: str, gap: float, error: float, chi2: float, p: float) -> None:
    """Against the K-G score; source as above."""
    areas, covariances = delong(np.stack([marker(test), marker("k-g")], axis=1), HELPFUL)
    contrast = np.array([1.0, -1.0])
    difference, variance = float(contrast @ areas), float(contrast @ covariances @ contrast)
    statistic = difference**2 / variance
    assert (difference, variance**0.5, statistic) == pytest.approx((gap, error, chi2), abs=5e-5)
    assert float(special.chdtrc(1, statistic)) == pytest.approx(p, abs=5e-5)


def test_grades_of_ct_images() -> None:
    """Stata's manual, roctab: area 0.8932, standard error 0.0307, 95 % 0.83295 to 0.95339 (DeLong, not on the logit scale)."""
    scores = np.concatenate([np.repeat(np.arange(1, 6), GRADES[side]) for side in ("normal", "abnormal")])
    areas, variance = delong(scores, np.repeat([False, True], [58, 51]))
    area, error = float(areas[0]), float(variance[0, 0]) ** 0.5
    assert (area, error) == pytest.approx((0.8932, 0.0307), abs=5e-5)
    assert (area - 1.959964 * error, area + 1.959964 * error) == pytest.approx((0.83295, 0.95339), abs=5e-6)


def test_covariances_need_two_of_each_class() -> None:
    """As an AUC does not: of one positive there is no spread."""
    for held, clusters in (([1, 0, 0, 0], None), ([1, 1, 1, 0], None), ([1, 1, 0, 0], [1, 1, 2, 3])):
        areas, covariances = delong([0.4, 0.1, 0.2, 0.3], held, clusters)
        assert np.isfinite(areas).all()
        assert np.isnan(covariances).all()
    assert np.isnan(delong([0.4, 0.1], [1, 1])[0]).all()


def test_covariances_of_clusters() -> None:
    """Obuchowski 1997 from its placements; with every case its own cluster it is DeLong's."""
    rng = np.random.default_rng(1)
    held, patient = rng.random(90) < 0.4, rng.integers(0, 30, 90)
    scores = np.round(rng.normal(size=(90, 2)) + held[:, None] + 0.7 * rng.normal(size=30)[patient][:, None], 1)
    np.testing.assert_allclose(delong(scores, held, np.arange(90).astype(str))[1], delong(scores, held)[1], rtol=1e-12)
    parts = []
    for column in scores.T:
        wins = (column[held][:, None] > column[~held]) + (column[held][:, None] == column[~held]) / 2
        influence = np.zeros(90)
        influence[held], influence[~held] = (
            (wins.mean(axis=1) - wins.mean()) / held.sum(),
            (wins.mean(axis=0) - wins.mean()) / (~held).sum(),
        )
        for side in (held, ~held):
            clusters = np.unique(patient[side]).size
            influence[side] *= (clusters / (clusters - 1)) ** 0.5
        parts.append(np.bincount(patient, influence, 30))
    np.testing.assert_allclose(delong(scores, held, [f"p{each}" for each in patient])[1], np.array(parts) @ np.array(parts).T, rtol=1e-9)


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


@pytest.mark.parametrize(
    ("k", "n", "score", "exact"),
    [
        (13, 16, (0.5699, 0.9341), (0.5435, 0.9595)),  # Ligaarden et al. 2010, as in Fagerland, Lydersen & Laake 2017, chapter 2
        (0, 25, (0.0, 0.1332), (0.0, 0.1372)),  # Agresti's vegetarians, An Introduction to Categorical Data Analysis, 1.4
    ],
)
def test_shares_of_the_textbooks(k: int, n: int, score: tuple[float, float], exact: tuple[float, float]) -> None:
    assert tuple(map(float, wilson(k, n))) == pytest.approx(score, abs=6e-5)
    assert tuple(map(float, clopper_pearson(k, n))) == pytest.approx(exact, abs=6e-5)


def test_four_defectives_of_twenty() -> None:
    """NIST/SEMATECH e-Handbook of Statistical Methods, 7.2.4.1: Wilson's limits of 95 %, and exact ones, each of 95 %."""
    assert tuple(map(float, wilson(4, 20))) == pytest.approx((0.08066, 0.41601), abs=1e-5)
    assert (float(exact_lower(4, 20)), float(exact_upper(4, 20))) == pytest.approx((0.071354, 0.401029), abs=2e-6)


@pytest.mark.parametrize(
    ("new", "old", "expected"),
    [
        ((56, 70), (48, 80), (0.0524, 0.3339)),
        ((9, 10), (3, 10), (0.1705, 0.8090)),
        ((6, 7), (2, 7), (0.0582, 0.8062)),
        ((5, 56), (0, 29), (-0.0381, 0.1926)),
        ((0, 10), (0, 20), (-0.1611, 0.2775)),
        ((0, 10), (0, 10), (-0.2775, 0.2775)),
        ((10, 10), (0, 20), (0.6791, 1.0)),
        ((10, 10), (0, 10), (0.6075, 1.0)),
    ],
)
def test_newcombes_eight_differences(new: tuple[int, int], old: tuple[int, int], expected: tuple[float, float]) -> None:
    """Newcombe 1998, Stat Med 17:873, table II, method 10: two independent shares."""
    ours, theirs = ((k / n, *wilson(k, n)) for k, n in (new, old))
    assert tuple(map(float, square_and_add(ours, theirs))) == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize(
    ("table", "expected"), [((36, 12, 2, 0), (0.0569, 0.3404)), ((20, 12, 2, 16), (0.0562, 0.3292)), ((1, 0, 0, 1), (-0.5734, 0.5734))]
)
def test_newcombes_paired_differences(table: tuple[int, int, int, int], expected: tuple[float, float]) -> None:
    """Newcombe 1998, Stat Med 17:2635, method 10; the last of Fagerland, Lydersen & Laake 2017, chapter 8. The first test is right in b, the second in c."""
    both, b, c, neither = table
    assert tuple(map(float, newcombe(both, c, b, neither))) == pytest.approx(expected, abs=5e-5)


@pytest.mark.parametrize(
    ("lost", "gained", "n", "level", "expected"),
    [
        (3, 9, 32, 0.95, (-0.027, 0.390)),  # Tango 1998, table 1
        (1, 0, 44, 0.90, (-0.096, 0.037)),  # the same, contact lenses
        (8, 16, 86, 0.95, (-0.020, 0.207)),  # Agresti & Min 2005, Stat Med 24:729
    ],
)
def test_tangos_interval_in_the_literature(lost: int, gained: int, n: int, level: float, expected: tuple[float, float]) -> None:
    assert tuple(map(float, tango(lost, gained, n, level))) == pytest.approx(expected, abs=5e-4)


def test_approval_of_the_prime_minister() -> None:
    """Agresti, Categorical Data Analysis, 10.1: 794 / 150 / 86 / 570 of two surveys; exact p 3.716e-05, 95 % of the fall 0.021 to 0.059."""
    assert float(mcnemar(150, 86)[1]) == pytest.approx(3.716e-05, abs=5e-9)
    assert tuple(map(float, tango(150, 86, 1600))) == pytest.approx((-0.059, -0.021), abs=5e-4)


def test_fifteen_p_values() -> None:
    """Benjamini & Hochberg 1995, JRSS B 57:289, section 3.2: at .05 four are rejected, with control of the family three."""
    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0]
    assert [int((rule(p) <= 0.05).sum()) for rule in (benjamini_hochberg, holm, benjamini_yekutieli)] == [4, 3, 3]


def confused(hits: int, misses: int, passes: int, alarms: int, names: list[str]) -> list[float]:
    """Values of a table of two classes, through the door that everybody uses."""
    task, n = Task(("no", "yes"), positive=1), hits + misses + passes + alarms
    truth = np.repeat(["yes", "no"], [hits + misses, passes + alarms])
    said = np.repeat(["yes", "no", "no", "yes"], [hits, misses, passes, alarms])
    return list(map(float, values(comparison_of(task, truth, [arm(task, n, said)]), metrics=names)["all"]))


def test_liver_scans() -> None:
    """Altman & Bland 1994, BMJ 308:1552 and 309:102: 231 of 258 and 54 of 86; at a prevalence of a quarter PPV .45, NPV .95."""
    found = confused(231, 27, 54, 32, ["sensitivity", "specificity", "ppv", "npv"])
    assert found == pytest.approx([0.90, 0.63, 0.88, 0.67], abs=0.005)
    of_a_quarter = predictive_values(231, 258, 54, 86, 0.25)
    assert (of_a_quarter.ppv, of_a_quarter.npv) == pytest.approx((0.45, 0.95), abs=0.005)


@pytest.mark.parametrize(("table", "expected"), [((90, 1, 0, 9), (0.90, 0.95, -0.03)), ((5, 70, 19, 6), (0.24, 0.12, -0.24))])
def test_where_the_mcc_tells_and_f1_does_not(table: tuple[int, int, int, int], expected: tuple[float, ...]) -> None:
    """Chicco & Jurman 2020, BMC Genomics 21:6, use cases A1 and A2."""
    assert confused(*table, ["accuracy", "f1", "mcc"]) == pytest.approx(expected, abs=0.006)


def test_two_flow_meters() -> None:
    """Bland & Altman 1986, Lancet 1:307: large less mini Wright meter, mean difference -2.1 l/min, 95 % -22.0 to 17.8."""
    large = [494, 395, 516, 434, 476, 557, 413, 442, 650, 433, 417, 656, 267, 478, 178, 423, 427]
    mini = [512, 430, 520, 428, 500, 600, 364, 380, 658, 445, 432, 626, 260, 477, 259, 350, 451]
    made = regression_report(mini, [large], seed=b"meters")["metrics"]
    bias = next(entry for entry in made if entry["metric"] == "bias")
    assert (bias["value"], bias["low"], bias["high"]) == pytest.approx((-2.1, -22.0, 17.8), abs=0.05)


def test_psychiatrists_and_their_patients() -> None:
    """Clustered pairs of Durkalski et al. 2003, Stat Med 22:2417: X² 7.19 (Obuchowski) to 10.23 (Eliasziw & Donner), p .0073 to .0014, and McNemar's 11.85,
    p .0006, which takes the 135 patients of 29 psychiatrists for independent. The exact test of the same sums has p .0064."""
    lost = np.array([0, 1, 1, 1, 0, 3, 3, 3, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 3, 1, 1, 2, 0, 0, 0, 0, 0, 0, 0])
    gained = np.array([4, 2, 3, 2, 1, 3, 0, 2, 2, 4, 2, 4, 3, 2, 1, 3, 1, 2, 0, 0, 0, 2, 1, 2, 2, 0, 0, 1, 1])
    sums = gained - lost
    assert 28 / 29 * sums.sum() ** 2 / (sums**2).sum() == pytest.approx(7.19, abs=0.005), "the data are not those of the paper"
    p = sign_flip(sums)[0]
    assert float(mcnemar(lost.sum(), gained.sum())[0]) < 0.001 < float(special.chdtrc(1, 10.23)) < p < float(special.chdtrc(1, 7.19))


def test_glands_by_pet_and_spect() -> None:
    """Obuchowski 1998, Stat Med 17:1495: 51 glands of 21 patients, X² 2.86, p .09, where McNemar says 4.5, p .03. Few patients differ: all 32 signs of the
    five sums of them give p 5/32."""
    sums = [2, 1, 1, -1, 2, 1, *[0] * 15]
    assert 20 / 21 * sum(sums) ** 2 / sum(each**2 for each in sums) == pytest.approx(2.86, abs=0.005), "the data are not those of the paper"
    assert sign_flip(sums)[0] == pytest.approx(10 / 64, abs=1e-12)
