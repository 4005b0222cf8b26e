"""For the load balancer and the monitoring: is the process up, can it serve, and how far behind is the work."""

from collections.abc import Callable, Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Count, F, Min, Q, QuerySet, Sum
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from django_prometheus.exports import ExportToDjangoView
from prometheus_client import REGISTRY
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from evaluation.runs.models import Shard
from hardcases.audit import sealing
from hardcases.audit.guards import EXPECTED, missing_guards
from hardcases.blobs.store import get_store
from hardcases.config.env import is_loopback
from hardcases.errors import Forbidden, Refusal
from hardcases.projects.authentication import client_address
from hardcases.web.problems import respond_to
from hardcases.work.models import Job, OutboxEvent

OK = "ok"


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers."""
    return JsonResponse({"status": OK})


@lru_cache(maxsize=1)
def _shipped_migrations() -> frozenset[tuple[str, str]]:
    """(app, name) of every migration of this version; files, read once."""
    return frozenset(MigrationLoader(None).disk_migrations)


def _database() -> str:
    pending = _shipped_migrations() - set(MigrationRecorder(connection).applied_migrations())
    if pending:
        return f"The database lacks {len(pending)} migrations. Run: manage.py migrate"
    missing = missing_guards(EXPECTED.values(), connection)
    return OK if not missing else f"The database lacks the guards {', '.join(missing)}. Run: manage.py migrate"


def _storage() -> str:
    """The store takes a file, and uploads would not be refused for want of room."""
    try:
        get_store().check_writable()
    except Refusal as refusal:
        return refusal.sentence
    return OK


def _redis() -> str:
    if settings.REDIS_URL is None:
        return "not used"
    with redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=1, socket_timeout=1) as broker:
        broker.ping()
    return OK


def _ask(check: Callable[[], str]) -> str:
    try:
        return check()
    except (DatabaseError, OSError, redis.RedisError) as error:
        return f"away ({type(error).__name__})"


@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """503 when the database or the storage cannot serve. Without Redis work waits for the sweeper, so its absence only degrades."""
    checks = {"database": _ask(_database), "storage": _ask(_storage), "redis": _ask(_redis)}
    ready = checks["database"] == checks["storage"] == OK
    degraded = checks["redis"] not in {OK, "not used"}
    status = "not_ready" if not ready else "degraded" if degraded else OK
    return JsonResponse({"status": status, "checks": checks}, status=200 if ready else 503)


def _may_read_metrics(request: HttpRequest) -> bool:
    """Staff, or this machine itself: not a proxy on this machine that speaks for somebody else without being declared trusted."""
    if request.user.is_authenticated and request.user.is_staff:
        return True
    forwarded = {"HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED"} & set(request.META)
    if forwarded and request.META.get("REMOTE_ADDR") not in settings.TRUSTED_PROXIES:
        return False
    return is_loopback(client_address(request) or "")


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus' text format."""
    if not _may_read_metrics(request):
        return respond_to(request, Forbidden("Metrics are shown to this machine and to signed-in staff. Nothing was changed."))
    response: HttpResponse = ExportToDjangoView(request)
    return response


def _age(since: datetime | None) -> float:
    return 0.0 if since is None else max(0.0, (timezone.now() - since).total_seconds())


class WorkCollector(Collector):
    """How far behind background work is, read from the database when asked."""

    def describe(self) -> list[GaugeMetricFamily]:
        """Nothing at registration: the database may not be there yet."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """One gauge a question; without a database only that it is away."""
        try:
            gauges = list(self._gauges())
        except DatabaseError:
            gauges = []
        yield GaugeMetricFamily("hardcases_database_up", "Whether the database answers", value=bool(gauges))
        yield from gauges

    def _gauges(self) -> Iterator[GaugeMetricFamily]:
        jobs = Job.objects.filter(state__in=["queued", "running"]).aggregate(oldest=Min("run_after"), number=Count("pk"))
        yield GaugeMetricFamily("hardcases_jobs_open", "Jobs waiting or running", value=jobs["number"])
        yield GaugeMetricFamily("hardcases_queue_age_seconds", "Age of the oldest open job", value=_age(jobs["oldest"]))
        failed = Job.objects.filter(state="failed").count()
        yield GaugeMetricFamily("hardcases_jobs_failed", "Jobs that ended in failure", value=failed)
        yield self._takeovers()
        events = OutboxEvent.objects.filter(state__in=["queued", "running"]).aggregate(oldest=Min("created_at"))
        yield GaugeMetricFamily("hardcases_outbox_age_seconds", "Age of the oldest undelivered event", value=_age(events["oldest"]))
        yield GaugeMetricFamily(
            "hardcases_audit_seal_lag_seconds", "Age of the oldest unsealed audit event", value=_age(sealing.oldest_unsealed())
        )

    @staticmethod
    def _takeovers() -> GaugeMetricFamily:
        """Of work that has not ended and of failed work: a worker died or was too slow, and another began again."""
        gauge = GaugeMetricFamily("hardcases_lease_takeovers", "Claims beyond the first", labels=["of"])
        open_runs = Q(run__state__in=["queued", "running", "finalising"])
        tables: dict[str, QuerySet[Any]] = {
            "jobs": Job.objects.all(),
            "events": OutboxEvent.objects.all(),
            "shards": Shard.objects.filter(open_runs),
        }
        for name, rows in tables.items():
            total = rows.filter(attempt__gt=1).aggregate(total=Sum(F("attempt") - 1))["total"] or 0
            gauge.add_metric([name], total)
        return gauge


REGISTRY.register(WorkCollector())
