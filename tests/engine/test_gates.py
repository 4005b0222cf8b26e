"""Verdicts: what passes, what fails, and what is not enough evidence."""

import numpy as np
import pytest

from evaluation.engine.arrays import BadInput
from evaluation.engine.data import Task
from evaluation.engine.evidence import AucLevel, FlipDifference, NormalDifference, ResampledDifference, ShareLevel
from evaluation.engine.gates import Check, CheckResult, Result, StratumEvidence, coverage, judge, overall, sane
from evaluation.engine.gather import gather
from evaluation.engine.metrics import registry
from evaluation.engine.sanity import Finding
from tests.engine.build import BINARY, DIGITS, SEED, comparison

# newly wrong, newly right and n of the built-in demo's second model, stratum by stratum
DEMO = {
    "hold-out": (1, 2, 193),
    "writer-8": (0, 1, 138),
    "writer-9": (0, 3, 139),
    "writer-10": (0, 2, 138),
    "writer-11": (0, 3, 138),
    "writer-12": (2, 4, 138),
    "writer-13": (1, 0, 138),
    "grey": (22, 2, 200),
    "contrast": (19, 5, 200),
    "faded": (2, 30, 200),
    "noise": (1, 4, 200),
    "blur": (2, 6, 200),
    "right": (15, 3, 200),
    "left": (3, 16, 200),
    "shifted": (5, 16, 200),
    "jpeg": (1, 5, 200),
}


def flips(stratum: str, lost: int, gained: int, n: int, **more: int) -> StratumEvidence:
    return StratumEvidence(stratum=stratum, n=n, difference=FlipDifference(lost=lost, gained=gained, n=n), **more)


def regression(lost: int, gained: int, n: int, **policy: float) -> CheckResult:
    return judge(Check(name="c", kind="no_regression", margin=policy.pop("margin", 0.02), **policy), [flips("all", lost, gained, n)])


class NoRegressionTests:
    def test_a_bound_inside_the_margin_passes(self) -> None:
        found = regression(40, 45, 2000)
        assert found.result == Result.PASS
        assert found.strata[0].low > -0.02
        assert found.n == 2000

    def test_a_proven_breach_fails(self) -> None:
        assert regression(200, 20, 2000).result == Result.FAIL

    def test_a_model_on_the_margin_is_not_enough_even_when_the_estimate_lies_beyond(self) -> None:
        found = regression(85, 40, 2000)
        assert found.strata[0].estimate < -0.02
        assert found.result == Result.NOT_ENOUGH
        assert found.n_needed is None or found.n_needed > 0

    def test_too_few_cases_say_how_many_would_do(self) -> None:
        found = regression(2, 2, 60)
        assert found.result == Result.NOT_ENOUGH
        assert found.strata[0].n_needed_upper > found.n_needed > 60

    def test_minimum_n_is_never_passed_over(self) -> None:
        found = regression(0, 0, 400, min_n=500)
        assert (found.result, found.strata[0].reason, found.strata[0].min_n, found.n_needed) == (
            Result.NOT_ENOUGH,
            "too_few_cases",
            500,
            500,
        )

    def test_a_stratum_brings_its_own_minimum(self) -> None:
        check = Check(name="c", kind="no_regression", margin=0.1)
        assert judge(check, [flips("all", 0, 0, 100, min_n=150)]).result == Result.NOT_ENOUGH
        assert judge(check, [flips("all", 0, 0, 100, min_n=50)]).result == Result.PASS

    def test_every_stratum_must_pass_without_correction(self) -> None:
        check = Check(name="c", kind="no_regression", margin=0.05)
        good, open_ = flips("a", 2, 2, 500), flips("b", 8, 5, 120)
        assert judge(check, [good]).result == Result.PASS
        found = judge(check, [good, open_])
        assert (found.result, found.decided_by) == (Result.NOT_ENOUGH, "b")

    def test_failing_is_holm_adjusted(self) -> None:
        check = Check(name="c", kind="no_regression", margin=0.02)
        bad = flips("bad", 14, 2, 200)
        assert judge(check, [bad]).result == Result.FAIL
        family = judge(check, [bad, *[flips(f"s{i}", 3, 3, 200) for i in range(15)]])
        assert family.strata[0].p == pytest.approx(judge(check, [bad]).strata[0].p)
        assert family.result == Result.NOT_ENOUGH

    def test_proven_but_inside_the_margin_is_said(self) -> None:
        found = regression(60, 20, 10_000, margin=0.02)
        assert found.result == Result.PASS
        assert found.strata[0].inside_margin

    def test_acceptance_names_the_stratum_and_needs_the_policy(self) -> None:
        family = [flips("a", 2, 2, 500), flips("b", 1, 1, 30)]
        accept = Check(name="c", kind="no_regression", margin=0.05, if_too_few="accept")
        assert judge(accept, family).result == Result.NOT_ENOUGH
        found = judge(accept, family, accepted={"b"})
        assert (found.result, found.accepted) == (Result.PASS, ("b",))
        assert judge(Check(name="c", kind="no_regression", margin=0.05), family, accepted={"b"}).result == Result.NOT_ENOUGH
        assert judge(Check(name="c", kind="no_regression", margin=0.05, if_too_few="inform"), family).result == Result.PASS

    def test_few_clusters_are_too_few(self) -> None:
        difference = FlipDifference(lost=0, gained=0, n=4000, design_effect=200, clusters=19, loss_p=1.0)
        found = judge(
            Check(name="c", kind="no_regression", margin=0.5), [StratumEvidence(stratum="s", n=4000, clusters=19, difference=difference)]
        )
        assert found.strata[0].reason == "too_few_clusters"

    def test_false_verdicts_on_the_margin_are_rare(self) -> None:
        rng = np.random.default_rng(4)
        results = []
        for _ in range(100):
            lost, gained, _ = rng.multinomial(300, [0.06, 0.03, 0.91])
            results.append(regression(int(lost), int(gained), 300, margin=0.03).result)
        assert results.count(Result.PASS) <= 12
        assert results.count(Result.FAIL) <= 12


class NoProvenLossTests:
    guard = Check(name="strata", kind="no_proven_loss", eps=0.03, role="guard")

    def test_the_demo_is_blocked_by_its_three_strata(self) -> None:
        found = judge(self.guard, [flips(name, *counts) for name, counts in DEMO.items()])
        assert found.result == Result.FAIL
        assert {v.stratum for v in found.strata if v.result == Result.FAIL} == {"grey", "contrast", "right"}
        assert found.decided_by == "grey"
        assert found.deciding.p == pytest.approx(1e-5, rel=0.1)

    def test_six_newly_wrong_and_one_newly_right_stand_in_a_family_of_sixteen(self) -> None:
        found = judge(self.guard, [flips("writer-8", 6, 1, 138), *[flips(f"s{i}", 2, 9, 200) for i in range(15)]])
        assert found.result == Result.PASS
        assert found.strata[0].p == pytest.approx(0.035, abs=5e-4)
        assert found.strata[0].p_holm == pytest.approx(0.5625)
        assert 0.02 < found.strata[0].detectable_loss < 0.15

    def test_a_proven_loss_smaller_than_eps_stands(self) -> None:
        found = judge(self.guard, [flips("s", 60, 10, 10_000)])
        assert (found.result, found.strata[0].reason) == (Result.PASS, "small_loss")

    def test_a_proven_loss_counts_below_the_minimum_too(self) -> None:
        few = Check(name="g", kind="no_proven_loss", eps=0.03, min_n=50)
        assert judge(few, [flips("s", 20, 0, 20)]).result == Result.FAIL
        assert judge(few, [flips("s", 1, 0, 20)]).result == Result.NOT_ENOUGH

    def test_equal_models_are_seldom_blocked(self) -> None:
        rng = np.random.default_rng(2)
        blocked = 0
        for _ in range(40):
            family = [flips(str(i), int(b), int(c), 100) for i, (b, c, _) in enumerate(rng.multinomial(100, [0.05, 0.05, 0.9], size=20))]
            blocked += judge(self.guard, family).result == Result.FAIL
        assert blocked <= 6


class FloorTests:
    def judge(self, k: int, n: int, floor: float) -> CheckResult:
        return judge(Check(name="f", kind="floor", floor=floor), [StratumEvidence(stratum="all", n=n, level=ShareLevel(share=k / n, n=n))])

    def test_three_values(self) -> None:
        assert self.judge(295, 300, 0.95).result == Result.PASS
        assert self.judge(255, 300, 0.95).result == Result.FAIL
        found = self.judge(29, 30, 0.95)
        assert found.result == Result.NOT_ENOUGH
        assert found.n_needed > 300

    def test_five_of_five_prove_little(self) -> None:
        assert self.judge(5, 5, 0.95).result == Result.NOT_ENOUGH

    def test_more_cases_cannot_help_below_the_floor(self) -> None:
        assert self.judge(94, 100, 0.95).n_needed is None

    @pytest.mark.parametrize(("smaller", "result"), [(49, Result.NOT_ENOUGH), (50, Result.PASS)])
    def test_an_auc_floor_needs_fifty_of_each_class(self, smaller: int, result: Result) -> None:
        level = AucLevel(value=0.97, variance=1e-5, smaller_class=smaller)
        assert judge(Check(name="f", kind="floor", floor=0.9), [StratumEvidence(stratum="all", n=500, level=level)]).result == result


class OtherEvidenceTests:
    def test_an_auc_difference_is_judged_on_its_normal_bound(self) -> None:
        check = Check(name="c", kind="no_regression", margin=0.01)
        sharp = NormalDifference(value=-0.001, variance=1e-6, smaller_class=100, n=1000)
        blunt = NormalDifference(value=-0.001, variance=1e-4, smaller_class=100, n=1000)
        assert judge(check, [StratumEvidence(stratum="a", n=1000, difference=sharp)]).result == Result.PASS
        found = judge(check, [StratumEvidence(stratum="a", n=1000, difference=blunt)])
        assert found.result == Result.NOT_ENOUGH
        assert found.n_needed > 1000

    def test_resamples_without_width_never_pass(self) -> None:
        flat = ResampledDifference(value=0.0, draws=np.zeros(100), n=20, spare=FlipDifference(lost=0, gained=0, n=20))
        found = judge(Check(name="c", kind="no_regression", margin=0.05), [StratumEvidence(stratum="a", n=20, difference=flat)])
        assert found.result == Result.NOT_ENOUGH
        assert found.strata[0].low < -0.05

    def test_invalid_answers_are_an_error_and_undefined_is_not_a_pass(self) -> None:
        for kind in ("no_regression", "no_proven_loss", "floor"):
            check = Check(name="c", kind=kind, margin=0.5)
            assert judge(check, [flips("a", 0, 0, 5000, invalid=1)]).result == Result.ERROR
            assert judge(check, [StratumEvidence(stratum="a", n=10, undefined="17 predictions missing")]).result == Result.NOT_ENOUGH
            assert judge(check, [StratumEvidence(stratum="a", n=0)]).result == Result.NOT_ENOUGH
            assert judge(check, []).result == Result.NOT_RUN

    def test_an_unknown_kind_is_refused(self) -> None:
        with pytest.raises(ValueError, match="latency"):
            judge(Check(name="c", kind="latency"), [])


def test_coverage_and_sanity() -> None:
    check = Check(name="c", kind="coverage")
    assert coverage(check, expected=10, answered=10).result == Result.PASS
    assert coverage(check, expected=10, answered=9).result == Result.FAIL
    assert coverage(check, expected=10, answered=9, least=0.9).result == Result.PASS
    rounded, ties = Finding(code="rounded_scores", severity="error"), Finding(code="tied_scores", severity="warn")
    assert sane(check, [ties]).result == Result.PASS
    assert sane(check, [ties, rounded]).result == Result.FAIL
    assert sane(check, [rounded, Finding(code="non_finite", severity="error")]).result == Result.ERROR


@pytest.mark.parametrize(
    ("checks", "verdict"),
    [
        ([], "not_enough_evidence"),
        ([("guard", "pass")], "not_enough_evidence"),
        ([("gating", "pass")], "pass"),
        ([("gating", "waived"), ("guard", "not_enough_evidence")], "pass"),
        ([("gating", "pass"), ("guard", "fail")], "fail"),
        ([("gating", "pass"), ("watch", "fail")], "pass"),
        ([("gating", "fail"), ("guard", "error")], "error"),
        ([("gating", "pass"), ("gating", "not_run")], "not_enough_evidence"),
    ],
)
def test_overall(checks: list[tuple[str, str]], verdict: str) -> None:
    assert overall([(role, Result(result)) for role, result in checks]) == verdict


@pytest.mark.parametrize("task", [BINARY, DIGITS], ids=["two classes", "several"])
def test_percent_is_refused_of_every_metric_with_a_finite_range(task: Task) -> None:
    """A margin of 5 let a model pass that had lost everything, wherever the difference was not one of flips."""
    found = comparison(task, n=60)
    for metric in (each for each in registry(task) if each.index in {None, 1}):
        evidence = gather(found, metric.id, seed=SEED, resamples=20)
        width = metric.high - metric.low
        for beyond in (Check(name="x", kind="no_regression", margin=5), Check(name="x", kind="no_proven_loss", eps=5)):
            if np.isfinite(width):
                with pytest.raises(BadInput, match="5 percent are"):
                    judge(beyond, evidence)
            else:
                assert judge(beyond, evidence).strata[0].estimate is not None, metric.id
        if np.isfinite(width):
            with pytest.raises(BadInput, match="a floor of 85 is beyond a metric that lies between"):
                judge(Check(name="x", kind="floor", floor=85), evidence)
            assert judge(Check(name="x", kind="no_regression", margin=width), evidence).result in set(Result), metric.id
