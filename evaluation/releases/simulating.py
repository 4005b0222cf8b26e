"""What a policy would do on a real set, with the share of cases that really flips between two of the project's models. Codes and numbers; no rows."""

from dataclasses import asdict
from typing import Any

import numpy as np

from evaluation.engine.gates import Check
from evaluation.engine.simulate import Population, Scenario, population, simulate
from evaluation.engine.strata import Strata, Stratum
from evaluation.engine.tallies import JUDGED
from evaluation.releases.documents import PolicySpec, chosen
from evaluation.releases.judging import check_of
from evaluation.runs.reports import Evidence, Report

JSON = dict[str, Any]
DRAWS = 300
MOST_UNITS = 5_000  # of a set that is simulated while somebody waits: more of them are a matter of many seconds
LOSSES = (0.05, 0.10)


def simulated(policy: PolicySpec, evidence: Evidence, flips: Report) -> JSON:
    """Rows of scenario and shares of draws, and what they rest on; `rows` is None where the set is too large to wait for.

    Checks on accuracy are simulated, `assumed` names those that are taken as passed. `flips` are a report's, over all cases.
    """
    n = max(flips["n"], 1)
    basis = {
        "cases": evidence.comparison.cases,
        "flip_rate": (flips["newly_wrong"] + flips["newly_right"]) / n,
        "accuracy": (flips["both_right"] + flips["newly_wrong"]) / n,
        "draws": DRAWS,
    }
    judged: list[tuple[Check, list[str]]] = []
    assumed = []
    for spec in policy.checks:
        wanted, unmatched = chosen(spec.strata, evidence.names)
        if spec.kind in JUDGED and (spec.metric or "accuracy") == "accuracy" and wanted and not unmatched:
            judged.append((check_of(spec, policy), wanted))
        else:
            assumed.append(spec.name)
    strata = _named(evidence.strata, {name for _, names in judged for name in names})
    of = population(strata, evidence.comparison.cases, clusters=evidence.comparison.clusters, minimums=evidence.minimums)
    if of.sizes.size > MOST_UNITS or not judged:
        return basis | {"rows": None, "assumed": assumed}
    found = simulate(judged, of, _scenarios(judged, of), seed=evidence.seed, draws=DRAWS, **_possible(basis))
    return basis | {"rows": [asdict(one) for one in found], "assumed": assumed}


def _named(strata: Strata, names: set[str]) -> list[Stratum]:
    """Only these strata, each on its own: the simulation costs as much as there are strata."""
    out = []
    for item in strata:
        if isinstance(item, Stratum):
            out += [item] if item.name in names else []
        else:
            codes = np.asarray(item.codes)
            out += [Stratum(name, codes == at) for at, name in enumerate(item.names) if name in names]
    return out


def _scenarios(judged: list[tuple[Check, list[str]]], of: Population) -> list[Scenario]:
    """Equal; worse everywhere; worse in the stratum of middle size among those that are judged one by one."""
    families = [names for _, names in judged if len(names) > 1]
    sizes = {name: float(of.n[of.names.index(name)]) for names in families for name in names}
    middle = sorted(sizes, key=lambda name: (sizes[name], name))[len(sizes) // 2 : len(sizes) // 2 + 1]
    places = [("all", LOSSES), *((name, (*LOSSES, 0.2)) for name in middle)]
    return [Scenario(name="equal"), *(Scenario(name="worse", loss=loss, stratum=name) for name, losses in places for loss in losses)]


def _possible(basis: JSON) -> dict[str, float]:
    """The shares that were seen, moved as little as needed for every scenario to be possible."""
    flips = float(np.clip(basis["flip_rate"], 0.005, 0.5))
    return {"flip_rate": flips, "accuracy": float(np.clip(basis["accuracy"], flips / 2 + 0.21, 1 - flips / 2))}
