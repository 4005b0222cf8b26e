"""What the pages of a run show: the stored report as sentences, rows and links. Nothing is computed here that the report does not say."""

from collections.abc import Iterable
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from evaluation.engine.metrics import DEFINITIONS
from evaluation.runs import steps
from evaluation.runs.cautions import caution_of
from evaluation.runs.figures import figures_of, flips_url, is_drawn, stratum_name
from evaluation.runs.findings import diagnosis_sentence, finding_cure, finding_sentence
from evaluation.runs.flips import cards
from evaluation.runs.material import FAILURES
from evaluation.runs.models import Run
from evaluation.runs.queries import outcomes_of
from evaluation.runs.reports import report_of
from hardcases.web import formatting

JSON = dict[str, Any]
HEADLINES = (
    "accuracy",
    "sensitivity",
    "specificity",
    "ppv",
    "npv",
    "balanced_accuracy",
    "f1",
    "macro_f1",
    "roc_auc",
    "macro_roc_auc",
    "average_precision",
    "macro_average_precision",
    "mcc",
    "ece",
)
LOSSES = {"log_loss", "brier"}  # no shares of a hundred: written as plain numbers
NAMES = {
    "accuracy": gettext_noop("Accuracy"),
    "balanced_accuracy": gettext_noop("Balanced accuracy"),
    "sensitivity": gettext_noop("Sensitivity"),
    "specificity": gettext_noop("Specificity"),
    "ppv": gettext_noop("Positive predictive value"),
    "npv": gettext_noop("Negative predictive value"),
    "f1": gettext_noop("F1"),
    "macro_f1": gettext_noop("F1, mean over classes"),
    "roc_auc": gettext_noop("ROC AUC"),
    "macro_roc_auc": gettext_noop("ROC AUC, mean over classes"),
    "mcc": gettext_noop("Matthews correlation"),
    "false_positive_rate": gettext_noop("False positive rate"),
    "false_negative_rate": gettext_noop("False negative rate"),
    "micro_f1": gettext_noop("F1 over all cases"),
    "weighted_f1": gettext_noop("F1, classes weighted by cases"),
    "macro_sensitivity": gettext_noop("Sensitivity, mean over classes"),
    "macro_specificity": gettext_noop("Specificity, mean over classes"),
    "macro_ppv": gettext_noop("Positive predictive value, mean over classes"),
    "macro_npv": gettext_noop("Negative predictive value, mean over classes"),
    "partial_roc_auc": gettext_noop("ROC AUC up to 10% false positives"),
    "average_precision": gettext_noop("Average precision"),
    "macro_average_precision": gettext_noop("Average precision, mean over classes"),
    "top_2_accuracy": gettext_noop("Right class among the first two"),
    "top_5_accuracy": gettext_noop("Right class among the first five"),
    "log_loss": gettext_noop("Log loss"),
    "brier": gettext_noop("Brier score"),
    "ece": gettext_noop("Calibration error"),
    "ece_debiased": gettext_noop("Calibration error, less chance"),
}
OUTCOMES = {
    "newly_wrong": gettext_noop("Newly wrong"),
    "newly_right": gettext_noop("Newly right"),
    "both_wrong": gettext_noop("Wrong in both"),
    "both_right": gettext_noop("Right in both"),
    "wrong": gettext_noop("Wrong"),
    "right": gettext_noop("Right"),
    "missing": gettext_noop("No answer"),
}
WORST = 3
SHOWN = 12


def outcome_tabs(run: Run, current: str, stratum: str) -> list[JSON]:
    """The cells of the comparison as tabs."""
    return [{"label": _(OUTCOMES[name]), "url": flips_url(run, stratum, name), "current": name == current} for name in outcomes_of(run)]


def progress(run: Run) -> JSON:
    """What the progress fragment says."""
    counts = steps.progress(run)
    return {
        "run": run,
        "counts": counts,
        "percent": counts["done"] * 100 // counts["total"] if counts["total"] else 100,
        "waiting_for": steps.waiting_for(run),
        "baseline_url": _page(run.baseline_run) if run.baseline_run else None,
    }


def report_page(run: Run, *, metric: str = "accuracy") -> JSON:
    """The report at the run's address."""
    report = report_of(run)
    strata = [item for item in report["metrics"] if item["metric"] == metric]
    flips = {item["stratum"]: item for item in report["flips"]["strata"]} if report["flips"] else {}
    rows = _strata(run, strata, flips)
    return {
        "run": run,
        "report": report,
        "sentences": sentences(run, report),
        "headlines": _headlines(report),
        "metric": metric,
        "metric_name": metric_name(metric),
        "metrics": [{"id": name, "name": metric_name(name), "current": name == metric} for name in _metric_ids(report)],
        "strata": rows,
        "strata_groups": _groups(rows),
        "plain": metric.partition("[")[0] in LOSSES,
        "production": _production(run, report, metric),
        "figures": figures_of(run),
        "disagreeing": _disagreeing(report),
        "sanity": [item | {"sentence": f"{finding_sentence(item)} {finding_cure(item)}"} for item in report["sanity"]],
        "autopsy": _explanations(report),
        "missing": _missing(report),
        "missing_url": flips_url(run, "all", "missing"),
        "outcome": outcomes_of(run)[0],
        "outcome_name": _(OUTCOMES[outcomes_of(run)[0]]),
        "cards": cards(run, outcome=outcomes_of(run)[0], limit=SHOWN),
        "cards_url": flips_url(run, "all", outcomes_of(run)[0]),
        "baseline_url": _page(run.baseline_run) if run.baseline_run else None,
    }


def metric_name(metric: str) -> str:
    """The word for a metric id; `sensitivity[nodule]` keeps its class."""
    name, bracket, rest = metric.partition("[")
    return f"{_(NAMES.get(name, name))}{bracket}{rest}"


def sentences(run: Run, report: JSON) -> list[JSON]:
    """What changed, the worst stratum first; a run judges nothing. Changes are replicate 0's, as checks see them."""
    if not report["flips"]:
        return [{"text": _overall_alone(report), "url": None}]
    flips = {item["stratum"]: item for item in report["flips"]["strata"]}
    changed = [(item, (item.get("artefact") or item)["difference"]) for item in report["metrics"] if item["metric"] == "accuracy"]
    worse = [(item, gap) for item, gap in changed if gap and gap["high"] is not None and gap["high"] < 0 and item["stratum"] != "all"]
    # Of strata that hold the same cases, a named one speaks.
    worse.sort(key=lambda pair: (pair[1]["low"], not pair[0]["stratum"].startswith("stratum:"), pair[0]["stratum"]))
    seen: set[tuple[float, ...]] = set()
    said: list[JSON] = []
    for item, gap in worse:
        counts = flips[item["stratum"]]
        same = (gap["value"], gap["low"], counts["n"], counts["newly_wrong"], counts["newly_right"])
        if same not in seen and len(said) < WORST:
            said.append(_changed(run, item, gap, counts))
        seen.add(same)
    if not said:
        said = [{"text": _("In no stratum does the 95% interval of the change lie below zero."), "url": None}]
    overall = [_changed(run, item, gap, flips["all"]) for item, gap in changed if gap and item["stratum"] == "all"]
    return said + overall


def _changed(run: Run, entry: JSON, gap: JSON, flips: JSON) -> JSON:
    words = {
        "stratum": stratum_name(entry["stratum"]),
        "points": formatting.points(gap["value"]),
        "interval": formatting.interval(gap["low"], gap["high"]),
        "wrong": formatting.count(flips["newly_wrong"]),
        "right": formatting.count(flips["newly_right"]),
        "n": formatting.count(flips["n"]),
    }
    text = _("Accuracy on %(stratum)s: %(points)s points %(interval)s; %(wrong)s newly wrong and %(right)s newly right of %(n)s cases.")
    if gap["high"] is not None and gap["high"] < 0:
        text = _(
            "Worse on %(stratum)s: %(points)s points of accuracy %(interval)s; %(wrong)s newly wrong and %(right)s newly right of %(n)s cases."
        )
    return {"text": text % words, "url": flips_url(run, entry["stratum"]), "stratum": words["stratum"]}


def _overall_alone(report: JSON) -> str:
    found = next(item for item in report["metrics"] if item["metric"] == "accuracy" and item["stratum"] == "all")
    words = {
        "value": formatting.percent(found["value"]),
        "interval": formatting.percent_interval(found["low"], found["high"]),
        "n": formatting.count(found["n"]),
    }
    return _("Accuracy is %(value)s %(interval)s on %(n)s cases. No baseline was named, so nothing is compared.") % words


def _metric_ids(report: JSON) -> list[str]:
    return [item["metric"] for item in report["metrics"] if item["stratum"] == "all"]


def _headlines(report: JSON) -> list[JSON]:
    overall = {item["metric"]: item for item in report["metrics"] if item["stratum"] == "all"}
    return [_row(overall[name]) | {"name": metric_name(name)} for name in HEADLINES if name in overall]


def _row(entry: JSON) -> JSON:
    nothing = {"value": None, "low": None, "high": None}
    return entry | {"baseline": entry["baseline"] or nothing, "difference": entry["difference"] or nothing, "caution": caution_of(entry)}


def _strata(run: Run, entries: Iterable[JSON], flips: dict[str, JSON]) -> list[JSON]:
    first = outcomes_of(run)[0]
    rows = [
        _row(entry)
        | {
            "name": stratum_name(entry["stratum"]),
            "url": flips_url(run, entry["stratum"], first),
            "right_url": flips_url(run, entry["stratum"], "newly_right"),
            "flips": flips.get(entry["stratum"]),
        }
        for entry in entries
    ]
    return sorted(rows, key=_worst_first)


def _higher_is_better(metric: str) -> bool:
    """As the engine defines it."""
    definition = DEFINITIONS.get(metric.partition("[")[0])
    return definition is None or definition.higher_is_better


def _groups(rows: list[JSON]) -> list[JSON]:
    """All cases, the strata that people named, then the values of each field; in each group the worst stays first."""
    found: dict[str, list[JSON]] = {}
    for row in rows:
        stratum = row["stratum"]
        field = "all" if stratum == "all" else "stratum" if stratum.startswith("stratum:") else stratum.partition("=")[0]
        found.setdefault(field, []).append(row)
    first = {"all": 0, "stratum": 1, "class": 2}
    words = {"all": "", "stratum": _("Named strata"), "class": _("Classes")}
    ordered = sorted(found, key=lambda field: (first.get(field, 3), field))
    return [{"title": words.get(field, field), "rows": found[field]} for field in ordered]


def _worst_first(row: JSON) -> tuple[bool, bool, float, str]:
    """All cases on top, then by the worse end of the change (without a baseline: of the value), undefined last."""
    higher = _higher_is_better(row["metric"])
    end = (row["difference"] if row["flips"] else row).get("low" if higher else "high")
    return row["stratum"] != "all", end is None, 0.0 if end is None else end if higher else -end, row["stratum"]


def _production(run: Run, report: JSON, metric: str) -> JSON | None:
    """The shares weighed back to production: all of them over all cases, then one in every stratum. Older reports have none."""
    stored: JSON | None = report.get("production")
    if stored is None:
        return None
    rows = [
        entry
        | {
            "name": metric_name(entry["metric"]) if entry["stratum"] == "all" else stratum_name(entry["stratum"]),
            "effective": formatting.number(entry["n_effective"], 0),
            "url": flips_url(run, entry["stratum"], outcomes_of(run)[0]),
        }
        for entry in stored["entries"]
    ]
    shown = metric if any(row["metric"] == metric for row in rows) else "accuracy"
    overall, *groups = _groups([row for row in rows if row["stratum"] == "all"]) + _groups(
        sorted((row for row in rows if row["stratum"] != "all" and row["metric"] == shown), key=_lowest_first)
    )
    return stored | {"overall": overall["rows"][0], "groups": [overall, *groups], "metric_name": metric_name(shown), "cases": run.cases}


def _lowest_first(row: JSON) -> tuple[bool, float, str]:
    return row["value"] is None, row["value"] or 0.0, row["stratum"]


def _disagreeing(report: JSON) -> list[JSON]:
    """All cases, then the strata in which the seeds spread most."""
    known = [row for row in report["replicates"]["strata"] if row["sd"] is not None]
    named = any(row["stratum"].startswith("stratum:") for row in known)
    rows = [row | {"name": stratum_name(row["stratum"])} for row in known if is_drawn(row["stratum"], named=named)]
    rows.sort(key=lambda row: (row["stratum"] != "all", -row["sd"], row["stratum"]))
    return rows[: SHOWN + 1]


def _explanations(report: JSON) -> list[str]:
    """Faults that can be undone, as sentences: those that cannot stand among the findings. Older reports have none."""
    return [diagnosis_sentence(item, metric_name(item["metric"])) for item in report.get("autopsy") or () if item["restored"] is not None]


def _missing(report: JSON) -> JSON | None:
    missing: JSON = report["coverage"]["missing"]
    if not missing["count"]:
        return None
    reasons = [
        {"sentence": _(FAILURES.get(code, "The prediction is missing.")), "count": n} for code, n in sorted(missing["reasons"].items())
    ]
    return missing | {"reasons": reasons}


def _page(run: Run) -> str:
    return reverse("run-page", args=[run.project.slug, run.number])
