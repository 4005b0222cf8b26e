"""Contents that a model was trained on: at the door, in lists, and when the training list comes later than the case."""

import hashlib
from collections import Counter
from typing import Any

import pytest
from django.test import Client

from evaluation.registry import jobs
from evaluation.registry.models import TrainingDigest
from hardcases.cases.models import Case
from hardcases.cases.queries import search
from hardcases.projects.models import Project
from hardcases.projects.permissions import Role
from hardcases.work.models import Job
from hardcases.work.tasks import all_due
from tests.builders import groups
from tests.builders.cases import a_case, a_picture
from tests.builders.http import Api, problem
from tests.builders.people import a_member, a_project
from tests.hardcases.cases.test_parallel import at_once


def digest(seed: str) -> str:
    return hashlib.sha256(a_picture(seed)).hexdigest()


def register(project: Project, digests: list[str], version: str = "1.0") -> None:
    api = Api(project)
    assert api.post("models/", {"slug": "net", "name": "Net"}).status_code in {200, 201}
    answer = api.post("models/net/versions/", {"version": version, "training_digests": digests})
    assert answer.status_code == 201, answer.content
    work()


def work() -> None:
    for due in all_due():
        due.task(**due.kwargs)


@pytest.fixture
def project(db: Any) -> Project:
    return a_project()


def test_a_content_of_a_training_list_is_kept_and_marked(project: Project) -> None:
    register(project, [digest("a"), "0" * 64])
    api = Api(project)
    leaked = api.upload(a_picture("a")).json()["key"]
    clean = api.upload(a_picture("b")).json()["key"]
    assert api.get(f"cases/{leaked}/").json()["trained_on"] == ["net@1.0"]
    assert api.get(f"cases/{clean}/").json()["trained_on"] is None
    for q, found in (("leak:true", [leaked]), ("leak:false", [clean]), ("-leak:true", [clean])):
        assert [case["key"] for case in api.get("cases/", q=q).json()["results"]] == found
    groups.work()  # the inbox shows cases by their group
    client = Client()
    client.force_login(a_member(project, *Role), backend="allauth.account.auth_backends.AuthenticationBackend")
    for page in (f"/p/{project.slug}/inbox/", f"/p/{project.slug}/cases/{leaked}/"):
        assert "Training data" in client.get(page).content.decode()
    assert "net@1.0" in client.get(f"/p/{project.slug}/cases/{leaked}/").content.decode()


def test_a_project_may_refuse_what_a_model_was_trained_on(project: Project) -> None:
    register(project, [digest("a")])
    api = Api(project)
    assert api.patch("", {"leaks": "refuse"}).json()["leaks"] == "refuse"
    refused = problem(api.upload(a_picture("a")), 422)
    assert refused["type"] == "urn:hardcases:training_data"
    assert "net@1.0" in refused["detail"]
    answer = api.batch([{"file": "a"}, {"file": "b"}], {"a": a_picture("a"), "b": a_picture("b")})
    assert [item["status"] for item in answer.json()["results"]] == [422, 201]
    assert Case.objects.count() == 1
    assert api.patch("", {"leaks": "mark"}).status_code == 200
    assert api.upload(a_picture("a")).status_code == 201


def test_a_list_that_comes_later_marks_the_cases_that_are_here(project: Project) -> None:
    other = a_project()
    case, clean, foreign = a_case(project, "a"), a_case(project, "b"), a_case(other, "a")
    register(project, [digest("a"), digest("c")])
    marked = {row.pk: row.leaked_at is not None for row in Case.objects.all()}
    assert marked == {case.pk: True, clean.pk: False, foreign.pk: False}
    job = Job.objects.get(kind=jobs.LISTING)
    assert (job.state, job.result) == ("done", {"digests": 2, "cases_marked": 1})
    register(project, [digest("a"), digest("b")], "2.0")
    assert Api(project).get(f"cases/{case.key}/").json()["trained_on"] == ["net@1.0", "net@2.0"]
    assert search(project, "leak:true").count() == 2


def test_a_picture_is_found_by_what_is_kept_of_it_too(db: Any) -> None:
    project = a_project(strip_metadata=True)
    picture = a_picture("a", kind="JPEG", comment=b"taken in room 4")
    case = a_case(project, content=picture)
    case.refresh_from_db()
    assert case.stored_sha256 != case.sha256
    register(project, [case.stored_sha256])
    case.refresh_from_db()
    assert case.leaked_at is not None
    assert Api(project).get(f"cases/{case.key}/").json()["trained_on"] == ["net@1.0"]


def test_a_stopped_listing_goes_on_and_doing_it_twice_changes_nothing(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "CHUNK", 2)
    digests = sorted(digest(str(index)) for index in range(5))
    cases = [a_case(project, str(index)) for index in range(5)]
    register(project, digests)
    job = Job.objects.get(kind=jobs.LISTING)
    assert job.payload["at"] == 5
    for payload in ({"replicate": job.payload["replicate"], "at": 2, "marked": 2}, {"replicate": job.payload["replicate"]}):
        Job.objects.filter(pk=job.pk).update(state="queued", payload=payload)
        work()
        job.refresh_from_db()
        assert job.state == "done"
    assert TrainingDigest.objects.count() == 5
    assert Case.objects.filter(leaked_at__isnull=False).count() == len(cases)


def test_a_list_registered_before_there_were_rows_is_found_by_the_sweeper(project: Project) -> None:
    register(project, [digest("a")])
    TrainingDigest.objects.all().delete()
    Job.objects.filter(kind=jobs.LISTING).delete()
    work()
    work()
    assert TrainingDigest.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_cases_that_arrive_while_a_list_is_written_are_all_marked() -> None:
    project = a_project()
    api = Api(project)
    api.post("models/", {"slug": "net", "name": "Net"})
    digests = [digest(str(index)) for index in range(20)]

    def either(api: Api, number: int) -> int:
        if number == 10:
            api.post("models/net/versions/", {"version": "1.0", "training_digests": digests})
            work()
            return 0
        return int(api.upload(a_picture(str(number))).status_code)

    answers = at_once(project, either, 20)
    assert Counter(answers) == {201: 19, 0: 1}
    assert Case.objects.filter(leaked_at__isnull=False).count() == 19
