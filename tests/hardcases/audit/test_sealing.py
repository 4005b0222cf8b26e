"""The sealed chain: it finds what was changed, removed, inserted or cut off, and two sealers never fork it."""

import threading
from collections.abc import Callable
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, connections

from hardcases.audit import sealing
from hardcases.audit.actions import event, record
from hardcases.audit.actors import SYSTEM
from hardcases.audit.guards import AUDIT_GUARDS, install
from hardcases.audit.sealing import Head
from hardcases.models import AuditEvent, AuditSeal, Job
from hardcases.projects import jobs
from hardcases.work.jobs import run_job

TABLES = {guard.table for guard in AUDIT_GUARDS}


def _acts(number: int) -> None:
    AuditEvent.objects.bulk_create(
        [event(SYSTEM, "case.accepted", "case", f"XR-{i}", after={"n": i, "é": [1.5, None]}) for i in range(number)]
    )


def _behind_the_guards(statement: str) -> None:
    """Do what a person with a database shell and the right to drop triggers could do."""
    with connection.cursor() as cursor:
        for guard in AUDIT_GUARDS:
            suffix = "" if connection.vendor == "sqlite" else f" ON {guard.table}"
            cursor.execute(f"DROP TRIGGER {guard.name}{suffix}")
        cursor.execute(statement)
    with connection.schema_editor(atomic=False) if connection.vendor == "postgresql" else _plain_editor() as editor:
        install(AUDIT_GUARDS, editor)


class _plain_editor:  # noqa: N801 - SQLite's own schema editor refuses to run inside a test's transaction
    connection = connection

    def __enter__(self) -> "_plain_editor":
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.mark.django_db
def test_a_long_backlog_is_sealed_in_portions_and_stays_due() -> None:
    _acts(1_100)
    assert sealing.seal(at_most=600) == 1_000  # whole batches
    assert sealing.is_due()
    assert sealing.seal(at_most=600) == 100
    assert not sealing.is_due()
    report = sealing.verify()
    assert (report.intact, report.entries, report.unsealed) == (True, 1_100, 0)


@pytest.mark.django_db
def test_events_are_sealed_once_and_verify() -> None:
    _acts(7)
    assert sealing.is_due()
    assert sealing.seal() == 7
    assert not sealing.is_due()
    assert sealing.seal() == 0
    record(SYSTEM, "case.declined", "case", "XR-1")
    assert sealing.seal() == 1
    report = sealing.verify()
    assert (report.intact, report.entries, report.unsealed, report.head) == (True, 8, 0, sealing.head())


@pytest.mark.django_db
def test_batches_and_the_window_do_not_lose_latecomers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealing, "BATCH", 3)
    monkeypatch.setattr(sealing, "WINDOW", 4)
    _acts(10)
    late = AuditEvent.objects.order_by("pk").values_list("pk", flat=True)[1]
    kept = AuditEvent.objects.exclude(pk=late)
    with monkeypatch.context() as blind:
        blind.setattr(sealing, "_recent_unsealed", lambda: sealing._unsealed() & kept)
        assert sealing.seal() == 9  # the second event commits only now, as a long transaction on PostgreSQL would
    assert sealing.verify().unsealed == 1
    assert sealing.seal(thorough=True) == 1
    assert sealing.verify().intact


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("UPDATE hardcases_auditevent SET actor_name = 'mallory' WHERE object_id = 'XR-3'", "was changed"),
        ("UPDATE hardcases_auditevent SET after = '{\"n\": 4}' WHERE object_id = 'XR-3'", "was changed"),
        ("DELETE FROM hardcases_auditevent WHERE object_id = 'XR-3'", "is missing"),
        ("DELETE FROM hardcases_auditseal WHERE seq = 3", "missing from the chain"),
        ("UPDATE hardcases_auditseal SET hash = previous WHERE seq = 3", "was changed"),
        ("DELETE FROM hardcases_auditseal WHERE seq > 4", "was cut off"),
    ],
)
def test_damage_is_found(damage: str, said: str) -> None:
    _acts(6)
    sealing.seal()
    before = sealing.head()
    _behind_the_guards(damage)
    report = sealing.verify((before,))
    assert not report.intact
    assert any(said in finding for finding in report.findings), report.findings


@pytest.mark.django_db
def test_a_rewritten_chain_is_found_by_the_head_noted_before() -> None:
    _acts(5)
    job = Job.objects.create(kind=jobs.HEAD, key="2026-11-20")
    assert run_job(str(job.pk))
    _behind_the_guards("DELETE FROM hardcases_auditevent WHERE object_id = 'XR-4'")
    _behind_the_guards("DELETE FROM hardcases_auditseal")
    _acts(1)
    sealing.seal(thorough=True)
    assert sealing.verify().intact  # a rewrite in full fools the chain alone
    with pytest.raises(CommandError, match="not intact"):
        call_command("audit", "verify", stderr=StringIO())


@pytest.mark.django_db
def test_the_command_prints_the_head_which_can_be_checked_later() -> None:
    _acts(3)
    call_command("audit", "seal", stdout=StringIO())
    out = StringIO()
    call_command("audit", "verify", stdout=out)
    assert out.getvalue().startswith("3 entries intact. Head 3:")
    head = out.getvalue().split()[-1]
    call_command("audit", "verify", "--head", head, stdout=StringIO())
    with pytest.raises(CommandError):
        call_command("audit", "verify", "--head", "3:" + "0" * 64, stderr=StringIO())
    with pytest.raises(CommandError, match="number:hash"):
        call_command("audit", "verify", "--head", "3:xyz")
    assert Head.parse(head).seq == 3


@pytest.mark.django_db
def test_the_sweeper_offers_the_sealer_only_when_there_is_work() -> None:
    assert jobs.unsealed() == []
    _acts(1)
    assert [due.task.name for due in jobs.unsealed()] == ["hardcases.audit.tasks.seal"]
    list(jobs.head_of_the_day())
    list(jobs.head_of_the_day())
    assert Job.objects.filter(kind=jobs.HEAD).count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_sealers_at_once_make_one_chain() -> None:
    """Threads seal while others write; the chain has no fork, no gap and every event."""
    start = threading.Barrier(4)
    failures: list[BaseException] = []

    def thread(work: Callable[[], object]) -> threading.Thread:
        def body() -> None:
            try:
                start.wait()
                for _ in range(12):
                    work()
            except BaseException as failure:
                failures.append(failure)
            finally:
                connections.close_all()

        return threading.Thread(target=body)

    threads = [thread(sealing.seal), thread(sealing.seal), thread(lambda: _acts(5)), thread(lambda: _acts(5))]
    for one in threads:
        one.start()
    for one in threads:
        one.join(timeout=30)
    assert failures == []
    sealing.seal(thorough=True)
    report = sealing.verify()
    assert (report.findings, report.entries, report.unsealed) == ([], 120, 0)
    assert AuditSeal.objects.count() == 120
