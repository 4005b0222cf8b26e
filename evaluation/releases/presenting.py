"""What the release pages show: rows and judgements turned into the plain values that templates print."""

from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from evaluation.releases.documents import read_policy
from evaluation.releases.models import PolicyVersion, Release
from evaluation.releases.queries import before_it_can_be_signed, facts_of
from evaluation.releases.sentences import check_sentence, summary, verdict_sentence
from evaluation.releases.signing import Item, statement, why_not
from evaluation.releases.simulating import simulated
from evaluation.runs.charts import Figure, ForestRow, forest
from evaluation.runs.figures import figures_of, stratum_name
from evaluation.runs.flips import cards
from evaluation.runs.models import Run
from evaluation.runs.presenting import metric_name
from evaluation.runs.reports import evidence_of, report_of
from hardcases.web import formatting

JSON = dict[str, Any]
SHOWN_FLIPS = 8
STARTING_POLICY = """\
slug: careful
checks:
  - name: Overall
    kind: no_regression
    metric: accuracy
    stratum: all
    margin: 0.02
  - name: No stratum is proven worse
    kind: no_proven_loss
    metric: accuracy
    stratum: "stratum:*"
    eps: 0.03
    role: guard
  - name: Score sanity
    kind: sanity
  - name: Coverage
    kind: coverage
"""
_WORST_FIRST = ("error", "fail", "not_enough_evidence", "not_run", "waived", "pass")
ROLES = {"gating": gettext_noop("must pass"), "guard": gettext_noop("must not fail"), "watch": gettext_noop("informs")}
IF_TOO_FEW = {
    "block": gettext_noop("not ready to sign"),
    "accept": gettext_noop("a release manager accepts it in writing"),
    "inform": gettext_noop("informs"),
}
_OPEN = {
    "policy_approved": gettext_noop("the policy is not approved"),
    "run": gettext_noop("no run has finished"),
    "check_failed": gettext_noop("a check has failed"),
    "too_few": gettext_noop("a check has too few cases"),
    "signature": gettext_noop("the signature is missing"),
}
_LIMITS = {
    "no_regression": gettext_noop("not worse than %(margin)s points, one-sided %(level)s"),
    "no_proven_loss": gettext_noop("no loss of %(eps)s points or more proven, one-sided %(level)s over the whole family"),
    "floor": gettext_noop("at least %(floor)s, one-sided %(level)s"),
    "sanity": gettext_noop("scores finite, in range, neither rounded nor constant"),
    "coverage": gettext_noop("at least %(floor)s of the cases answered"),
}


def line(release: Release) -> JSON:
    """A release in the list."""
    url = reverse("release-page", args=[release.project.slug, release.number])
    return {"release": release, "url": url, "code": _chip(release), "sentence": verdict_sentence(release.judgement)}


def page(release: Release, *, stratum: str | None) -> JSON:
    """Everything on the sign-off page. `stratum` chooses whose newly wrong cases are shown; by default those of the worst."""
    judgement = release.judgement
    worst = stratum or _worst_stratum(judgement)
    missing = before_it_can_be_signed(release)
    context: JSON = {
        "release": release,
        "chip": _chip(release),
        "chip_label": _readiness(release),
        "still": _still(missing),
        "levels": _levels(release),
        "sentence": verdict_sentence(judgement),
        "summary": summary(judgement),
        "checks": sorted(
            (_check_row(release, item) for item in judgement.get("checks", [])), key=lambda row: _WORST_FIRST.index(row["result"])
        ),
        "missing": missing,
        "signatures": list(release.sign_offs.order_by("id")),
        "acceptances": list(release.acceptances.order_by("id")),
        "run_url": reverse("run-page", args=[release.project.slug, release.run.number]) if release.run else None,
        "version_url": reverse(
            "version-page", args=[release.project.slug, release.test_set_version.test_set.slug, release.test_set_version.number]
        ),
    }
    if release.run is None or release.run.state != "succeeded":
        return context
    report = report_of(release.run)
    flips = {item["stratum"]: item for item in report["flips"]["strata"]} if report["flips"] else {}
    return context | {
        "forest": _forest(release, report),
        "seeds": figures_of(release.run).get("seeds"),
        "flips": flips.get(worst),
        "flips_stratum": stratum_name(worst),
        "flips_url": _flips_url(release, worst),
        "cards": cards(release.run, outcome="newly_wrong", stratum=worst, limit=SHOWN_FLIPS),
    }


def check(release: Release, name: str) -> JSON | None:
    """One check of the judgement with its sentence."""
    found = next((item for item in release.judgement.get("checks", []) if item["name"] == name), None)
    return None if found is None else _check_row(release, found)


def signing(release: Release, person: str) -> JSON:
    """What the sign page says before the form."""
    facts, judgement = facts_of(release), release.judgement
    words = (str(release), str(release.candidate), str(release.baseline), str(release.test_set_version), str(release.policy_version))
    digest = f"sha256:{release.evidence_digest}"
    return {
        "release": release,
        "chip": _chip(release),
        "sentence": verdict_sentence(judgement),
        "approval": statement(*words, digest, judgement, "approve"),
        "rejection": statement(*words, digest, judgement, "reject"),
        "refused": why_not(facts, person),
        "missing": [item for item in before_it_can_be_signed(release) if item.state == "open"],
        "flips_url": _flips_url(release, "all") if release.run else None,
    }


def policy(version: PolicyVersion) -> JSON:
    """A policy version in words."""
    spec = read_policy(version.document)
    rows = [
        {
            "check": item,
            "role": _(ROLES[item.role]),
            "if_too_few": _(IF_TOO_FEW[item.if_too_few]) if item.metric else "",
            "min_n": item.min_n if item.metric else None,
            "metric": metric_name(item.metric) if item.metric else "",
            "strata": ", ".join(_stratum_words(name) for name in item.strata) if item.metric else "",
            "limit": _(_LIMITS[item.kind])
            % {
                "margin": formatting.decimals(item.margin, 1, shift=2),
                "eps": formatting.decimals(item.eps, 1, shift=2),
                "floor": formatting.percent(item.floor),
                "level": formatting.percent(1 - item.alpha, 0),
            },
        }
        for item in spec.checks
    ]
    return {"version": version, "spec": spec, "rows": rows}


def simulation(version: PolicyVersion, run: Run) -> JSON:
    """What the policy would do on the run's cases, in words."""
    found = _simulated(version.pk, run.pk)
    rows = None if found["rows"] is None else [_simulated_row(row) for row in found["rows"]]
    return found | {"rows": rows, "assumed": ", ".join(found["assumed"])}


@lru_cache(maxsize=16)
def _simulated(version_id: int, run_id: int) -> JSON:
    """Remembered: neither the policy version nor the run's evidence changes any more."""
    run = Run.objects.select_related("test_set_version", "baseline_run").get(pk=run_id)
    policy = read_policy(PolicyVersion.objects.get(pk=version_id).document)
    return simulated(policy, evidence_of(run), report_of(run)["flips"])


def _simulated_row(row: JSON) -> JSON:
    scenario = row["scenario"]
    words = {"points": formatting.decimals(scenario["loss"], 0, shift=2), "stratum": stratum_name(scenario["stratum"])}
    if not scenario["loss"]:
        said = _("equal to the baseline")
    elif scenario["stratum"] == "all":
        said = _("worse by %(points)s points everywhere") % words
    else:
        said = _("worse by %(points)s points on %(stratum)s only") % words
    columns = {"passed": _("Passed"), "failed": _("Failed"), "not_enough": _("Too few cases")}
    cells = [
        {
            "column": column,
            "value": formatting.percent(share["value"]),
            "interval": formatting.percent_interval(share["low"], share["high"]),
        }
        for share, column in ((row[name], column) for name, column in columns.items())
    ]
    return {"scenario": said, "cells": cells}


def _stratum_words(pattern: str) -> str:
    """A stratum of a policy, which may be a pattern: `stratum:*` are all named ones."""
    field, star, rest = pattern.partition("*")
    if not star or rest:
        return stratum_name(pattern)
    return _("every named stratum") if field == "stratum:" else _("every stratum of %(field)s") % {"field": field.rstrip("=")}


def _readiness(release: Release) -> str:
    """The word of the page's chip while the release is open; a verdict that is neither passed nor failed speaks for itself."""
    words = {"pass": _("Checks passed"), "fail": _("Not ready to sign")}
    return words.get(release.verdict, "") if release.state == "open" else ""


def _still(missing: list[Item]) -> str:
    """What stands between the release and its signature, in a few words."""
    codes = list(dict.fromkeys(item.code for item in missing if item.state != "done"))
    return ", ".join(_(_OPEN[code]) for code in codes)


def _levels(release: Release) -> str:
    """The levels of the intervals in the sentences: checks are one-sided, so that their intervals are narrower than 95 %."""
    spec = read_policy(release.policy_version.document)
    return ", ".join(formatting.percent(1 - 2 * alpha, 0) for alpha in sorted({item.alpha for item in spec.checks if item.metric}))


def _chip(release: Release) -> str:
    return release.state if release.state != "open" else release.verdict


def _check_row(release: Release, item: JSON) -> JSON:
    stratum = item["decided_by"] or "all"
    accept_url = None
    if item["result"] == "not_enough_evidence" and item["if_too_few"] == "accept" and release.state == "open":
        address = reverse("release-accept", args=[release.project.slug, release.number])
        accept_url = f"{address}?{urlencode({'check': item['name']})}"
    url = _flips_url(release, stratum) if release.run and item["kind"] in {"no_regression", "no_proven_loss"} else None
    return item | {"sentence": check_sentence(item), "url": url, "accept_url": accept_url, "role_words": _(ROLES[item["role"]])}


def _flips_url(release: Release, stratum: str) -> str | None:
    if release.run is None:
        return None
    address = reverse("run-flips", args=[release.project.slug, release.run.number])
    return f"{address}?{urlencode({'outcome': 'newly_wrong', 'stratum': stratum})}"


def _family(judgement: JSON) -> JSON | None:
    """The check whose strata the forest plot shows: the one over the most strata."""
    compared = [item for item in judgement.get("checks", []) if item["kind"] in {"no_regression", "no_proven_loss"} and item["strata"]]
    return max(compared, key=lambda item: len(item["strata"]), default=None)


def _worst_stratum(judgement: JSON) -> str:
    family = _family(judgement)
    if family is None:
        return "all"
    verdicts = [item for item in family["strata"] if item["estimate"] is not None]
    worst = min(
        verdicts,
        key=lambda item: (item["result"] != "fail", item["p_holm"] if item["p_holm"] is not None else 2.0, item["estimate"]),
        default=None,
    )
    return worst["stratum"] if worst else "all"


def _forest(release: Release, report: JSON) -> Figure | None:
    """Change per stratum with the report's 95 % intervals; the tick is the check's own one-sided bound."""
    family = _family(release.judgement)
    if family is None:
        return None
    metric = family["metric"]
    changes = {item["stratum"]: (item.get("artefact") or item)["difference"] for item in report["metrics"] if item["metric"] == metric}
    overall = [
        item
        for other in release.judgement["checks"]
        if other["kind"] == "no_regression"
        for item in other["strata"]
        if item["stratum"] == "all"
    ]
    rows = []
    for verdict in [*overall[:1], *(item for item in family["strata"] if item["stratum"] != "all")]:
        change = changes.get(verdict["stratum"]) or {}
        rows.append(
            ForestRow(
                label=stratum_name(verdict["stratum"]),
                n=verdict["n"],
                value=change.get("value"),
                low=change.get("low"),
                high=change.get("high"),
                result=verdict["result"],
                url=_flips_url(release, verdict["stratum"]),
                bound=verdict["low"],
                overall=verdict["stratum"] == "all",
            )
        )
    margin = next((item["margin"] for item in release.judgement["checks"] if item["kind"] == "no_regression"), None)
    title = _("Change of %(metric)s per stratum, candidate minus baseline") % {"metric": metric}
    return forest(rows, title=title, allowed_loss=margin)
