"""The policy simulator: its rules are those of the gates, its draws have the stated margins and correlation, its shares have the nominal sizes."""

import numpy as np
import pytest
from scipy import stats

from evaluation.engine.arrays import BadInput
from evaluation.engine.compare import design_effect, sign_flip
from evaluation.engine.evidence import FlipDifference, ShareLevel
from evaluation.engine.gates import Check, StratumEvidence, judge
from evaluation.engine.simulate import Scenario, population, simulate
from evaluation.engine.strata import Grouping, Stratum
from evaluation.engine.tallies import Tallies, alone, judge_tallies
from tests.engine.build import SEED

OVERALL = Check(name="overall", kind="no_regression", margin=0.02)
GUARD = Check(name="strata", kind="no_proven_loss", role="guard")
FLOOR = Check(name="floor", kind="floor", floor=0.85)


def _grouping(n: int, values: int) -> Grouping:
    return Grouping([f"site={i}" for i in range(values)], np.arange(n) % values)


@pytest.mark.parametrize(
    "check", [OVERALL, GUARD, FLOOR, Check(name="m", kind="no_regression", margin=0.05, min_n=150)], ids=lambda c: c.name
)
@pytest.mark.parametrize("clustered", [False, True])
def test_many_outcomes_are_judged_like_one(check: Check, clustered: bool) -> None:
    rng = np.random.default_rng(3)
    n, strata, outcomes = np.array([400.0, 120.0, 160.0, 0.0]), 4, 30
    lost, gained = (rng.binomial(30, rng.random((outcomes, 1)) ** 2, (outcomes, strata)) for _ in range(2))
    lost, gained = lost * (n > 0), gained * (n > 0)
    right = np.maximum(np.floor(n * rng.uniform(0.75, 1.0, (outcomes, 1))) - 1, 0)
    clusters = np.array([60.0, 15.0, np.inf, np.inf]) if clustered else np.full(strata, np.inf)
    grouped = np.isfinite(clusters)
    effect = np.where(grouped, rng.uniform(1, 3, (outcomes, strata)), 1.0)
    loss_p = np.where(grouped, rng.random((outcomes, strata)) ** 3, np.nan)
    tallies = Tallies(
        names=("all", "a", "b", "empty"),
        n=n,
        minimum=np.zeros(strata),
        clusters=clusters,
        lost=lost.astype(float),
        gained=gained.astype(float),
        right=right,
        effect=effect,
        share_effect=effect,
        loss_p=loss_p,
    )
    seen = set()
    for outcome, found in enumerate(judge_tallies(check, tallies)):
        evidence = [_evidence(tallies, outcome, stratum) for stratum in range(strata)]
        wanted = judge(check, evidence)
        assert (found.result, found.name) == (wanted.result, wanted.name)
        assert [(v.result, v.reason) for v in found.strata] == [(v.result, v.reason) for v in wanted.strata]
        seen.add(found.result)
    assert len(seen) > 1


def _evidence(tallies: Tallies, outcome: int, stratum: int) -> StratumEvidence:
    n, clusters = int(tallies.n[stratum]), tallies.clusters[stratum]
    if not n:
        return StratumEvidence(stratum=tallies.names[stratum], n=0)
    grouped = bool(np.isfinite(clusters))
    effect = float(tallies.effect[outcome, stratum])
    lost, gained = int(tallies.lost[outcome, stratum]), int(tallies.gained[outcome, stratum])
    p = float(tallies.loss_p[outcome, stratum]) if grouped else None
    number = int(clusters) if grouped else None
    return StratumEvidence(
        stratum=tallies.names[stratum],
        n=n,
        clusters=number,
        difference=FlipDifference(lost=lost, gained=gained, n=n, design_effect=effect, clusters=number, loss_p=p),
        level=ShareLevel(share=float(tallies.right[outcome, stratum]) / n, n=n, design_effect=effect),
    )


class PopulationTests:
    def test_cases_of_one_kind_are_counted_together(self) -> None:
        strata = [_grouping(12, 3), Stratum("odd", np.arange(12) % 2 == 1), Stratum("none", [])]
        found = population(strata, 12)
        assert found.names == ("all", "site=0", "site=1", "site=2", "odd", "none")
        assert found.sizes.tolist() == [2] * 6
        assert found.n.tolist() == [12, 4, 4, 4, 6, 0]

    def test_a_unit_is_what_a_cluster_has_of_a_kind(self) -> None:
        found = population([_grouping(12, 2)], 12, clusters=np.repeat([0, 1, 2], 4))
        assert found.sizes.tolist() == [2] * 6
        assert found.cluster is not None
        assert np.bincount(found.cluster).tolist() == [2, 2, 2]

    def test_singletons_are_no_clusters(self) -> None:
        assert population([], 5, clusters=list("abcde")).cluster is None

    def test_an_unknown_stratum_is_named(self) -> None:
        with pytest.raises(BadInput, match="'site=9'"):
            simulate([(GUARD, ["site=9"])], population([_grouping(20, 2)], 20), [Scenario(name="equal")], flip_rate=0.1, seed=SEED, draws=5)
        with pytest.raises(BadInput, match="negative chance"):
            simulate([], population([], 20), [Scenario(name="worse", loss=0.95)], flip_rate=0.1, seed=SEED, draws=5)


def test_a_guard_blocks_equal_models_no_more_often_than_it_says_and_an_uncorrected_one_does() -> None:
    """20 equal strata of 100: the design's own simulation gave .021 with Holm and .55 without."""
    of = population([_grouping(2000, 20)], 2000)
    names = [f"site={i}" for i in range(20)]
    gate = (Check(name="floor", kind="floor", floor=0.5), ["all"])
    (equal,) = simulate([gate, (GUARD, names)], of, [Scenario(name="equal")], flip_rate=0.06, seed=SEED)
    assert equal.blocked.value <= 0.05
    assert equal.blocked.low <= equal.blocked.value <= equal.blocked.high
    alone_each = [gate, *((Check(name=name, kind="no_proven_loss", role="guard"), [name]) for name in names)]
    (naive,) = simulate(alone_each, of, [Scenario(name="equal")], flip_rate=0.06, seed=SEED, draws=500)
    assert naive.blocked.value > 0.25


def test_a_model_on_the_margin_passes_and_fails_five_times_in_a_hundred() -> None:
    check = Check(name="overall", kind="no_regression", margin=0.03)
    (edge,) = simulate([(check, ["all"])], population([], 3000), [Scenario(name="edge", loss=0.03)], flip_rate=0.06, seed=SEED)
    assert edge.passed.value == pytest.approx(0.05, abs=0.02)
    assert edge.failed.value == pytest.approx(0.05, abs=0.02)
    assert edge.passed.value + edge.failed.value + edge.not_enough.value == pytest.approx(1.0)


def test_a_loss_in_one_stratum_is_found_there_and_the_same_evidence_gives_the_same_shares() -> None:
    of = population([_grouping(2000, 10)], 2000)
    policy = [(Check(name="floor", kind="floor", floor=0.5), ["all"]), (GUARD, [f"site={i}" for i in range(10)])]
    scenarios = [Scenario(name="equal"), Scenario(name="one site", loss=0.15, stratum="site=3")]
    first = simulate(policy, of, scenarios, flip_rate=0.06, seed=SEED, draws=400)
    assert first == simulate(policy, of, scenarios, flip_rate=0.06, seed=SEED, draws=400)
    assert first[1].failed.value > 0.9
    assert first[0].failed.value < 0.1


def test_clusters_are_drawn_with_the_stated_correlation_and_judged_with_it() -> None:
    """One cluster-blind and one cluster-aware guard on the same clustered draws: only the aware one keeps its size."""
    cases, size = 1200, 12
    of = population([], cases, clusters=np.arange(cases) // size)
    aware, blind = [], []
    policy = [(Check(name="floor", kind="floor", floor=0.3, min_clusters=5), ["all"]), (GUARD, ["all"])]
    (found,) = simulate(policy, of, [Scenario(name="equal")], flip_rate=0.3, accuracy=0.7, seed=SEED, draws=600, correlation=0.5)
    assert found.failed.value <= 0.08
    rng = np.random.default_rng(0)
    for _ in range(300):
        fate = rng.random(cases // size).repeat(size)
        mixed = np.where(rng.random(cases) < 0.5**0.5, fate, rng.random(cases))
        change = np.where(mixed < 0.15, -1, np.where(mixed > 0.85, 1, 0))
        sums = change.reshape(-1, size).sum(axis=1)
        aware.append(sign_flip(sums)[1] <= 0.05)
        blind.append(stats.binomtest(int((change < 0).sum()), int((change != 0).sum()), alternative="greater").pvalue <= 0.05)
    assert np.mean(blind) > 0.12
    assert np.mean(aware) < 0.09


def test_design_effects_of_the_draws_are_those_of_compare() -> None:
    lost, gained = np.array([[2.0]]), np.array([[1.0]])
    plain = alone(["all"], np.array([30.0]), lost=lost, gained=gained, right=np.array([[25.0]]))
    assert plain.effect.tolist() == [[1.0]]
    assert design_effect([-1, -1, 1], [1, 1, 1], 2, 1) >= 1.0
