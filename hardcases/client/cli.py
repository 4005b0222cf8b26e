"""The command line `hardcases`. Results on stdout, progress on stderr; the exit code says what a script needs to know (`verdicts.Exit`)."""

import contextlib
import json
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from hardcases.client.client import Client
from hardcases.client.progress import StateError
from hardcases.client.settings import SettingsError
from hardcases.client.transport import NoAnswerError, ProblemError
from hardcases.client.upload import ManifestError, Wanted
from hardcases.client.upload import meta as attributes_in
from hardcases.client.uploading import UploadRun
from hardcases.client.verdicts import WORDS, Exit, as_junit, as_markdown, exit_of, exit_of_status

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Send failures, register models, start runs, and gate a release.")
models = typer.Typer(no_args_is_help=True, help="Models and their versions.")
runs = typer.Typer(no_args_is_help=True, help="Runs of a model on a test set.")
app.add_typer(models, name="models")
app.add_typer(runs, name="runs")

POLL_SECONDS = 2.0
_ENDED = {"succeeded": Exit.DONE, "failed": Exit.NO_ANSWER, "cancelled": Exit.NO_ANSWER}
Url = Annotated[str | None, typer.Option(help="Address of the server; else HARDCASES_URL, else .hardcases.toml.")]
Project = Annotated[str | None, typer.Option(help="Slug of the project; else HARDCASES_PROJECT, else .hardcases.toml.")]
Wait = Annotated[str, typer.Option(help="How long to wait for an end: 90s, 45m, 2h. 0 looks once.")]
console = Console(stderr=True, highlight=False)


@contextlib.contextmanager
def connected(url: str | None, project: str | None) -> Iterator[Client]:
    """A client whose refusals become a sentence on stderr and an exit code."""
    try:
        with Client(url=url, project=project) as client:
            yield client
    except ProblemError as problem:
        _say(str(problem))
        for finding in problem.errors:
            _say(f"  {finding.get('pointer', '')} {finding.get('detail', '')}")
        raise typer.Exit(exit_of_status(problem.status)) from problem
    except NoAnswerError as error:
        _say(str(error))
        raise typer.Exit(Exit.NO_ANSWER) from error
    except (SettingsError, ManifestError, StateError, ValueError, OSError) as error:
        _say(str(error))
        raise typer.Exit(Exit.WRONG_USAGE) from error
    except KeyboardInterrupt as stop:
        _say("Interrupted. Run the same command again to go on; what was received is kept.")
        raise typer.Exit(Exit.INTERRUPTED) from stop


@app.command()
def whoami(url: Url = None, project: Project = None) -> None:
    """Say which project and scopes the token has."""
    with connected(url, project) as client:
        _print(client.whoami())


@app.command()
def upload(
    paths: Annotated[list[Path] | None, typer.Argument(help="Files, and folders of pictures.")] = None,
    manifest: Annotated[Path | None, typer.Option(help="JSON lines: fields of a case with file, text or record.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why they are sent, where the manifest does not say.")] = None,
    meta: Annotated[list[str] | None, typer.Option(help="An attribute of every case: name=value. May be repeated.")] = None,
    dry_run: Annotated[bool, typer.Option(help="Look whether everything can be read, and send nothing.")] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with an interrupted upload, and refuse to start another.")] = False,
    restart: Annotated[bool, typer.Option("--restart", help="Forget an interrupted upload and start anew.")] = False,
    jobs: Annotated[int, typer.Option(min=1, max=32, help="How many requests at a time.")] = 8,
    url: Url = None,
    project: Project = None,
) -> None:
    """Send cases: only what the server lacks. Run the same command again after an interruption; what was received is kept."""
    with connected(url, project) as client:
        if resume and restart:
            raise ValueError("--resume and --restart exclude each other.")
        wanted = Wanted(paths=paths or [], manifest=manifest, reason=reason, attributes=attributes_in(meta or []))
        run = UploadRun(client, wanted, console, say=_say, show=None if sys.stdout.isatty() else _print)
        raise typer.Exit(run.look() if dry_run else run.send(jobs=jobs, resume=resume, restart=restart))


@models.command()
def register(
    model: Annotated[str, typer.Argument(help="The version as slug@version.")],
    artefact: Annotated[Path | None, typer.Option(help="The model file (ONNX).")] = None,
    document: Annotated[Path | None, typer.Option(help="JSON with the other fields: adapter, seed, choices, …")] = None,
    replicate: Annotated[int, typer.Option(help="Which seed of the recipe this is.")] = 0,
    url: Url = None,
    project: Project = None,
) -> None:
    """Register one replicate of a model version, with the provenance of this folder."""
    slug, _, version = model.partition("@")
    with connected(url, project) as client:
        if not version:
            raise ValueError(f"{model!r} names no version. Write slug@version.")
        fields: dict[str, Any] = json.loads(document.read_text(encoding="utf-8")) if document else {}
        _print(client.register_model_version(slug, version, artefact=artefact, **{"replicate": replicate, **fields}))


@runs.command()
def start(
    model: Annotated[str, typer.Argument(help="slug@version")],
    test_set: Annotated[str, typer.Argument(help="slug@number")],
    baseline: Annotated[str | None, typer.Option(help="slug@version to compare with")] = None,
    url: Url = None,
    project: Project = None,
) -> None:
    """Start a run; prints it."""
    with connected(url, project) as client:
        _print(client.start_run(model, test_set, baseline=baseline))


@runs.command()
def watch(run: str, wait: Wait = "45m", url: Url = None, project: Project = None) -> None:
    """Wait until a run has ended: 0 succeeded, 1 failed or cancelled, 8 still going."""
    with connected(url, project) as client:
        for found in _polled(lambda: client.run(run), wait):
            _say(f"Run {run}: {found.get('state')}")
            if found.get("state") in _ENDED:
                _print(found)
                raise typer.Exit(_ENDED[found["state"]])
        raise typer.Exit(Exit.PENDING)


@runs.command()
def submit(
    run: str,
    file: Annotated[Path, typer.Argument(help="CSV, JSON lines, Parquet or JSON of predictions.")],
    replicate: int = 0,
    missing: Annotated[str | None, typer.Option(help="“wrong” counts absent cases as wrong.")] = None,
    url: Url = None,
    project: Project = None,
) -> None:
    """Upload the predictions of one replicate; every wrong row is listed on stderr."""
    with connected(url, project) as client:
        _print(client.put_predictions(run, file, replicate=replicate, missing=missing))


@runs.command()
def report(run: str, url: Url = None, project: Project = None) -> None:
    """Print a run's report as JSON."""
    with connected(url, project) as client:
        _print(client.run_report(run))


@app.command()
def gate(
    candidate: Annotated[str, typer.Option(help="slug@version to be released")],
    baseline: Annotated[str, typer.Option(help="slug@version it must not fall behind")],
    test_set: Annotated[str, typer.Option("--set", help="slug or slug@number")],
    policy: Annotated[str, typer.Option(help="slug or slug@version of the policy")],
    wait: Wait = "0",
    md: Annotated[Path | None, typer.Option(help="Write the checks as Markdown.")] = None,
    junit: Annotated[Path | None, typer.Option(help="Write the checks as JUnit XML.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the release as JSON instead of a table.")] = False,
    url: Url = None,
    project: Project = None,
) -> None:
    """Open a release and wait for its verdict: 0 passed, 3 failed, 5 not enough evidence, 8 pending, 1 no answer, 4 not allowed."""
    with connected(url, project) as client:
        opened = client.open_release(candidate, baseline, test_set, policy)
        number, release = str(opened["number"]), opened
        for found in _polled(lambda: client.release(number), wait):
            release = found
            if exit_of(found) != Exit.PENDING:
                break
        title = f"{candidate} against {baseline} on {test_set}"
        if md:
            md.write_text(as_markdown(release, title), encoding="utf-8")
        if junit:
            junit.write_bytes(as_junit(release, title))
        if as_json:
            _print(release)
        else:
            for check in release.get("checks", []):
                typer.echo(f"{WORDS.get(check.get('result'), check.get('result')):14} {check.get('name')}: {check.get('sentence')}")
            typer.echo(WORDS.get(str(release.get("verdict")), "Pending"))
        raise typer.Exit(exit_of(release))


def _polled(look: Any, wait: str) -> Iterator[dict[str, Any]]:
    """Looks once, and again every two seconds until `wait` is over."""
    end = time.monotonic() + seconds(wait)
    while True:
        yield look()
        if time.monotonic() + POLL_SECONDS > end:
            return
        time.sleep(POLL_SECONDS)


def seconds(text: str) -> float:
    """`90s`, `45m`, `2h` or a plain number of seconds. Raises ValueError for anything else."""
    found = re.fullmatch(r"(\d+)([smh]?)", text.strip())
    if not found:
        raise ValueError(f"{text!r} is not a time. Write 90s, 45m or 2h.")
    return int(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]]


def _say(sentence: str) -> None:
    console.print(sentence, markup=False, soft_wrap=True)


def _print(value: dict[str, Any]) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False))
