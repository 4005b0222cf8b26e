"""Imports and exports as scripts use them."""

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from hardcases.cases.models import Case
from hardcases.projects.models import Project
from hardcases.transfers.models import Import
from hardcases.work.models import Job
from hardcases.work.tasks import all_due
from tests.builders import cases, people, transfers
from tests.builders.http import Api, problem
from tests.builders.transfers import jsonl

pytestmark = pytest.mark.django_db


class Files(Api):
    """The API with files to import."""

    def send(self, content: bytes, *, name: str = "cases.jsonl", key: str | None = None, **parts: Any) -> Any:
        """POST imports/."""
        texts = {part: value if isinstance(value, str) else json.dumps(value) for part, value in parts.items()}
        data = {"file": SimpleUploadedFile(name, content)} | texts
        return self.client.post(self.url("imports/"), data, headers=self._with(key))

    def job(self, answer: Any) -> dict[str, Any]:
        """The job that an answer of 202 leads to, once it is done."""
        assert answer.status_code == 202, answer.content
        work()
        found = Client().get(answer["Location"], headers=self.headers).json()
        assert found["state"] in {"done", "failed"}
        return dict(found)


def work() -> None:
    """What a worker would do."""
    for due in all_due():
        due.task(**due.kwargs)


@pytest.fixture
def project() -> Project:
    return people.a_project()


@pytest.fixture
def api(project: Project) -> Files:
    return Files(project)


GOOD = jsonl({"text": "One.", "label": {"label": "nodule"}}, {"text": "Two."}, {"text": " "})


class ImportTests:
    def test_a_file(self, api: Files) -> None:
        answer = api.send(GOOD)
        body = answer.json()
        assert (body["format"], body["check"], body["job"]["state"]) == ("jsonl", None, "queued")
        job = api.job(answer)
        counts = {"entries": 3, "new": 2, "seen_again": 0, "already_here": 0, "labelled": 1, "rejected": 1, "warnings": 0}
        assert (job["state"], job["done"], job["total"], job["result"]) == ("done", 3, 3, counts)
        assert [error["pointer"] for error in job["errors"]] == ["rows/2"]
        found = api.get(f"imports/{body['id']}/").json()
        assert found["import"]["result"] == counts
        assert api.get("imports/").json()["results"] == [found]

    def test_a_dry_run_and_then_the_import_without_sending_it_again(self, api: Files) -> None:
        answer = api.send(GOOD, dry_run="true")
        foreseen = api.job(answer)
        assert foreseen["result"]["new"] == 2
        assert not Case.objects.exists()
        job = api.job(api.post(f"imports/{answer.json()['id']}/start/", {}))
        assert job["result"] == foreseen["result"]
        assert job["total"] == 3
        assert Case.objects.count() == 2
        problem(api.post(f"imports/{answer.json()['id']}/start/", {"dry_run": True}), 409)

    def test_names_are_mapped(self, api: Files) -> None:
        rows = b"what,klass,clinic\nUnclear.,Cyst,c-1\n"
        mapping = {"columns": {"what": "text", "klass": "label", "clinic": "attributes.site"}, "classes": {"Cyst": "nodule"}}
        job = api.job(api.send(rows, name="x.csv", mapping=mapping))
        assert (job["result"]["new"], job["result"]["labelled"], job["result"]["warnings"]) == (1, 1, 0)
        case = Case.objects.get()
        assert (case.text, case.attributes, case.current_label.value) == ("Unclear.", {"site": "c-1"}, "nodule")

    def test_the_report(self, api: Files) -> None:
        answer = api.send(GOOD)
        report = f"imports/{answer.json()['id']}/report/"
        api.job(answer)

        def lines(**query: str) -> list[str]:
            found = api.get(report, **query)
            assert "attachment" in found["Content-Disposition"]
            return b"".join(found.streaming_content).decode().splitlines()

        assert [json.loads(line)["status"] for line in lines()] == ["new", "new", "rejected"]
        (rejected,) = [json.loads(line) for line in lines(status="rejected")]
        assert rejected["place"] == "rows/2"
        header, row = lines(status="labelled", format="csv")
        assert (header, row) == ("place,status,key,labelled,problem", "rows/0,new,XR-1,true,")
        problem(api.get(report, status="odd"), 400)

    def test_the_same_key_is_one_import(self, api: Files) -> None:
        first, again = (api.send(GOOD, key="k") for _ in range(2))
        assert first.json() == again.json()
        assert again["Idempotency-Replayed"] == "true"
        problem(api.send(GOOD + b"\n", key="k"), 422)
        assert Import.objects.count() == 1

    @pytest.mark.parametrize(
        ("content", "parts", "status"),
        [
            (b"", {}, 422),
            (GOOD, {"format": "docx"}, 422),
            (b"\x00\x01", {}, 422),
            (GOOD, {"mapping": ["a"]}, 422),
            (GOOD, {"mapping": {"classes": {"a": "no such class"}}}, 422),
            (GOOD, {"mapping": "{"}, 400),
            (GOOD, {"dry_run": "perhaps"}, 400),
            (GOOD, {"colour": "red"}, 400),
        ],
    )
    def test_what_is_refused_leaves_nothing(self, api: Files, content: bytes, parts: dict[str, Any], status: int) -> None:
        name = "cases.jsonl" if content != b"\x00\x01" else "odd.bin"
        problem(api.send(content, name=name, **parts), status)
        assert not Import.objects.exists()
        assert not Job.objects.exists()

    def test_an_unsafe_archive_is_refused_whole(self, api: Files) -> None:
        answer = problem(api.send(transfers.a_zip(**{"../x": b"", "cases__jsonl": GOOD}), name="x.zip"), 422)
        assert answer["type"].endswith("unsafe_archive")
        assert not Import.objects.exists()

    def test_an_unreadable_file_fails_with_a_sentence(self, api: Files) -> None:
        job = api.job(api.send(b"a,a\n1,2\n", name="x.csv"))
        assert job["state"] == "failed"
        assert "more than once" in job["errors"][-1]["detail"]
        assert not Case.objects.exists()

    def test_reporting_is_not_importing(self, project: Project) -> None:
        problem(Files(project, "report").send(GOOD), 403)
        problem(Files(project, "curate").get("imports/"), 403)

    def test_another_project_has_it_not(self, api: Files) -> None:
        answer = api.send(GOOD).json()
        other = Files(people.a_project())
        problem(other.get(f"imports/{answer['id']}/"), 404)
        problem(other.post(f"imports/{answer['id']}/start/", {}), 404)


class ExportTests:
    def test_a_search_and_its_download(self, api: Files, project: Project) -> None:
        cases.a_case(project, "one", external_id="e-1")
        answer = api.post("exports/", {"q": "", "format": "jsonl"})
        body = answer.json()
        problem(api.get(f"exports/{body['id']}/download/"), 409)
        assert api.job(answer)["result"]["cases"] == 1
        shown = api.get(f"exports/{body['id']}/").json()
        assert shown["download_url"].endswith(f"exports/{body['id']}/download/")
        found = api.get(f"exports/{body['id']}/download/")
        content = b"".join(found.streaming_content)
        assert json.loads(content)["external_id"] == "e-1"
        assert found["Content-Disposition"] == f'attachment; filename="{project.slug}-search-jsonl.jsonl"'
        assert found["ETag"] == f'"{shown["sha256"]}"'
        assert api.get(f"exports/{body['id']}/digest/").content.decode() == f"{shown['sha256']}  {shown['file_name']}\n"

    def test_pictures_need_a_token_that_may_read_them(self, project: Project) -> None:
        cases.a_case(project, "one")
        asked = {"q": "", "format": "jsonl", "media": True}
        problem(Files(project, "curate").post("exports/", asked), 403)
        assert Files(project, "curate", "read").post("exports/", asked).status_code == 202

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            ({"format": "jsonl"}, 422),
            ({"q": "", "test_set": "x@1", "format": "jsonl"}, 422),
            ({"q": "colour:red", "format": "jsonl"}, 400),
            ({"test_set": "none@1", "format": "jsonl"}, 404),
            ({"q": "", "format": "docx"}, 422),
            ({"q": "", "format": "jsonl", "media": "yes"}, 422),
        ],
    )
    def test_what_cannot_be_made(self, api: Files, body: dict[str, Any], status: int) -> None:
        problem(api.post("exports/", body), status)
        assert not Job.objects.exists()
