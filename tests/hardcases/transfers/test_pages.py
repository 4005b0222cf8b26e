"""The pages of imports and exports: upload, look, say what names mean, check, import; and a file made from a search."""

import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from hardcases.cases.models import Case
from hardcases.projects.models import Project
from hardcases.transfers.models import Export, Import
from tests.builders import cases, people, testsets, transfers
from tests.builders.formats import png
from tests.builders.transfers import jsonl
from tests.hardcases.transfers.test_api import work

pytestmark = pytest.mark.django_db

ROWS = jsonl({"text": "One.", "klass": "Cyst", "site": "clinic-1"}, {"text": "Two.", "klass": "normal"}, {"text": " ", "klass": "normal"})


@pytest.fixture
def project() -> Project:
    return people.a_project()


class Browser:
    """Somebody at the pages."""

    def __init__(self, project: Project, *roles: str) -> None:
        self.client, self.base = Client(), f"/p/{project.slug}/transfers/"
        self.client.force_login(people.a_member(project, *roles))

    def get(self, path: str = "", **options: Any) -> str:
        found = self.client.get(self.base + path, **options)
        assert found.status_code == 200, found.content[:500]
        return re.sub(r"\s+", " ", found.content.decode())

    def post(self, path: str, data: dict[str, Any], status: int = 302) -> Any:
        answer = self.client.post(self.base + path, data)
        assert answer.status_code == status, answer.content[:800]
        return answer

    def upload(self, content: bytes, name: str = "cases.jsonl", kind: str = "") -> Import:
        self.post("import/", {"file": SimpleUploadedFile(name, content), "format": kind})
        return Import.objects.order_by("-created_at")[0]


class ImportTests:
    def test_from_the_upload_to_the_end(self, project: Project) -> None:
        visit = Browser(project, "curator")
        row = visit.upload(ROWS)
        path = f"imports/{row.pk}/"
        assert "Waiting to be checked" in visit.get(path)
        assert 'hx-trigger="every 2s"' in visit.get(path)
        work()
        page = visit.get(path)
        assert "2 new, 1 rejected." in page
        assert "hx-trigger" not in page
        assert "Import 2 cases" in page
        assert "The text is empty" in page
        row.refresh_from_db()
        said = {"checked": str(row.check_job_id), "format": "jsonl", "columns-0": "label", "do": "check"}
        visit.post(path, said)
        work()
        assert "2 new, 1 labels, 1 rejected." in visit.get(path)
        assert not Case.objects.exists()
        row.refresh_from_db()
        visit.post(path, {"checked": str(row.check_job_id), "format": "jsonl", "columns-0": "label", "classes-0": "nodule", "do": "check"})
        work()
        row.refresh_from_db()
        assert row.mapping == {"columns": {"klass": "label"}, "classes": {"Cyst": "nodule"}}
        assert "2 new, 2 labels, 1 rejected." in visit.get(path)
        visit.post(path, {"checked": str(row.check_job_id), "do": "import"})
        assert "Waiting to be imported" in visit.get(path)
        work()
        assert "Imported" in visit.get(path)
        assert sorted(Case.objects.values_list("current_label__value", flat=True)) == ["nodule", "normal"]
        assert "Imported" in visit.get()

    def test_classes_are_offered_by_their_whole_name(self, project: Project) -> None:
        long, odd = [letter.rjust(100, "x") for letter in "ab"], "“Cyst” is no class of the project"
        visit = Browser(project, "curator")
        row = visit.upload(jsonl(*({"text": name, "label": name} for name in [*long, odd])))
        work()
        row.refresh_from_db()
        assert row.preview is not None
        assert row.preview["classes"] == dict.fromkeys([*long, odd], 1)
        named = {f"classes-{number}": "nodule" for number in range(3)}
        visit.post(f"imports/{row.pk}/", {"checked": str(row.check_job_id), "format": "jsonl", **named, "do": "check"})
        work()
        assert "3 new, 3 labels." in visit.get(f"imports/{row.pk}/")

    def test_a_name_that_cannot_be_stored_is_not_offered(self, project: Project) -> None:
        files = {"images/a.png": png(), "labels/a.txt": b"1 1 3 1 3 3 1 3 Cy\x00st 0\n", "data.yaml": b"names: [nodule]\n"}
        row = transfers.uploaded(project, transfers.a_zip(**files), name="x.zip", kind="yolo")
        job = transfers.check(row)
        assert (job.state, "Cy" in str(transfers.rows(row))) == ("done", True)
        row.refresh_from_db()
        assert row.preview is not None
        assert row.preview["classes"] == {}

    def test_only_what_was_seen_is_imported(self, project: Project) -> None:
        visit = Browser(project, "curator")
        row = visit.upload(ROWS)
        work()
        visit.post(f"imports/{row.pk}/", {"checked": "another", "do": "import"})
        assert "checked again meanwhile" in visit.get(f"imports/{row.pk}/")
        row.refresh_from_db()
        assert row.import_job is None

    def test_nothing_new_offers_no_button(self, project: Project) -> None:
        transfers.imported(project, jsonl({"text": "One."}))
        visit = Browser(project, "curator")
        row = visit.upload(jsonl({"text": "One."}))
        work()
        page = visit.get(f"imports/{row.pk}/")
        assert "1 already here." in page
        assert "There is nothing in the file" in page
        assert 'value="import"' not in page

    def test_a_file_that_cannot_be_read(self, project: Project) -> None:
        visit = Browser(project, "curator")
        row = visit.upload(b"a,a\n1,2\n", "x.csv")
        work()
        page = visit.get(f"imports/{row.pk}/")
        assert "Could not be checked" in page
        assert "more than once" in page

    def test_a_refused_upload_says_why(self, project: Project) -> None:
        visit = Browser(project, "curator")
        answer = visit.post("import/", {"file": SimpleUploadedFile("x.bin", b"\x00"), "format": ""}, status=422)
        assert "which format it has" in answer.content.decode()
        assert not Import.objects.exists()

    def test_who_may_only_look_sees_no_forms(self, project: Project) -> None:
        row = transfers.uploaded(project, ROWS)
        transfers.check(row)
        visit = Browser(project, "viewer")
        assert 'method="post"' not in visit.get().split("<main")[1]
        assert 'method="post"' not in visit.get(f"imports/{row.pk}/").split("<main")[1]

    def test_names_in_a_file_are_shown_as_text(self, project: Project) -> None:
        visit = Browser(project, "curator")
        row = visit.upload(jsonl({"text": "<script>alert(1)</script>", "<b>x</b>": 1}), "<i>.jsonl")
        work()
        page = visit.get(f"imports/{row.pk}/")
        assert "<script>alert" not in page
        assert "<b>x" not in page

    def test_the_fragment_is_a_part_of_the_page(self, project: Project) -> None:
        visit = Browser(project, "curator")
        row = visit.upload(ROWS)
        for path in ("", f"imports/{row.pk}/"):
            fragment = visit.get(path, headers={"HX-Request": "true"})
            assert "<main" not in fragment
            assert fragment.strip() in visit.get(path)


class ExportTests:
    def test_of_a_search(self, project: Project) -> None:
        cases.a_case(project, "one")
        visit = Browser(project, "curator")
        visit.post("export/", {"version": "", "q": "kind:image", "format": "csv"})
        assert "kind:image" in visit.get()
        work()
        page = visit.get()
        assert "Ready" in page
        assert f"/exports/{Export.objects.get().pk}/download/" in page
        found = visit.client.get(f"/api/v1/projects/{project.slug}/exports/{Export.objects.get().pk}/download/")
        assert b"".join(found.streaming_content).startswith(b"key,")

    def test_of_a_version_with_pictures(self, project: Project) -> None:
        version = testsets.a_version(project, [testsets.a_case(project)])
        Browser(project, "curator").post("export/", {"version": str(version), "q": "", "format": "jsonl", "pictures": "on"})
        export = Export.objects.get()
        assert (export.version, export.q, export.media) == (version, None, True)

    def test_a_wrong_search_says_so_at_its_field(self, project: Project) -> None:
        answer = Browser(project, "curator").post("export/", {"version": "", "q": "colour:red", "format": "csv"}, status=422)
        assert "colour" in answer.content.decode()
        assert not Export.objects.exists()

    def test_who_may_not_see_originals_is_not_offered_them(self, project: Project) -> None:
        page = Browser(project, "auditor").get()
        assert "Make the export" in page
        assert 'name="pictures"' not in page
        assert "Import a file" not in page
