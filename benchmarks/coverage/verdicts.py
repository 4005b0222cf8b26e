"""Verdicts: how often a check is wrong."""

from collections.abc import Iterator

import numpy as np

from benchmarks.coverage.worlds import SEED, World, drawn, table
from evaluation.engine.gates import Check, Result, judge
from evaluation.engine.gather import gather
from evaluation.engine.simulate import Scenario, population, simulate
from evaluation.engine.strata import Grouping


def verdicts(sets: int) -> None:
    """How often a check is wrong: by the policy simulator for accuracy, by simulated sets for floors on accuracy and AUC."""
    lines = {}
    margin = Check(name="overall", kind="no_regression", margin=0.03)
    for n in (300, 3000):
        found = simulate([(margin, ["all"])], population([], n), _scenarios(), flip_rate=0.06, seed=SEED, draws=sets)
        for one in found:
            lines[f"no_regression, margin 3 points, {one.scenario.name}, n {n}"] = _shares(one.passed.value, one.failed.value)
    of = population([Grouping([f"s={i}" for i in range(20)], np.arange(2000) % 20)], 2000)
    names = [f"s={i}" for i in range(20)]
    pass_all = (Check(name="floor", kind="floor", floor=0.01), ["all"])
    guard = Check(name="guard", kind="no_proven_loss", role="guard")
    each = [(Check(name=name, kind="no_proven_loss", role="guard"), [name]) for name in names]
    for label, policy in (("one family (Holm)", [(guard, names)]), ("each alone", each)):
        (one,) = simulate([pass_all, *policy], of, [Scenario(name="equal")], flip_rate=0.06, seed=SEED, draws=sets)
        lines[f"no_proven_loss over 20 strata of 100, {label}, equal"] = _shares(one.passed.value, one.failed.value)
    for name, metric, world in _floors():
        comparison, strata = drawn(world, sets, np.random.default_rng(9))
        check = Check(name="floor", kind="floor", floor=world.truth()[metric])
        results = [judge(check, [item]).result for item in gather(comparison, metric, [strata], seed=SEED, resamples=2000)]
        lines[f"floor at the true value, {metric}, {name}"] = _shares(*(results.count(r) / sets for r in (Result.PASS, Result.FAIL)))
    table("Verdicts: percent of sets that pass and fail (alpha .05)", ["passed", "failed", "not enough"], lines)


def _scenarios() -> list[Scenario]:
    return [Scenario(name="equal"), Scenario(name="on the margin", loss=0.03), Scenario(name="10 points worse", loss=0.10)]


def _shares(passed: float, failed: float) -> list[str]:
    return [f"{100 * share:.1f}" for share in (passed, failed, 1 - passed - failed)]


def _floors() -> Iterator[tuple[str, str, World]]:
    for world in (World(n=50), World(n=200), World(n=600, size=10, icc=0.4), World(n=600, separation=4.0, size=10, icc=0.4)):
        yield world.name, "accuracy", world
    for world in (World(n=200, prevalence=0.3), World(n=600, prevalence=0.3)):
        yield world.name, "roc_auc", world
    for world in (World(n=200), World(n=200, prevalence=0.05)):
        yield world.name, "mcc", world
