"""From codes and numbers to sentences, whole ones, so that they can be translated. A judgement is stored as codes; a reader gets sentences in their language."""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from evaluation.runs.figures import stratum_name
from evaluation.runs.findings import finding_sentence
from hardcases.web import formatting

JSON = dict[str, Any]
LISTED = 3


def _cases(n: int) -> str:
    return ngettext("%(n)s case", "%(n)s cases", n) % {"n": formatting.count(n)}


def _numbers(verdict: JSON) -> dict[str, str]:
    return {
        "stratum": stratum_name(verdict["stratum"]),
        "value": formatting.points(verdict["estimate"]),
        "interval": formatting.interval(verdict["low"], verdict["high"]),
        "share": formatting.percent(verdict["estimate"]),
        "share_interval": formatting.percent_interval(verdict["low"], verdict["high"]),
        "cases": _cases(verdict["n"]),
        "needed": formatting.count(verdict["n_needed"]) if verdict.get("n_needed") else "",
        "loss": formatting.decimals(verdict["detectable_loss"], 1, shift=2) if verdict.get("detectable_loss") else "",
        "minimum": formatting.count(verdict["min_n"]) if verdict.get("min_n") else "",
    }


def check_sentence(check: JSON) -> str:
    """One sentence about one check, worst finding first."""
    kind, result = check["kind"], check["result"]
    if result == "not_run":
        return _("Not run: %(reason)s") % {"reason": check.get("reason") or _("there is no finished run to judge.")}
    if kind == "coverage":
        return _coverage(check)
    if kind == "sanity":
        return _sanity(check)
    if result == "error":
        return _error(check)
    writers = {"no_regression": _no_regression, "no_proven_loss": _no_proven_loss, "floor": _floor}
    return writers[kind](check) + _accepted(check)


def _deciding(check: JSON) -> JSON:
    found: JSON = next(item for item in check["strata"] if item["stratum"] == check["decided_by"])
    return found


def _no_regression(check: JSON) -> str:
    worst = _deciding(check) if check["decided_by"] else check["strata"][0]
    words = _numbers(worst) | {"margin": formatting.decimals(check["margin"], 1, shift=2), "metric": check["metric"]}
    if check["result"] == "fail":
        return _("Worse on %(stratum)s: %(value)s points of %(metric)s %(interval)s, %(cases)s; the policy allows −%(margin)s.") % words
    if check["result"] == "pass":
        return _("No worse on %(stratum)s: %(value)s points of %(metric)s %(interval)s, %(cases)s; the policy allows −%(margin)s.") % words
    return _too_few(worst, words)


def _too_few(verdict: JSON, words: dict[str, str]) -> str:
    if verdict["reason"] in {"undefined", "no_cases"}:
        return _("Cannot tell on %(stratum)s: the metric is not defined there (%(cases)s).") % words
    if verdict["reason"] == "too_few_clusters":
        words["clusters"] = formatting.count(verdict["clusters"] or 0)
        return _("Cannot tell on %(stratum)s: %(cases)s come from only %(clusters)s clusters, too few to know how they vary.") % words
    if words["needed"]:
        return _("Cannot tell on %(stratum)s: %(value)s points %(interval)s, %(cases)s are too few. About %(needed)s would do.") % words
    return _("Cannot tell on %(stratum)s: %(cases)s are too few, and no reachable number would do.") % words


def _no_proven_loss(check: JSON) -> str:
    failed = [item for item in check["strata"] if item["result"] == "fail"]
    if failed:
        worst = _deciding(check)
        words = _numbers(worst) | {"metric": check["metric"]}
        sentence = _("Worse on %(stratum)s: %(value)s points of %(metric)s %(interval)s, %(cases)s.") % words
        others = [stratum_name(item["stratum"]) for item in failed if item["stratum"] != worst["stratum"]]
        if others:
            sentence += " " + _("A loss is also proven on %(others)s.") % {"others": _list(others)}
        return sentence
    judged = [item for item in check["strata"] if item["result"] == "pass"]
    if not judged:
        return _too_few(check["strata"][0], _numbers(check["strata"][0]))
    worst = min(judged, key=lambda item: (item["p_holm"] if item["p_holm"] is not None else 2.0, item["estimate"]))
    words = _numbers(worst) | {"strata": formatting.count(len(judged))}
    sentence = ngettext("No loss proven in %(strata)s stratum.", "No loss proven in any of %(strata)s strata.", len(judged)) % words
    if words["loss"]:
        sentence += (
            " "
            + _("Nearest: %(stratum)s, %(value)s points %(interval)s; with %(cases)s a loss of %(loss)s points would have been seen.")
            % words
        )
    return sentence


def _floor(check: JSON) -> str:
    worst = _deciding(check) if check["decided_by"] else check["strata"][0]
    words = _numbers(worst) | {"floor": formatting.percent(check["floor"]), "metric": check["metric"]}
    if check["result"] == "fail":
        return (
            _("Below the floor on %(stratum)s: %(metric)s %(share)s %(share_interval)s, %(cases)s; the policy asks for %(floor)s.") % words
        )
    if check["result"] == "pass":
        return (
            _("Above the floor on %(stratum)s: %(metric)s %(share)s %(share_interval)s, %(cases)s; the policy asks for %(floor)s.") % words
        )
    return _too_few(worst, words)


def _coverage(check: JSON) -> str:
    verdict = check["strata"][0]
    answered, expected = verdict["n"], verdict["n_needed"] or 0
    words = {
        "answered": formatting.count(answered),
        "expected": formatting.count(expected),
        "missing": formatting.count(expected - answered),
    }
    if answered == expected:
        return _("Every one of %(expected)s cases has an answer.") % words
    return _("%(answered)s of %(expected)s cases have an answer; the %(missing)s others count as wrong and are listed.") % words


def _sanity(check: JSON) -> str:
    serious = [finding for finding in check["findings"] if finding["severity"] == "error"]
    if serious:
        return _("This run's numbers cannot be trusted: %(finding)s") % {"finding": finding_sentence(serious[0])}
    if check["findings"]:
        return _("Nothing that forbids trust. To note: %(finding)s") % {"finding": finding_sentence(check["findings"][0])}
    return _("Scores are finite, within range, neither rounded nor constant.")


def _error(check: JSON) -> str:
    if check.get("reason"):
        return _("This check could not be computed: %(reason)s") % {"reason": check["reason"]}
    stratum = stratum_name(check["decided_by"] or "all")
    return _("This check could not be computed on %(stratum)s: some answers are not finite numbers.") % {"stratum": stratum}


def _accepted(check: JSON) -> str:
    if not check["accepted"]:
        return ""
    return " " + _("Too few cases on %(strata)s, accepted in writing.") % {
        "strata": _list([stratum_name(name) for name in check["accepted"]])
    }


def _list(names: list[str]) -> str:
    if len(names) > LISTED:
        more = len(names) - LISTED
        return _("%(names)s and %(more)s more") % {"names": ", ".join(names[:LISTED]), "more": formatting.count(more)}
    return _(" and ").join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]


def verdict_sentence(judgement: JSON) -> str:
    """The sentence at the head of the page: of the check that decided the verdict, with a claim for the strata that passed only."""
    verdict = judgement.get("verdict", "not_run")
    checks = [check for check in judgement.get("checks", []) if check["role"] != "watch"]
    for result in ("error", "fail", "not_run", "not_enough_evidence"):
        found = [check for check in checks if check["result"] == result and (result != "not_enough_evidence" or check["role"] == "gating")]
        if found:
            return check_sentence(found[0])
    if verdict == "pass":
        return check_sentence(next(check for check in checks if check["role"] == "gating"))
    return _("There is nothing to judge yet.")


def summary(judgement: JSON) -> str:
    """How the other checks came out, in one line."""
    words = {
        "pass": _("%(n)d passed"),
        "fail": _("%(n)d failed"),
        "not_enough_evidence": _("%(n)d cannot be decided"),
        "error": _("%(n)d could not be computed"),
        "not_run": _("%(n)d not run"),
        "waived": _("%(n)d waived"),
    }
    results = [check["result"] for check in judgement.get("checks", [])]
    return " · ".join(text % {"n": results.count(code)} for code, text in words.items() if code in results)
