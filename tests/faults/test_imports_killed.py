"""Workers that are killed, paused or doubled in the middle of an import or an export: in the end the same rows, the same report and the same file as undisturbed."""

import signal
from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest
from django.db import connection

from hardcases.audit.models import AuditEvent
from hardcases.blobs.backends import no_room
from hardcases.blobs.store import BlobStore
from hardcases.cases.models import Case, ExternalId, Sighting
from hardcases.labels.models import LabelRevision
from hardcases.projects.models import Project
from hardcases.transfers import actions, queries
from hardcases.transfers.models import Export, Import
from hardcases.work.models import Job
from tests.builders import cases, people, transfers
from tests.builders.transfers import a_zip, jsonl
from tests.faults.harness import Installation, Workers, until

pytestmark = pytest.mark.django_db(transaction=True)

PREPARED, FILED, COMMITTED = "transfers.import.prepared", "transfers.import.filed", "transfers.import.committed"
ROWS = 460  # three transactions of contents


def package() -> bytes:
    """Pictures, texts, repeats of both, labels, and rows that are wrong."""
    rows: list[dict[str, Any]] = [{"file": f"p{n % 20}.png", "external_id": f"p{n % 20}", "label": {"label": "nodule"}} for n in range(40)]
    rows += [{"text": f"Text {n % 300}.", "reason": f"r{n % 300}", "tags": ["a"]} for n in range(ROWS - 60)]
    rows += [{"text": " "}] * 10 + [{"external_id": f"p{n}", "label": {"label": "normal"}} for n in range(10)]
    files = {f"p{n}__png": cases.a_picture(f"p{n}") for n in range(20)}
    return a_zip(cases__jsonl=jsonl(*rows), **files)


def state(project: Project) -> dict[str, Any]:
    """What is in a project, whoever brought it in and whenever."""
    ours = {"case__project": project}
    return {
        "cases": list(
            Case.objects.filter(project=project).order_by("number").values_list("number", "sha256", "reason", "tags", "sightings_count")
        ),
        "names": list(ExternalId.objects.filter(project=project).order_by("value").values_list("value", "case__number")),
        "sightings": sorted(map(str, Sighting.objects.filter(**ours).values_list("case__number", "body"))),
        "labels": list(
            LabelRevision.objects.filter(**ours).order_by("case__number", "number").values_list("case__number", "number", "label")
        ),
    }


def ended(job: Job) -> bool:
    return Job.objects.values_list("state", flat=True).get(pk=job.pk) in {"done", "failed"}


@pytest.fixture
def workers() -> Iterator[Workers]:
    with Workers(Installation.of(connection)) as found:
        yield found


class ImportTests:
    def setup_method(self) -> None:
        self.content = package()
        self.undisturbed = people.a_project(slug="undisturbed")
        self.project = people.a_project(slug="disturbed")
        row = transfers.uploaded(self.undisturbed, self.content, name="x.zip", kind="jsonl")
        self.wanted = transfers.run(row)
        self.report = list(queries.rows_of(self.wanted))
        self.events = AuditEvent.objects.filter(project_id=self.undisturbed.pk, action__startswith="case.batch").count()

    def start(self) -> Job:
        row = transfers.uploaded(self.project, self.content, name="x.zip", kind="jsonl")
        return actions.start_import(actor=people.actor(self.project, "curator"), row=row)

    def check(self, job: Job) -> None:
        job.refresh_from_db()
        assert (job.state, job.failure) == ("done", "")
        assert job.result == self.wanted.result
        assert list(queries.rows_of(job)) == self.report
        assert state(self.project) == state(self.undisturbed)
        assert AuditEvent.objects.filter(project_id=self.project.pk, action__startswith="case.batch").count() == self.events

    def test_killed_at_every_point(self, workers: Workers) -> None:
        job = self.start()
        for place in (PREPARED, FILED, COMMITTED, FILED, COMMITTED):
            worker = workers.start(pause_at=place)
            worker.wait_until_paused()
            worker.kill()
        workers.start()
        until(lambda: ended(job), "The end of the import")
        self.check(job)

    def test_a_paused_worker_is_fenced_out(self, workers: Workers) -> None:
        job = self.start()
        late = workers.start(pause_at=COMMITTED)
        late.wait_until_paused()
        late.process.send_signal(signal.SIGSTOP)  # its heartbeat stands still with it
        workers.start()
        until(lambda: ended(job), "The end of the import")
        late.process.send_signal(signal.SIGCONT)
        late.go_on()
        until(lambda: late.said("lease_lost"), "The late worker's notice that it lost its lease")
        assert late.stop() == 0
        self.check(job)

    def test_the_same_file_twice_at_once(self, workers: Workers) -> None:
        first, second = self.start(), self.start()
        for _ in range(2):
            workers.start()
        until(lambda: ended(first) and ended(second), "The end of both imports")
        assert state(self.project) == state(self.undisturbed)
        counts = [Job.objects.get(pk=job.pk).result for job in (first, second)]
        wanted = self.wanted.result or {}
        assert sum(found["new"] for found in counts) == wanted["new"]
        assert sum(found["labelled"] for found in counts) == wanted["labelled"]
        assert sum(found["rejected"] for found in counts) == 2 * wanted["rejected"]


class ThreadsTests:
    def test_one_project_and_many_at_once(self) -> None:
        """What two requests do at the same moment: each finds what the other has filed."""
        project = people.a_project()
        rows = [transfers.uploaded(project, jsonl(*({"text": f"Text {n}.", "reason": "x"} for n in range(60)))) for _ in range(3)]
        jobs = [actions.start_import(actor=people.actor(project, "curator"), row=row) for row in rows]

        def run(job: Job) -> None:
            transfers.done(job)
            connection.close()

        threads = [Thread(target=run, args=(job,)) for job in jobs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert Case.objects.filter(project=project).count() == Sighting.objects.filter(case__project=project).count() == 60
        assert sum(Job.objects.get(pk=job.pk).result["already_here"] for job in jobs) == 120


class ExportTests:
    def test_killed_before_the_file_has_its_name(self, workers: Workers) -> None:
        project = people.a_project()
        for number in range(12):
            cases.a_case(project, f"c{number}")
        wanted = transfers.exported(project, kind="jsonl", media=True)
        asked = {"version": None, "q": "", "format_name": "jsonl", "media": True}
        export = actions.start_export(actor=people.actor(project, "curator"), project=project, **asked)
        worker = workers.start(pause_at="transfers.export.written")
        worker.wait_until_paused()
        worker.kill()
        assert Export.objects.get(pk=export.pk).sha256 is None
        workers.start()
        until(lambda: ended(export.job), "The end of the export")
        export.refresh_from_db()
        assert export.sha256 == Export.objects.exclude(pk=export.pk).get().sha256
        assert AuditEvent.objects.filter(action="export.made", object_id=str(export.pk)).count() == 1
        assert len(wanted) == export.size


def test_uploads_of_a_full_disk_leave_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store refuses before the row is written; the import that meets a full disk stops, and goes on when there is room."""
    project = people.a_project()
    row = transfers.uploaded(project, jsonl(*({"text": f"Text {n}."} for n in range(300))))
    actor = people.actor(project, "curator")
    commit, calls = BlobStore.commit_all, []

    def full(self: BlobStore, *args: Any, **options: Any) -> None:
        calls.append(1)
        if len(calls) > 12:
            raise no_room()
        commit(self, *args, **options)

    monkeypatch.setattr(BlobStore, "commit_all", full)
    job = transfers.done(actions.start_import(actor=actor, row=row))
    assert job.state == "failed"
    assert "no room" in job.failure
    assert (Case.objects.count(), job.done) == (200, 200)
    monkeypatch.setattr(BlobStore, "commit_all", commit)
    transfers.done(actions.start_import(actor=actor, row=row))
    job.refresh_from_db()
    assert (job.state, Case.objects.count()) == ("done", 300)
    assert Import.objects.get().import_job == job
