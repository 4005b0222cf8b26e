"""A policy's checks against the stored predictions of a run: codes and numbers, equal for equal evidence. No rows are written here."""

from collections.abc import Callable
from dataclasses import asdict, replace
from functools import lru_cache, partial
from typing import Any

import numpy as np

from evaluation.engine import gates
from evaluation.engine.arrays import BadInput
from evaluation.engine.gates import Check, CheckResult, Result, StratumEvidence
from evaluation.engine.gather import gather
from evaluation.engine.sanity import Finding
from evaluation.engine.strata import Stratum
from evaluation.releases.documents import CheckSpec, PolicySpec, chosen
from evaluation.runs.reports import Evidence

JSON = dict[str, Any]


def _by_stratum(evidence: Evidence, metric: str) -> dict[str, StratumEvidence]:
    """What the strata say about one metric. Raises BadInput for a metric that the project does not have."""
    everything = Stratum("all", np.ones(evidence.comparison.cases, dtype=np.bool_))
    found = gather(evidence.comparison, metric, [everything, *evidence.strata], seed=evidence.seed)
    return {item.stratum: replace(item, min_n=evidence.minimums.get(item.stratum, 0)) for item in found}


def judge(policy: PolicySpec, evidence: Evidence, *, accepted: dict[str, list[str]]) -> JSON:
    """Judge every check of the policy. `accepted`: check name → strata that a person accepted as too few."""
    of_metric = lru_cache(maxsize=None)(partial(_by_stratum, evidence))
    checks = []
    for spec in policy.checks:
        if spec.kind == "coverage":
            outcome = gates.coverage(
                check_of(spec, policy), expected=evidence.comparison.cases, answered=evidence.answered, least=spec.floor
            )
            checks.append(_written(spec, outcome))
        elif spec.kind == "sanity":
            findings = [
                Finding(code=item["code"], severity=item["severity"], numbers=item["numbers"])
                for item in evidence.sanity
                if item["side"] == "candidate" and item["replicate"] == 0
            ]
            checks.append(_written(spec, gates.sane(check_of(spec, policy), findings)))
        else:
            checks.append(_over_strata(spec, policy, evidence, of_metric, accepted.get(spec.name, [])))
    verdict = gates.overall([(check["role"], Result(check["result"])) for check in checks])
    return {"verdict": verdict.value, "checks": checks}


def check_of(spec: CheckSpec, policy: PolicySpec) -> Check:
    """The engine's check, with what the policy says for all of them."""
    return Check(
        name=spec.name,
        kind=spec.kind,
        role=spec.role,
        alpha=spec.alpha,
        margin=spec.margin,
        eps=spec.eps,
        floor=spec.floor,
        min_n=spec.min_n,
        min_clusters=policy.min_clusters,
        if_too_few=spec.if_too_few,
    )


def _over_strata(
    spec: CheckSpec, policy: PolicySpec, evidence: Evidence, of_metric: Callable[[str], dict[str, StratumEvidence]], accepted: list[str]
) -> JSON:
    wanted, unmatched = chosen(spec.strata, evidence.names)
    if unmatched or not wanted:
        reason = f"the policy names strata that this version does not report: {', '.join(unmatched) or ', '.join(spec.strata)}."
        return _refused(spec, Result.ERROR, reason)
    if not evidence.comparison.baseline and spec.kind != "floor":
        return _refused(spec, Result.NOT_RUN, "the run has no baseline to compare with.")
    try:
        found = of_metric(spec.metric or "accuracy")
    except BadInput:
        return _refused(spec, Result.ERROR, f"this project reports no metric {spec.metric}.")
    return _written(spec, gates.judge(check_of(spec, policy), [found[name] for name in wanted], accepted=accepted))


def _refused(spec: CheckSpec, result: Result, reason: str) -> JSON:
    empty = CheckResult(name=spec.name, kind=spec.kind, role=spec.role, result=result, strata=())
    return _written(spec, empty) | {"reason": reason}


def not_run(policy: PolicySpec, reason: str) -> JSON:
    """The judgement while there is no finished run."""
    return {"verdict": Result.NOT_RUN.value, "checks": [_refused(spec, Result.NOT_RUN, reason) for spec in policy.checks]}


def _written(spec: CheckSpec, outcome: CheckResult) -> JSON:
    """As plain JSON, with the limits of the policy beside the result."""
    return {
        "name": outcome.name,
        "kind": outcome.kind,
        "role": outcome.role,
        "metric": spec.metric,
        "result": outcome.result.value,
        "decided_by": outcome.decided_by,
        "accepted": list(outcome.accepted),
        "if_too_few": spec.if_too_few,
        "alpha": spec.alpha,
        "margin": spec.margin,
        "eps": spec.eps,
        "floor": spec.floor,
        "strata": [asdict(verdict) | {"result": verdict.result.value} for verdict in outcome.strata],
        "findings": [asdict(finding) for finding in outcome.findings],
        "n": outcome.n,
        "n_needed": outcome.n_needed,
        "waiver": None,
    }
