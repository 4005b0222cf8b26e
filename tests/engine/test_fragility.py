"""How few wrong labels flip a verdict: against trying every set of labels, and by really changing the labels that are named."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.engine.arrays import BadInput
from evaluation.engine.data import arm
from evaluation.engine.fragility import fragility
from evaluation.engine.gates import Check, Result, judge
from evaluation.engine.gather import gather
from evaluation.engine.report import comparison_of
from evaluation.engine.strata import Grouping, Stratum
from tests.engine.build import DIGITS, SEED


def _verdict(check: Check, truth: np.ndarray, new: np.ndarray, old: np.ndarray, strata: list, names: list[str], clusters=None) -> Result:
    n = truth.size
    comparison = comparison_of(DIGITS, truth, [arm(DIGITS, n, new)], [arm(DIGITS, n, old)], clusters)
    evidence = gather(comparison, "accuracy", [Stratum("all", np.ones(n, dtype=bool)), *strata], seed=SEED, resamples=20)
    return judge(check, [item for item in evidence if item.stratum in names]).result


def _models(seed: int, n: int, skill: float = 0.9, other: float = 0.85) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 4, n)
    old, new = (np.where(rng.random(n) < share, truth, rng.integers(0, 4, n)) for share in (skill, other))
    return truth, np.where(rng.random(n) < 0.7, old, new), old


CHECKS = [
    Check(name="overall", kind="no_regression", margin=0.04),
    Check(name="guard", kind="no_proven_loss"),
    Check(name="floor", kind="floor", floor=0.85),
]


@pytest.mark.parametrize("check", CHECKS, ids=lambda c: c.kind)
@pytest.mark.parametrize("clustered", [False, True])
@settings(max_examples=10)
@given(seed=st.integers(0, 10_000), n=st.integers(60, 300))
def test_changing_the_named_labels_flips_the_verdict_and_all_but_one_do_not(check: Check, clustered: bool, seed: int, n: int) -> None:
    truth, new, old = _models(seed, n)
    strata, names = [Grouping(["site=a", "site=b"], np.arange(n) % 2)], ["all"] if check.kind == "no_regression" else ["site=a", "site=b"]
    clusters = np.arange(n) // 3 if clustered else None
    found = fragility(check, strata, truth, new, old, judged=names, clusters=clusters)
    assert found.result == _verdict(check, truth, new, old, strata, names, clusters)
    if found.changes is None:
        return
    changed = truth.copy()
    for case, label in zip(found.cases, found.labels, strict=True):
        assert _verdict(check, changed, new, old, strata, names, clusters) == found.result or clustered
        changed[case] = label if label >= 0 else next(k for k in range(4) if k not in {truth[case], new[case], old[case]})
    assert _verdict(check, changed, new, old, strata, names, clusters) == found.becomes != found.result


def test_no_smaller_set_of_labels_does_it() -> None:
    truth, new, old = _models(4, 60, 0.95, 0.5)
    check = Check(name="guard", kind="no_proven_loss")
    found = fragility(check, [], truth, new, old)
    assert found.minimal
    assert found.changes is not None
    assert found.changes >= 2
    interesting = np.flatnonzero((new != truth) | (old != truth))
    for few in range(1, found.changes):
        for cases in combinations(interesting.tolist(), few):
            for favour in (new, old):
                changed = truth.copy()
                changed[list(cases)] = favour[list(cases)]
                assert _verdict(check, changed, new, old, [], ["all"]) == found.result


def test_suspicious_labels_are_looked_at_first() -> None:
    truth, new, old = _models(4, 60, 0.95, 0.5)
    lost = np.flatnonzero((old == truth) & (new != truth))
    doubt = np.zeros(60)
    doubt[lost[-3:]] = [3, 2, 1]
    found = fragility(Check(name="guard", kind="no_proven_loss"), [], truth, new, old, suspicion=doubt)
    assert found.result == Result.FAIL
    assert set(found.cases) & set(lost[-3:].tolist())


def test_a_clear_verdict_is_not_fragile_and_bad_input_is_named() -> None:
    truth = np.zeros(5000, dtype=int)
    found = fragility(Check(name="floor", kind="floor", floor=0.5), [], truth, truth)
    assert (found.result, found.changes, found.tried) == (Result.PASS, None, 50)
    with pytest.raises(BadInput, match="one length"):
        fragility(CHECKS[0], [], truth, truth[:-1], truth)
    with pytest.raises(BadInput, match="baseline"):
        fragility(CHECKS[0], [], truth, truth)
    with pytest.raises(BadInput, match="'site=q'"):
        fragility(CHECKS[2], [], truth, truth, judged=["site=q"])
