"""The charts of a report: change per stratum and spread over seeds, drawn once and kept beside the report, outside its digest."""

from dataclasses import asdict
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse
from django.utils.translation import gettext as _

from evaluation.runs.charts import Figure, ForestRow, SeedSeries, forest, seeds
from evaluation.runs.models import Run
from hardcases.blobs.store import get_store
from hardcases.web.json_edge import read_json, stable

HEADLINE = "accuracy"
MAX_FIGURES = 20_000_000
LEAST_FOR_SD = 3


def flips_url(run: Run, stratum: str, outcome: str = "newly_wrong") -> str:
    """The gallery of one cell of the flip table, as a path within the site."""
    query = urlencode({"outcome": outcome, "stratum": stratum})
    return f"{reverse('run-flips', args=[run.project.slug, run.number])}?{query}"


def stratum_name(stratum: str) -> str:
    """A stratum's id for people: `all` is all cases, `stratum:grey-paper` is grey paper, `class=7` stays as it is."""
    if stratum == "all":
        return _("all cases")
    return stratum.removeprefix("stratum:").replace("-", " ") if stratum.startswith("stratum:") else stratum


def is_drawn(stratum: str, *, named: bool) -> bool:
    """Where people named strata, the values of the attributes behind them would draw the same cases twice; the table holds them."""
    return not named or stratum == "all" or stratum.startswith(("stratum:", "class="))


def draw(run: Run, report: dict[str, Any]) -> dict[str, Any]:
    """Both figures as plain values; a report without a baseline has no forest, one without several replicates no seeds."""
    rows = [entry for entry in report["metrics"] if entry["metric"] == HEADLINE]
    drawn = {}
    if report["baseline"]:
        named = any(entry["stratum"].startswith("stratum:") for entry in rows)
        chosen = [_forest_row(run, entry) for entry in rows if is_drawn(entry["stratum"], named=named)]
        drawn["forest"] = asdict(forest(chosen, title=_("Change of accuracy per stratum")))
    overall = next((entry for entry in rows if entry["stratum"] == "all"), None)
    if overall is not None and len(overall["replicates"]) > 1:
        drawn["seeds"] = asdict(seeds(_series(run, report, overall), title=_("Accuracy of each replicate, all cases")))
    return drawn


def _forest_row(run: Run, entry: dict[str, Any]) -> ForestRow:
    change = (entry.get("artefact") or entry)["difference"] or {}
    return ForestRow(
        label=stratum_name(entry["stratum"]),
        n=entry["n"],
        value=change.get("value"),
        low=change.get("low"),
        high=change.get("high"),
        url=flips_url(run, entry["stratum"]),
        reason=entry["undefined"] or "",
        overall=entry["stratum"] == "all",
    )


def _series(run: Run, report: dict[str, Any], entry: dict[str, Any]) -> list[SeedSeries]:
    values = [
        (str(about["replicate"]), value) for about, value in zip(report["predictions"]["candidate"], entry["replicates"], strict=True)
    ]
    drawn = [
        SeedSeries(
            label=run.model_version.version,
            is_candidate=True,
            values=[(name, value) for name, value in values if value is not None],
            mean=entry["value"],
            sd=entry.get("sd"),
        )
    ]
    if entry["baseline"] and entry["baseline"]["value"] is not None:
        theirs = entry["baseline"]["value"]
        drawn.append(
            SeedSeries(
                label=run.baseline_version.version if run.baseline_version else "",
                is_candidate=False,
                values=[("0", theirs)],
                mean=theirs,
                sd=None,
            )
        )
    return drawn


def store_figures(drawn: dict[str, Any]) -> str:
    """Keep the figures as one blob."""
    return get_store().put_bytes(stable(drawn))


def figures_of(run: Run) -> dict[str, Figure]:
    """The stored figures by name; empty where none were drawn."""
    if run.figures_sha256 is None:
        return {}
    stored = read_json(get_store().read(run.figures_sha256), limit=MAX_FIGURES)
    return {
        name: Figure(**(figure | {"columns": tuple(figure["columns"]), "rows": tuple(map(tuple, figure["rows"]))}))
        for name, figure in stored.items()
    }
