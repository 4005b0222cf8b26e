"""What is no answer is refused at the door, naming what is wrong: nothing is rounded to true, matched by broadcasting or read as a loss."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from evaluation.engine import (
    BadInput,
    Check,
    Grouping,
    Settings,
    Stratum,
    Task,
    arm,
    benjamini_hochberg,
    clopper_pearson,
    clustered_share,
    comparison_of,
    delong,
    detectable_loss,
    equal_mass,
    equal_width,
    exact_lower,
    exact_upper,
    floor_cases,
    gather,
    holm,
    judge,
    mcnemar,
    newcombe,
    non_inferiority_cases,
    post_stratified,
    regression_report,
    reliability,
    reliability_line,
    report,
    seed_from,
    share_variance,
    sign_flip,
    spread,
    tango,
    values,
    weighted_entries,
    widening,
    wilson,
)
from evaluation.engine.arrays import booleans
from evaluation.engine.data import cluster_codes
from evaluation.engine.detection.froc import froc_points
from evaluation.engine.fragility import fragility
from evaluation.engine.gates import StratumEvidence
from evaluation.engine.integration import compare_answers
from evaluation.engine.multilabel import answers, multilabel_report
from evaluation.engine.ood import image_statistics, refusal_figures
from evaluation.engine.replicate_tests import improvement, paired_runs, permutation_p
from evaluation.engine.sanity import answer_findings
from evaluation.engine.simulate import Scenario, population, simulate
from evaluation.engine.slices import Attribute, Search, find_slices
from evaluation.engine.strata import blocks
from evaluation.engine.tallies import alone, judge_tallies
from tests.engine.build import BINARY, SEED, comparison

THEIRS = gather(comparison(n=40), "accuracy", seed=SEED)
NOTHING = alone(["all"], np.ones(1), lost=np.zeros((1, 1)), gained=np.zeros((1, 1)), right=np.ones((1, 1)))
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
    "a word for a score": (lambda: arm(BINARY, 2, [0, 1], ["x", "y"]), "row 0: 'x' is no number"),
    "a complex score": (lambda: arm(BINARY, 1, [1], np.array([1j])), "complex128"),
    "a date for a score": (lambda: arm(BINARY, 1, [1], np.zeros(1, "datetime64[s]")), "datetime64"),
    "a masked score": (lambda: arm(BINARY, 2, [1, 1], np.ma.masked_array([0.1, 0.2], [False, True])), "row 1: the score is not finite"),
    "rows of different lengths": (lambda: arm(BINARY, 2, [1, 1], [[0.1], [0.2, 0.3]]), "row 1: it has shape"),
    "a masked label": (lambda: arm(BINARY, 2, np.ma.masked_array([0, 1], [False, True])), "row 1: the label is masked"),
    "a table for labels": (lambda: arm(BINARY, 2, [[0], [0, 1]]), "different lengths"),
    "a code among names": (lambda: arm(Task(("1", "2")), 2, [1, "1"]), "row 0: 1 is a code among names of classes"),
    "true among names": (lambda: comparison_of(BINARY, ["nodule", True], [arm(BINARY, 2, [0, 1])]), "row 1: True is a code among names"),
    "a case without a cluster": (lambda: cluster_codes(["a", None], 2), "row 1: the case has no cluster"),
    "clusters that are NaN": (lambda: cluster_codes([1.0, np.nan, np.nan], 3), "row 1: the case has no cluster"),
    "a masked cluster": (lambda: cluster_codes(np.ma.masked_array([1, 1], [False, True]), 2), "row 1: the cluster is masked"),
    "half a case in a stratum": (lambda: blocks([Stratum("a", [0.0, 1.5])], 3), "row 1: an index of stratum 'a'"),
    "a table of cases": (lambda: blocks([Stratum("a", [[0, 1]])], 3), "stratum 'a': the indices have shape"),
    "more right than cases": (lambda: wilson([1, 5], [3, 3]), "row 1: 5 of 3"),
    "fewer than none": (lambda: clopper_pearson(-1, 3), "-1 of 3"),
    "of infinitely many": (lambda: wilson(3, np.inf), "3 of inf"),
    "a certain interval": (lambda: wilson(3, 5, 1.0), "level"),
    "an exact certain interval": (lambda: clopper_pearson(3, 5, 1.0), "level"),
    "half a flip": (lambda: mcnemar(2.5, 3), "row 0: lost is a whole number"),
    "no number of flips": (lambda: mcnemar(1, np.nan), "row 0: gained is a whole number"),
    "negative flips": (lambda: mcnemar(-1, 3), "not possible"),
    "more flips than pairs": (lambda: tango(3, 3, 5), "not possible"),
    "negative pairs": (lambda: newcombe(3, 3, 5, -1), "-1 of 10"),
    "half a sum": (lambda: sign_flip([1, 0.5]), "row 1: a cluster's sum"),
    "sums beyond what the exact test holds": (lambda: sign_flip([10**12, -5]), "reach 1,000,000,000,005 in all"),
    "a table of sums": (lambda: sign_flip([[1, 2]]), "one for each cluster"),
    "a p above one": (lambda: holm([0.5, 1.5]), "row 1: 1.5 is no p-value"),
    "a table of p": (lambda: benjamini_hochberg([[0.5]]), "one row"),
    "no share of flips": (lambda: non_inferiority_cases(np.nan, 0.03), "psi"),
    "a share above one": (lambda: floor_cases(1.2, 0.9), "share"),
    "a margin of five points in percent": (lambda: non_inferiority_cases(0.1, 5), "margin is a share between 0 and 1, and 5 is not"),
    "a negative margin of flips": (lambda: non_inferiority_cases(0.1, -0.05), "margin is a share"),
    "a floor of ninety": (lambda: floor_cases(0.95, 90), "floor is a share between 0 and 1, and 90 is not"),
    "no floor": (lambda: floor_cases(0.95, np.nan), "floor is a share"),
    "values in percent": (lambda: post_stratified([0.9, 0.1], [0.9, 80], [0.1, 0.1]), "row 1: 80.0 is not a value between 0 and 1"),
    "fewer cases than none": (lambda: detectable_loss(-1), "-1"),
    "a negative variance": (lambda: post_stratified([0.5, 0.5], [1, 1], [0, -1]), "row 1"),
    "no probability": (lambda: equal_width(np.array([0.5, np.nan])), "row 1"),
    "five percent": (lambda: exact_lower(3, 5, 5), "alpha lies between 0 and 1, and 5 does not"),
    "a certain bound": (lambda: exact_upper(3, 5, 0), "alpha"),
    "a power of eighty": (lambda: floor_cases(0.95, 0.9, power=80), "power"),
    "a margin at no alpha": (lambda: non_inferiority_cases(0.1, 0.05, alpha=0), "alpha"),
    "a loss at five percent": (lambda: detectable_loss(100, alpha=5), "alpha"),
    "a cluster with more hits than cases": (lambda: clustered_share([3, 2], [2, 2]), "row 0: 3 of 2"),
    "a cluster of no stratum": (lambda: clustered_share([1, 2], [2, 2], [0, 1]), "row 1: there is no stratum 1 among 1"),
    "no stratum for clusters": (lambda: clustered_share([], [], [], 0), "0 strata hold no cluster"),
    "fewer strata than none": (lambda: clustered_share([1], [2], [0], -1), "-1 strata hold no cluster"),
    "strata of others": (lambda: clustered_share([1, 2], [2, 2], [0]), "one of each for a cluster"),
    "more found than there is": (lambda: froc_points([0.5], [0.4, 0.3], 1, 2), "2 found of 1 objects"),
    "a model instead of a list": (
        lambda: comparison_of(BINARY, [0], arm(BINARY, 1, [0])),
        r"list of replicates, each of type Arm; one alone .* \[arm\]",
    ),  # type: ignore[arg-type]
    "an old model instead of a list": (
        lambda: comparison_of(BINARY, [0], [arm(BINARY, 1, [0])], arm(BINARY, 1, [0])),
        "the baseline is a list",
    ),  # type: ignore[arg-type]
    "labels instead of answers": (lambda: multilabel_report(["a"], [[1]], np.array([[1]]), seed=SEED), "each of type Answers"),  # type: ignore[arg-type]
    "numbers instead of a list": (lambda: regression_report([1.0, 2.0], [1.0, 2.0], seed=SEED), r"one alone is given as \[predictions\]"),
    "a word for a seed": (lambda: Settings(seed="x"), "a seed is bytes"),  # type: ignore[arg-type]
    "no bin": (lambda: equal_width([0.5], 0), "at least one bin"),
    "no bin of equal mass": (lambda: equal_mass([0.5], 0), "at least one bin"),
    "beyond the last bin": (lambda: reliability([0.5], [1], [15]), "row 0: there is no bin 15 among 15"),
    "outcomes of others": (lambda: reliability([0.5], [1, 0], [0]), "one of each for a case"),
    "a line through others": (lambda: reliability_line([0.5, 0.1], [1]), "one of each for a case"),
    "markers of others": (lambda: delong([[1, 2], [3, 4]], [1, 0, 1]), "one row for each case"),
    "a margin in percent": (lambda: judge(Check(name="x", kind="no_regression", margin=5), THEIRS), "5 percent are 0.05"),
    "a size in percent": (lambda: judge(Check(name="x", kind="no_proven_loss", eps=2), THEIRS), "an? eps of 2"),
    "a floor in percent": (
        lambda: judge(Check(name="x", kind="floor", floor=85), THEIRS),
        "a floor of 85 is beyond a metric that lies between 0 and 1",
    ),
    "a floor in percent of tallies": (lambda: judge_tallies(Check(name="x", kind="floor", floor=85), NOTHING), "a floor of 85"),
    "a negative margin": (lambda: Check(name="x", kind="no_regression", margin=-0.05), "check 'x': margin and eps are sizes"),
    "an infinite floor": (lambda: Check(name="x", kind="floor", floor=np.inf), "the floor is finite"),
    "alpha in percent": (lambda: Check(name="x", kind="floor", alpha=5), "5 percent are 0.05"),
    "one grouping instead of a list": (lambda: values(comparison(n=20), Grouping(["a"], [0] * 20)), "strata are a list"),  # type: ignore[arg-type]
    "strata as a dictionary": (lambda: report(comparison(n=20), {"a": [0]}, seed=SEED), "strata are a list"),  # type: ignore[arg-type]
    "names for codes": (lambda: blocks([Grouping(["a", "b"], ["a", "b"])], 2), "the places in its names"),
    "half a code": (lambda: blocks([Grouping(["a", "b"], [0.5, 1])], 2), "row 0: the code of a grouping"),
    "no code": (lambda: blocks([Grouping(["a", "b"], [0, None])], 2), "row 1: the code of a grouping"),
    "numbers for a mask": (lambda: blocks([Stratum("a", [1, 0, 1, 0])], 4), "a mask holds true and false"),
    "half a value": (lambda: find_slices([Attribute("a", ["x"], [0.5])], [1], seed=SEED), "row 0: the code of attribute 'a'"),
    "a word to draw halves": (lambda: find_slices([], [1, 0], seed="x"), "a seed is bytes"),  # type: ignore[arg-type]
    "digests that are numbers": (lambda: seed_from("a", [1]), "digests are text"),  # type: ignore[list-item]
    "chances of others": (lambda: weighted_entries(comparison(n=20), [], [0.5]), r"chances have shape \(1,\)"),
    "a spread of negative variance": (
        lambda: spread(["a", "b"], [0.8, 0.9], [0.1, -0.1], Settings(seed=SEED)),
        "row 1: -0.1 is not a variance",
    ),
    "a share of more than all": (lambda: share_variance([0.5, 1.8], 10), "row 1: 18 of 10"),
    "names for the truth of a service": (lambda: compare_answers(THREE, THREE, truth=["a", "b", "a"]), "row 0: 'a' is no number"),
    "names for the truth of answers": (lambda: answer_findings(THREE, truth=["a", "b", "a"]), "row 0: 'a' is no number"),
    "halves for refusals": (lambda: refusal_figures([0.5], [1]), "row 0: refused is true or false"),
    "looks in percent": (lambda: widening(10, 95), "the level lies between 0 and 1"),
    "a word for a count": (lambda: mcnemar("a", 2), "row 0: 'a' is no number"),
    "a table of predictions": (lambda: regression_report([1.0, 2.0], [[[1.0], [2.0]]], seed=SEED), r"predictions of shape \(2, 1\)"),
    "a ragged truth": (lambda: comparison_of(BINARY, [[0], [0, 1]], [arm(BINARY, 1, [0])]), "different lengths"),
    "half a class": (lambda: fragility(Check(name="x", kind="floor"), [], [0.5], [1], judged=["all"]), "row 0: the label"),
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


def test_what_holds_the_same_values_gives_the_same_report() -> None:
    """Booleans, other widths and byte orders, lists, columns that may not be written to or do not lie together, names of any kind for clusters."""
    given = comparison(BINARY, n=60, baseline_runs=0)
    truth, labels, scores = given.truth.astype(np.int64), given.candidate[0].labels.astype(np.int64), given.candidate[0].scores
    assert scores is not None
    patients = np.arange(60) // 3
    locked = scores.copy()
    locked.setflags(write=False)

    def asked(truth: Any = truth, labels: Any = labels, scores: Any = scores, clusters: Any = patients) -> Any:
        return report(comparison_of(BINARY, truth, [arm(BINARY, 60, labels, scores)], [], clusters), [], seed=SEED, resamples=50)

    plain = asked()
    assert asked(truth=truth.astype(bool), labels=labels.astype(bool)) == plain
    assert asked(truth=truth.tolist(), labels=labels.tolist(), scores=scores.tolist(), clusters=patients.tolist()) == plain
    assert asked(truth=truth.astype(">u8"), labels=np.repeat(labels, 2)[::2], scores=locked.astype(">f8")) == plain
    assert asked(scores=np.asfortranarray(locked), clusters=[f"p{code:02}" for code in patients]) == plain
    assert asked(clusters=np.array([("p", code) if code else 0 for code in patients] + [None], dtype=object)[:-1]) == plain
    names = [BINARY.classes[code] for code in labels]
    assert asked(truth=np.array(BINARY.classes)[truth], labels=names) == plain
    assert asked(truth=pd.Series(BINARY.classes)[truth].astype("category"), labels=pd.Series(names, index=range(60, 0, -1))) == plain
    assert asked(truth=truth.astype(float), labels=pd.array(labels, dtype="Int64")) == plain
    single = asked(scores=scores.astype(np.float32).astype(np.float64))
    assert asked(scores=scores.astype(np.float32)) == single


def test_labels_may_mix_names_and_missing_ones() -> None:
    assert arm(BINARY, 3, ["nodule", -1, "normal"]).labels.tolist() == [1, -1, 0]
    assert arm(BINARY, 0, []).labels.size == 0


def test_codes_may_be_booleans_and_whole_floats() -> None:
    found, site = comparison(n=40), np.arange(40) % 2
    plain = values(found, [Grouping(["site=a", "site=b"], site)])
    for same in (site.astype(bool), site.astype(float), site.tolist(), pd.Series(site, dtype="Int64")):
        np.testing.assert_equal(values(found, [Grouping(["site=a", "site=b"], same)]), plain)
    assert seed_from("a", "b") == seed_from("a", ["b"])


def test_columns_of_probabilities_may_be_lists() -> None:
    chance, came = [0.1, 0.9, 0.6, 0.3], [0, 1, True, False]
    place = equal_width(chance, 2)
    assert (place.tolist(), equal_mass(chance, 2).tolist()) == ([0, 1, 1, 0], [0, 1, 1, 0])
    bins = reliability(chance, came, place.tolist(), 2)
    assert [bins.n.tolist(), bins.score.tolist(), bins.happened.tolist()] == [[2, 2], [0.4, 1.5], [0, 2]]
    known = reliability_line(np.array(chance), np.array(came, dtype=bool), np.array([0, 0, 1, 2]))
    assert reliability_line(chance, came, ["a", "a", "b", "c"]) == known


def test_without_strata_all_cases_are_meant() -> None:
    found = comparison(BINARY, n=60)
    given = [Stratum("all", np.ones(60, dtype=bool))]
    assert report(found, seed=SEED, resamples=50) == report(found, [], seed=SEED, resamples=50)
    np.testing.assert_array_equal(values(found)["all"], values(found, given)["all"])
    assert list(values(found, [Grouping(["site=a"], np.zeros(60, dtype=int))])) == ["all", "site=a"]
    assert [each.stratum for each in gather(found, "accuracy", seed=SEED)] == ["all"]
    assert gather(found, "accuracy", [], seed=SEED) == []


def test_what_is_not_known_stays_unknown() -> None:
    for interval in (wilson(np.nan, 3), clopper_pearson(np.nan, 3), tango(np.nan, 1, 3), wilson(9, 0), tango(0, 0, 0)):
        assert np.isnan(interval).all()
