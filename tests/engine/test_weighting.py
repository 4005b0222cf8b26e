"""Shares weighed back to everything that arrived, against sums written out by hand and against worlds whose truth is known."""

from fractions import Fraction

import numpy as np
import pytest

from evaluation.engine.data import Task, arm
from evaluation.engine.entries import Entry
from evaluation.engine.production import hajek
from evaluation.engine.report import comparison_of, report
from evaluation.engine.strata import Grouping, Strata, Stratum
from evaluation.engine.weighting import weighted_entries
from tests.engine.build import BINARY, comparison

TRUTH = [1, 1, 1, 0, 0, 0, 0, 1]
SAID = [1, 0, 1, 0, 1, 0, -1, 1]
CHANCES = [0.5, 1.0, 0.25, 0.25, 1.0, 0.2, 0.5, 0.5]
WEIGHTS = [2, 1, 4, 4, 1, 5, 2, 2]


def entries(
    strata: Strata = (), *, chances: object = CHANCES, clusters: object = None, said: object = SAID
) -> dict[tuple[str, str], Entry]:
    made = comparison_of(BINARY, TRUTH, [arm(BINARY, len(TRUTH), said)], clusters=clusters)
    return {(entry["metric"], entry["stratum"]): entry for entry in weighted_entries(made, strata, chances)}


class ArithmeticTests:
    def test_every_share_is_weight_over_weight(self) -> None:
        made = entries()
        # Right: rows 0, 2, 3, 5, 7. Row 6 has no prediction: wrong, and a positive call as everywhere in the engine.
        wanted = {
            "accuracy": Fraction(2 + 4 + 4 + 5 + 2, 21),
            "sensitivity": Fraction(2 + 4 + 2, 9),
            "specificity": Fraction(4 + 5, 12),
            "ppv": Fraction(2 + 4 + 2, 2 + 4 + 1 + 2 + 2),
            "npv": Fraction(4 + 5, 1 + 4 + 5),
        }
        assert {metric: made[metric, "all"]["value"] for metric in wanted} == {
            metric: pytest.approx(float(value), abs=1e-15) for metric, value in wanted.items()
        }
        assert made["accuracy", "all"]["n_effective"] == pytest.approx(21**2 / sum(w * w for w in WEIGHTS))
        assert made["sensitivity", "all"]["denominator"] == 4
        assert all(entry["low"] < entry["value"] < entry["high"] for entry in made.values())
        assert [metric for metric, _ in made] == list(wanted)

    def test_the_interval_by_hand(self) -> None:
        share, w = 17 / 21, np.array(WEIGHTS)
        rest = w * (np.array([1, 0, 1, 1, 0, 1, 0, 1]) - share)
        variance = 8 / 7 * (rest**2).sum() / 21**2
        typical = 71 / 21
        cautious = variance + (typical / 21) ** 2 * (share**2 + (1 - share) ** 2)
        n = min(share * (1 - share) / variance, 8, max(21**2 / 71, share * (1 - share) / cautious))
        t2 = 2.3646242515927844**2  # Student, 7 degrees of freedom
        centre = (share * n + t2 / 2) / (n + t2)
        half = (t2 * (n * share * (1 - share) + t2 / 4)) ** 0.5 / (n + t2)
        found = entries()["accuracy", "all"]
        assert (found["low"], found["high"]) == (pytest.approx(centre - half), pytest.approx(centre + half))

    def test_strata_are_weighed_apart(self) -> None:
        made = entries([Grouping(["odd", "even", "none"], [0, 1] * 3 + [-1, -1]), Stratum("last", [3, 4, 5, 6])])
        found = {stratum: (entry["value"], entry["n"]) for (metric, stratum), entry in made.items() if metric == "accuracy"}
        assert found == {
            "all": (pytest.approx(17 / 21), 8),
            "odd": (None, 3),  # weights 2, 4 and 1: one case has more than half
            "even": (pytest.approx(9 / 10), 3),  # 1, 4 and 5: exactly half
            "none": (None, 0),
            "last": (pytest.approx(9 / 12), 4),
        }
        assert made["accuracy", "odd"]["undefined"] == "one case carries 57% of the weight"
        assert made["accuracy", "none"]["undefined"] == "there is no case"


def test_equal_chances_give_the_report_s_own_figures() -> None:
    """Whatever the chance, if it is one: then value and interval are those of the plain figures on the same clusters."""
    made = comparison(BINARY, 400, 1)
    site = Grouping([f"site={code}" for code in range(4)], np.random.default_rng(3).integers(0, 4, 400))
    plain = {(entry["metric"], entry["stratum"]): entry for entry in report(made, [site], seed=b"tests")["metrics"]}
    for entry in weighted_entries(made, [site], np.full(400, 0.05)):
        beside = plain[entry["metric"], entry["stratum"]]
        assert entry["value"] == pytest.approx(beside["value"], abs=1e-12)
        assert (entry["n"], entry["denominator"]) == (beside["n"], beside["denominator"])
        assert (entry["low"], entry["high"]) == (pytest.approx(beside["low"], abs=0.01), pytest.approx(beside["high"], abs=0.01))


def test_several_classes_have_accuracy_only() -> None:
    task = Task(("a", "b", "c"))
    made = weighted_entries(comparison(task, 60, 1), [], np.full(60, 0.5))
    assert [(entry["metric"], entry["stratum"]) for entry in made] == [("accuracy", "all")]


class UndefinedTests:
    def test_one_unknown_chance_leaves_its_strata_without_a_value_and_the_others_with_theirs(self) -> None:
        chances = [*CHANCES[:-1], float("nan")]
        made = entries([Stratum("known", np.arange(7)), Stratum("other", [5, 6, 7])], chances=chances)
        assert made["accuracy", "all"]["undefined"] == "1 of 8 cases have no known chance"
        assert made["accuracy", "all"]["value"] is made["accuracy", "all"]["method"] is None
        assert made["accuracy", "known"]["value"] == pytest.approx(15 / 19)
        assert made["specificity", "all"]["value"] == pytest.approx(9 / 12), "the unknown one is a positive"

    def test_what_rests_on_one_case_or_cluster_is_none(self) -> None:
        made = entries(chances=[0.01, *[1.0] * 7])
        assert made["accuracy", "all"]["undefined"] == "one case carries 93% of the weight"
        made = entries(chances=[0.5] * 8, clusters=[0, 0, 0, 0, 0, 1, 2, 3])
        assert made["accuracy", "all"]["undefined"] == "one cluster carries 62% of the weight"

    def test_a_denominator_that_is_empty_says_so_in_the_metric_s_words(self) -> None:
        made = entries(said=[0] * 8)
        assert made["ppv", "all"]["undefined"] == "no case was called nodule"


def service(rng: np.random.Generator, calls: int, keep: float, failures: int) -> tuple[np.ndarray, np.ndarray, float]:
    """A service that samples its calls and reports every failure that people find: right or wrong, chance, and the truth over both."""
    right = np.r_[rng.random(calls) < 0.9, rng.random(failures) < 0.3]
    return right, np.r_[np.full(calls, keep), np.ones(failures)], (0.9 * calls + 0.3 * failures) / (calls + failures)


@pytest.mark.parametrize(
    ("calls", "keep", "failures"),
    [(1_000, 0.01, 100), (600, 0.02, 100), (400, 0.05, 100), (5_000, 0.01, 500), (2_000, 0.05, 100), (10_000, 0.01, 100)],
)
def test_the_interval_holds_the_truth_though_few_cases_carry_the_weight(calls: int, keep: float, failures: int) -> None:
    rng = np.random.default_rng(8)
    covered = []
    for _ in range(400):
        right, chance, truth = service(rng, calls, keep, failures)
        kept = rng.random(right.size) < chance
        found = hajek(right[kept].astype(float), chance[kept])
        covered.append(found.low <= truth <= found.high)
    assert np.mean(covered) >= 0.925


def test_a_reservoir_covers_too() -> None:
    rng = np.random.default_rng(9)
    covered = []
    for _ in range(400):
        right, chance = rng.random(5_000) < 0.97, np.minimum(1, 50 / np.arange(1, 5_001))
        kept = rng.random(5_000) < chance
        found = hajek(right[kept].astype(float), chance[kept])
        covered.append(found.low <= 0.97 <= found.high)
    assert np.mean(covered) >= 0.925
