"""What the demo prints: two verdict tables, the worst stratum first."""

from rich.console import Console
from rich.table import Table

from evaluation.releases.models import Release
from evaluation.releases.sentences import check_sentence, summary, verdict_sentence
from evaluation.runs.figures import stratum_name
from evaluation.runs.reports import report_of
from hardcases.web import formatting
from hardcases.web.looks import look


def print_release(console: Console, release: Release) -> None:
    """The verdict, each check as a sentence, and the strata of the guard with intervals and counts."""
    judgement = release.judgement
    console.rule(f"[bold]{release}: {release.candidate} against {release.baseline}")
    console.print(f"[bold]{str(look(release.verdict).word).upper()}[/]  {verdict_sentence(judgement)}")
    console.print(f"[dim]{summary(judgement)}[/]\n")
    for check in judgement["checks"]:
        console.print(f"  {look(check['result']).word!s:14} {check['name']}: {check_sentence(check)}")
    console.print()
    console.print(_strata(release))
    console.print(f"[dim]Evidence digest sha256:{release.evidence_digest}[/]\n")


def _strata(release: Release) -> Table:
    """One row a stratum: accuracy of both models (replicate 0), change with its 95 % interval, flips, p after Holm, result."""
    family = max((check for check in release.judgement["checks"] if check["strata"]), key=lambda check: len(check["strata"]))
    assert release.run is not None  # the caller prints judged releases
    report = report_of(release.run)
    figures = {entry["stratum"]: entry for entry in report["metrics"] if entry["metric"] == family["metric"]}
    flips = {item["stratum"]: item for item in report["flips"]["strata"]}
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("Stratum", "n", "Baseline", "Candidate", "Change in points", "95 % interval", "Newly wrong/right", "p (Holm)", "Result"):
        table.add_column(column, justify="left" if column in {"Stratum", "Result"} else "right")
    verdicts = {item["stratum"]: item for item in family["strata"]}
    order = sorted(verdicts, key=lambda name: (verdicts[name]["result"] != "fail", verdicts[name]["estimate"]))
    for name in ["all", *order]:
        entry, verdict = figures[name], verdicts.get(name)
        artefact = entry.get("artefact") or entry
        change = artefact["difference"]
        table.add_row(
            stratum_name(name),
            formatting.count(entry["n"]),
            formatting.percent(entry["baseline"]["value"]),
            formatting.percent(artefact["value"]),
            formatting.points(change["value"]),
            formatting.interval(change["low"], change["high"]),
            f"{flips[name]['newly_wrong']} / {flips[name]['newly_right']}",
            "" if verdict is None or verdict["p_holm"] is None else f"{verdict['p_holm']:.2g}",
            "" if verdict is None else str(look(verdict["result"]).word),
        )
    return table
