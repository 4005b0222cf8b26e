"""The Upload page: what it shows runs as it stands, what came in is said with the reason, and tokens can be changed over."""

import html
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from hardcases.cases.models import Case
from hardcases.models import ApiToken
from hardcases.projects.documents import document_of
from hardcases.projects.models import Project
from hardcases.projects.permissions import Role
from hardcases.projects.snippets import Place, snippets
from tests.builders.cases import a_picture
from tests.builders.http import Api
from tests.builders.people import a_member, a_project, a_token, bearer

AWKWARD = ["normal", 'it\'s "odd" & <new>']


def text_of(response: Any) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", response.content.decode())))


def snippet(page: str, code: str) -> str:
    found = re.search(rf'<pre id="snippet-{code}"[^>]*>(.*?)</pre>', page, re.DOTALL)
    assert found is not None
    return html.unescape(found[1])


@pytest.mark.django_db(transaction=True)
class SnippetTests:
    @pytest.fixture
    def shown(
        self, live_server: Any, settings: Any, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> Callable[[str], str]:
        """The text of a tab of the page on which a token was just made; a picture and a folder lie where it runs."""
        settings.PUBLIC_URL = live_server.url
        project = a_project(classes=AWKWARD, positive_class=AWKWARD[1])
        client.force_login(project.owner)
        page = client.post(f"/p/{project.slug}/upload/", {"name": "camera", "scopes": ["report"], "days": "30"}).content.decode()
        monkeypatch.chdir(tmp_path)
        Path("picture.png").write_bytes(a_picture())
        Path("failures").mkdir()
        for name in "ab":
            Path("failures", f"{name}.png").write_bytes(a_picture(name))
        return lambda code: snippet(page, code)

    def run(self, *command: str, **environment: str) -> str:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=os.environ | environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def arrived(self, count: int = 1) -> Case:
        assert Case.objects.count() == count
        case = Case.objects.first()
        assert case is not None
        assert (case.quarantine, case.reason, case.attributes) == ([], "user_disagreed", {"site": "…"})
        return case

    def test_curl(self, shown: Callable[[str], str]) -> None:
        if shutil.which("curl") is None:
            pytest.skip("curl is missing.")
        assert '"key": "XR-1"' in self.run("bash", "-c", shown("curl")).replace('":"', '": "')
        assert self.arrived().prediction == {"label": AWKWARD[1]}
        self.run("bash", "-c", shown("curl"))
        assert self.arrived().sightings_count == 1  # the same key: the same answer

    def test_python(self, shown: Callable[[str], str], tmp_path: Path) -> None:
        self.run(sys.executable, "-c", shown("python"), XDG_STATE_HOME=str(tmp_path / "state"))
        assert self.arrived().prediction == {"label": AWKWARD[1]}

    def test_node(self, shown: Callable[[str], str]) -> None:
        if shutil.which("node") is None:
            pytest.skip("Node is missing.")
        Path("send.mjs").write_text(shown("node"))
        assert self.run("node", "send.mjs").startswith("201 ")
        assert self.arrived().prediction == {"label": AWKWARD[1]}

    def test_java(self, shown: Callable[[str], str]) -> None:
        if shutil.which("java") is None or shutil.which("javac") is None:
            pytest.skip("Java is missing.")
        Path("Send.java").write_text(shown("java"))
        assert self.run("java", "Send.java").startswith("201 ")
        assert self.arrived().prediction == {"label": AWKWARD[1]}

    def test_cli(self, shown: Callable[[str], str]) -> None:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.run("bash", "-c", shown("cli"), PATH=path)
        self.arrived(2)

    def test_folder(self, shown: Callable[[str], str]) -> None:
        if shutil.which("curl") is None:
            pytest.skip("curl is missing.")
        self.run("bash", "-c", shown("folder"))
        self.arrived(2)

    def test_the_redaction_hook_is_a_program(self, shown: Callable[[str], str]) -> None:
        compile(shown("redaction"), "hook", "exec")


@pytest.mark.django_db
@pytest.mark.parametrize(
    "columns",
    [
        {"task": "regression", "classes": [], "positive_class": None},
        {"task": "multilabel", "positive_class": None},
        {"task": "detection", "positive_class": None},
        {"attributes": []},
    ],
)
def test_what_is_shown_fits_the_project(columns: dict[str, Any]) -> None:
    project = a_project(**columns)
    (curl, *_) = snippets(Place("http://x", project.slug, None), document_of(project))
    said = re.search(r"'case=(.*)'", curl.text)
    assert said is not None
    answer = Api(project).upload(a_picture(), said[1])
    assert (answer.status_code, answer.json()["quarantine"]) == (201, [])
    assert "hc_…" in curl.text


@pytest.mark.django_db
class ReceivedTests:
    @pytest.fixture
    def project(self, client: Client) -> Project:
        project = a_project()
        client.force_login(project.owner)
        return project

    def last(self, client: Client, project: Project) -> str:
        return text_of(client.get(f"/p/{project.slug}/upload/last/"))

    def test_it_waits_and_then_says_what_came(self, client: Client, project: Project) -> None:
        assert "Waiting for your first case…" in self.last(client, project)
        api = Api(project, "report")
        api.upload(a_picture(), {"prediction": {"scores": {"nodule": "0,07"}}})
        api.upload(a_picture())
        api.batch([{"file": "a"}, {"file": "b"}], {"a": a_picture("a"), "b": a_picture()})
        api.upload(a_picture("c"), {"tags": "night"})
        said = self.last(client, project)
        assert "Received XR-2" in said
        assert "201 new: XR-1 · set aside: `prediction.scores.nodule`: A score is a number. You sent the text “0,07”." in said
        assert "200 the same again: XR-1" in said
        assert "207 a batch: 1 new, 1 there already" in said
        assert "422 `tags`: Expected a list of items" in said
        assert said.count(" test ") == 4  # the name of the token

    def test_twenty_lines_newest_first(self, client: Client, project: Project) -> None:
        api = Api(project)
        for number in range(25):
            api.upload(a_picture(str(number)) if number % 2 else b"x")
        lines = client.get(f"/p/{project.slug}/upload/last/").context["lines"]
        assert len(lines) == 20
        assert lines == sorted(lines, key=lambda line: line.at, reverse=True)

    def test_a_test_case_is_one_button_away(self, client: Client, project: Project) -> None:
        assert "Send a test case" in text_of(client.get(f"/p/{project.slug}/upload/"))
        page = client.post(f"/p/{project.slug}/upload/test/", follow=True)
        assert "arrived as XR-1" in text_of(page)
        case = Case.objects.get()
        assert (case.reason, case.tags) == ("test_upload", ["test"])
        viewer = Client()
        viewer.force_login(a_member(project, Role.VIEWER))
        assert "Send a test case" not in text_of(viewer.get(f"/p/{project.slug}/upload/"))
        assert viewer.post(f"/p/{project.slug}/upload/test/").status_code == 403

    def test_limits_are_those_of_the_settings(self, client: Client, project: Project, settings: Any) -> None:
        settings.LIMIT_TOKEN_REQUESTS = 1_234
        assert "1,234 requests and 5 GB of new content in 10 seconds" in text_of(client.get(f"/p/{project.slug}/upload/"))


@pytest.mark.django_db
class TokenTests:
    def test_the_list_counts_what_each_has_sent(self, client: Client) -> None:
        project = a_project()
        client.force_login(project.owner)
        api = Api(project, "report")
        for _ in range(2):
            api.upload(a_picture())
        a_token(project, "read")
        page = client.get(f"/p/{project.slug}/upload/")
        assert sorted(entry["sent"] for entry in page.context["tokens"]) == [0, 2]

    def test_replacing_gives_a_new_one_and_a_day_for_the_old(self, client: Client) -> None:
        project = a_project()
        client.force_login(project.owner)
        old = a_token(project, "report", "read", days=30)
        row = ApiToken.objects.get()
        page = client.post(f"/p/{project.slug}/tokens/{row.pk}/replace/")
        new = re.search(r"hc_\w{36}", page.content.decode())
        assert new is not None
        assert page["Cache-Control"] == "no-store"
        for token in (old, new[0]):
            assert Client().get("/api/v1/whoami/", headers=bearer(token)).json()["scopes"] == ["report", "read"]
        row.refresh_from_db()
        assert timedelta(hours=23) < row.expires_at - timezone.now() <= timedelta(hours=24)
        fresh = ApiToken.objects.exclude(pk=row.pk).get()
        assert (fresh.name, round((fresh.expires_at - fresh.created_at) / timedelta(days=1))) == (row.name, 30)
        assert new[0] not in client.get(f"/p/{project.slug}/upload/").content.decode()
        assert client.get(f"/p/{project.slug}/tokens/{row.pk}/replace/").status_code == 302

    def test_what_no_longer_works_is_not_replaced(self, client: Client) -> None:
        project = a_project()
        client.force_login(project.owner)
        a_token(project, "report")
        row = ApiToken.objects.get()
        client.post(f"/p/{project.slug}/tokens/{row.pk}/revoke/")
        page = client.post(f"/p/{project.slug}/tokens/{row.pk}/replace/", follow=True)
        assert "no longer works" in text_of(page)
        assert ApiToken.objects.count() == 1

    def test_others_tokens_are_their_own(self, client: Client) -> None:
        project = a_project()
        a_token(project, "report")
        client.force_login(a_member(project, Role.ENGINEER))
        assert client.post(f"/p/{project.slug}/tokens/{ApiToken.objects.get().pk}/replace/").status_code == 404
