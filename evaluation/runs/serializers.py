"""How runs look in JSON, and what starting one takes."""

from typing import Any, get_args

from django.conf import settings
from rest_framework import serializers

from evaluation.engine.caution import Caution
from evaluation.registry.serializers import StrictSerializer
from evaluation.runs import steps
from evaluation.runs.models import Run
from evaluation.runs.queries import Flip, Said


class RunBody(StrictSerializer):
    model = serializers.CharField(max_length=200)
    replicates = serializers.ListField(
        child=serializers.IntegerField(min_value=0, max_value=9_999), required=False, allow_null=True, max_length=1_000
    )
    test_set = serializers.CharField(max_length=200)
    baseline = serializers.CharField(max_length=200, required=False, allow_null=True)
    plan = serializers.DictField(required=False, allow_null=True)


class RunAnswer(serializers.Serializer[Any]):
    id = serializers.CharField()
    state = serializers.CharField()
    url = serializers.CharField()
    model = serializers.CharField()
    baseline = serializers.CharField(allow_null=True)
    baseline_run = serializers.CharField(allow_null=True)
    test_set = serializers.CharField()
    manifest_digest = serializers.CharField()
    replicates = serializers.ListField(child=serializers.IntegerField())
    waiting_for = serializers.ListField(child=serializers.IntegerField())
    plan = serializers.JSONField()
    cases = serializers.IntegerField()
    done = serializers.IntegerField()
    total = serializers.IntegerField()
    failed = serializers.IntegerField()
    coverage = serializers.FloatField(allow_null=True)
    failure = serializers.CharField()
    report_sha256 = serializers.CharField(allow_null=True)
    predictions_digest = serializers.CharField(allow_null=True)
    retry_of = serializers.CharField(allow_null=True)
    started_by = serializers.CharField()
    created_at = serializers.DateTimeField()
    started_at = serializers.DateTimeField(allow_null=True)
    finished_at = serializers.DateTimeField(allow_null=True)


class AcceptedAnswer(serializers.Serializer[Any]):
    rows = serializers.IntegerField()
    sha256 = serializers.CharField()


class IntervalAnswer(serializers.Serializer[Any]):
    value = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)


class DifferenceAnswer(IntervalAnswer):
    p = serializers.FloatField(allow_null=True)
    method = serializers.CharField(allow_null=True)


class BaselineAnswer(IntervalAnswer):
    n = serializers.IntegerField()


class EntryAnswer(IntervalAnswer):
    """One metric in one stratum. A value that does not exist is null, and `undefined` says why."""

    metric = serializers.CharField()
    stratum = serializers.CharField()
    level = serializers.FloatField()
    method = serializers.CharField(allow_null=True)
    n = serializers.IntegerField()
    n_positive = serializers.IntegerField(allow_null=True)
    denominator = serializers.IntegerField(allow_null=True)
    clusters = serializers.IntegerField()
    baseline = BaselineAnswer(allow_null=True)
    difference = DifferenceAnswer(allow_null=True)
    undefined = serializers.CharField(allow_null=True)
    caution = serializers.ChoiceField(
        choices=get_args(Caution),
        allow_null=True,
        help_text="Why the interval may be too narrow, as a code; null where nothing is known against it.",
    )
    replicates = serializers.ListField(child=serializers.FloatField(allow_null=True))
    artefact = serializers.DictField(required=False, help_text="With several replicates: the figures of replicate 0, which checks judge.")
    sd = serializers.FloatField(required=False, allow_null=True)


class PlainAnswer(serializers.Serializer[Any]):
    """The set's own figure of replicate 0, every case counting once."""

    value = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    method = serializers.CharField(allow_null=True)


class WeightedAnswer(serializers.Serializer[Any]):
    """A share in a stratum, every case counting one over the chance with which it was kept."""

    metric = serializers.CharField()
    stratum = serializers.CharField()
    value = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    level = serializers.FloatField()
    method = serializers.CharField(allow_null=True)
    n = serializers.IntegerField()
    denominator = serializers.IntegerField()
    n_effective = serializers.FloatField(allow_null=True, help_text="Kish's: so many cases that all count the same would tell as much.")
    clusters = serializers.IntegerField()
    undefined = serializers.CharField(allow_null=True)
    plain = PlainAnswer()


class ProductionAnswer(serializers.Serializer[Any]):
    """The figures of everything that arrived at the door, of replicate 0."""

    weights = serializers.CharField(help_text="SHA-256 over each case's key and chance.")
    known = serializers.IntegerField()
    unknown = serializers.IntegerField()
    entries = WeightedAnswer(many=True)


class ReportAnswer(serializers.Serializer[Any]):
    """Describes the report; it is answered as it is stored."""

    format = serializers.CharField()
    metrics = EntryAnswer(many=True)
    flips = serializers.DictField(allow_null=True)
    replicates = serializers.DictField()
    sanity = serializers.ListField(child=serializers.DictField())
    production = ProductionAnswer(
        allow_null=True, required=False, help_text="Null where every case was kept for certain; older reports have none."
    )


def address_of(run: Run) -> str:
    """Where the API answers about the run."""
    return f"/api/v1/projects/{run.project.slug}/runs/{run.number}/"


def page_of(run: Run) -> str:
    """The run's page."""
    return f"{settings.PUBLIC_URL}/p/{run.project.slug}/runs/{run.number}/"


def brief(run: Run) -> dict[str, Any]:
    """One line of a list: what it is, without counting its shards."""
    return {
        "id": str(run.number),
        "state": run.state,
        "url": page_of(run),
        "model": str(run.model_version),
        "baseline": str(run.baseline_version) if run.baseline_version else None,
        "baseline_run": str(run.baseline_run.number) if run.baseline_run else None,
        "test_set": str(run.test_set_version),
        "manifest_digest": f"sha256:{run.manifest_digest}",
        "replicates": run.replicates,
        "plan": run.plan,
        "cases": run.cases,
        "coverage": run.coverage,
        "failure": run.failure,
        "report_sha256": run.report_sha256,
        "predictions_digest": run.predictions_digest,
        "retry_of": str(run.retry_of.number) if run.retry_of else None,
        "started_by": run.started_by_name,
        "created_at": run.created_at,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
    }


def show(run: Run) -> dict[str, Any]:
    """The whole run, with what it waits for and how far it is."""
    counts = steps.progress(run)
    names = ("done", "total", "failed", "shards", "shards_done")
    return brief(run) | {"waiting_for": steps.waiting_for(run)} | {name: counts[name] for name in names}


def show_flip(flip: Flip) -> dict[str, Any]:
    """A case in one cell of the comparison."""
    return {
        "case": flip.key,
        "label": flip.label,
        "outcome": flip.outcome,
        "candidate": _said(flip.candidate),
        "baseline": _said(flip.baseline) if flip.baseline else None,
        "swing": flip.swing,
    }


def _said(said: Said) -> dict[str, Any]:
    return {"label": said.label, "score": said.score, "right": said.right, "why": said.why or None}
