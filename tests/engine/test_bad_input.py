"""What is no answer is refused at the door, naming what is wrong: nothing is rounded to true, matched by broadcasting or read as a loss."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from evaluation.engine import BadInput, Check, Grouping, Settings, equal_mass, equal_width, judge, report
from evaluation.engine.arrays import booleans
from evaluation.engine.fragility import fragility
from evaluation.engine.gates import StratumEvidence
from evaluation.engine.integration import compare_answers
from evaluation.engine.multilabel import answers, multilabel_report
from evaluation.engine.ood import image_statistics
from evaluation.engine.regression import regression_report
from evaluation.engine.replicate_tests import improvement, paired_runs, permutation_p
from evaluation.engine.simulate import Scenario, population, simulate
from evaluation.engine.slices import Attribute, Search, find_slices
from evaluation.engine.tallies import alone, judge_tallies
from tests.engine.build import SEED, comparison

THREE = np.full((3, 2), [0.2, 0.8])
CASES: dict[str, tuple[Callable[[], Any], str]] = {
    "half a label": (lambda: answers([[0.5, 1.0]]), "row 0: a label"),
    "no label at all": (lambda: answers([[1.0, 1.0], [1.0, np.nan]]), "row 1: a label"),
    "half a true label": (lambda: multilabel_report(["a"], [[2]], [answers([[True]])], seed=SEED), "row 0: a true label"),
    "words for booleans": (lambda: booleans(["yes"], "missing"), "missing: true or false"),
    "truth in a column": (lambda: compare_answers(THREE, THREE, truth=[[1], [1], [1]]), "truth has shape"),
    "unknown precision": (lambda: compare_answers(THREE, THREE, precision="float8"), "float8"),  # type: ignore[arg-type]
    "undefined run": (lambda: permutation_p([0.9, np.nan], [0.8, 0.7]), "finite"),
    "undefined pair": (lambda: paired_runs([0.9, np.nan], [0.8, 0.7]), "finite"),
    "undefined win": (lambda: improvement([np.nan], [0.8], rng=np.random.default_rng(1)), "finite"),
    "level above one": (lambda: report(comparison(n=20), [], seed=SEED, level=1.5), "level"),
    "no resample": (lambda: Settings(seed=SEED, resamples=0), "resample"),
    "unknown kind": (lambda: judge(Check(name="x", kind="hope"), []), "hope"),
    "table for truth": (lambda: regression_report([[1.0]], [[1.0]], seed=SEED), "shape"),
    "too large to square": (lambda: regression_report([1.0, 1e200], [[1.0, 1.0]], seed=SEED), "row 1"),
    "too large a prediction": (lambda: regression_report([1.0, 1.0], [[1.0, 1e200]], seed=SEED), "replicate 0, row 1"),
    "black is white": (lambda: image_statistics(np.zeros((2, 2)), 0.0), "above 0"),
    "no draws": (lambda: simulate([], population([], 9), [Scenario(name="x")], flip_rate=0.1, seed=SEED, draws=0), "draw"),
    "undefined flips": (lambda: simulate([], population([], 9), [Scenario(name="x")], flip_rate=np.nan, seed=SEED), "flip rate"),
    "flips of others": (lambda: simulate([], population([], 9), [Scenario(name="x")], flip_rate=[0.1, 0.2], seed=SEED), "flip rate"),
}


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_refused(name: str) -> None:
    ask, said = CASES[name]
    with pytest.raises(BadInput, match=said):
        ask()


@pytest.mark.parametrize("kind", ["no_regression", "no_proven_loss", "floor"])
def test_an_empty_stratum_is_judged_alike_by_tallies_and_by_evidence(kind: str) -> None:
    """It has no cases, so it takes no part in the family: 20 empty strata make the others no harder to fail."""
    check = Check(name="x", kind=kind, margin=0.02, floor=0.9)
    n, lost = np.array([100.0, *[0.0] * 20]), np.array([[8.0, *[0.0] * 20]])
    names = ["all", *(f"empty {i}" for i in range(20))]
    found = judge_tallies(check, alone(names, n, lost=lost, gained=np.zeros_like(lost), right=np.array([[90.0, *[0.0] * 20]])))[0]
    one = judge_tallies(check, alone(["all"], n[:1], lost=lost[:, :1], gained=lost[:, :1] * 0, right=np.array([[90.0]])))[0]
    assert found.strata[0] == one.strata[0]
    assert {(verdict.result, verdict.reason) for verdict in found.strata[1:]} == {("not_enough_evidence", "no_cases")}
    assert judge(check, [StratumEvidence(stratum="empty", n=0)]).strata[0].reason == "no_cases"


def test_fragility_says_nothing_against_an_empty_stratum() -> None:
    check = Check(name="x", kind="no_proven_loss", if_too_few="inform")
    strata = [Grouping(["site=a", "site=b"], np.zeros(40, dtype=int))]
    truth = np.ones(40, dtype=int)
    found = fragility(check, strata, truth, truth * 0, truth, judged=["site=a", "site=b"])
    assert (found.result, found.becomes) == ("fail", "pass")


def test_slices_of_a_single_cluster_are_not_tested() -> None:
    codes, errors = np.tile([0, 1], 100), np.tile([1.0, 0.0], 100)
    found = find_slices(
        [Attribute("site", ["a", "b"], codes)], errors, seed=SEED, clusters=np.repeat([0, 1], 100), search=Search(support=5)
    )
    assert [(each.name, each.p, each.confirmed) for each in found] == [("site=a", None, False)]


def test_more_bins_than_a_byte_holds() -> None:
    chance = np.linspace(0, 1, 1000)
    for place in (equal_width(chance, 300), equal_mass(chance, 300)):
        assert (place.min(), place.max(), np.unique(place).size) == (0, 299, 300)
