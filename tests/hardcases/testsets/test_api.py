"""Test sets over REST, from an empty draft to a verified manifest."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from hardcases.audit.models import AuditEvent
from hardcases.cases.models import Case
from hardcases.projects.models import Project
from hardcases.projects.permissions import Scope
from hardcases.testsets import tree
from hardcases.testsets.models import Version
from tests.builders import people
from tests.builders import testsets as build
from tests.builders.http import Api, problem

pytestmark = pytest.mark.django_db
DOCS = Path(__file__).resolve().parents[3] / "docs" / "verify-a-manifest.md"


@pytest.fixture
def project() -> Project:
    return people.a_project()


@pytest.fixture
def api(project: Project) -> Api:
    return Api(project)


def created(api: Api, slug: str = "hard") -> str:
    answer = api.post("test-sets/", {"slug": slug, "purpose": "The hard ones"})
    assert answer.status_code == 201, answer.content
    return f"test-sets/{slug}/"


def drafted(api: Api, path: str, **body: Any) -> dict[str, Any]:
    answer = api.post(f"{path}draft/", body)
    assert answer.status_code == 200, answer.content
    result: dict[str, Any] = answer.json()
    return result


def frozen(api: Api, path: str, reason: str = "because") -> dict[str, Any]:
    answer = api.post(f"{path}versions/", {"reason": reason})
    assert answer.status_code == 201, answer.content
    result: dict[str, Any] = answer.json()
    return result


def manifest(api: Api, path: str, number: int) -> bytes:
    answer = api.get(f"{path}versions/{number}/manifest/")
    assert answer["Content-Type"] == "application/x-ndjson"
    return b"".join(answer.streaming_content)


class TestSetTests:
    def test_is_created_once(self, api: Api) -> None:
        created(api)
        assert problem(api.post("test-sets/", {"slug": "hard"}), 409)["type"] == "urn:hardcases:slug_taken"
        assert [found["slug"] for found in api.get("test-sets/").json()["results"]] == ["hard"]
        assert api.get("test-sets/hard/").json()["newest"] is None

    def test_the_same_request_again_is_answered_with_the_same(self, api: Api) -> None:
        first, again = (api.post("test-sets/", {"slug": "hard"}, key="k1") for _ in range(2))
        assert (first.status_code, again.status_code) == (201, 201)
        assert first.json() == again.json()
        assert again["Idempotency-Replayed"] == "true"

    @pytest.mark.parametrize(
        "body", [{}, {"slug": "two words"}, {"slug": "x" * 65}, {"slug": "a", "colour": "red"}, [], '"text"', {"slug": None}]
    )
    def test_refuses_a_body_it_does_not_understand(self, api: Api, body: Any) -> None:
        problem(api.post("test-sets/", body), 422)

    def test_needs_the_scope(self, project: Project) -> None:
        problem(Api(project, Scope.READ).post("test-sets/", {"slug": "hard"}), 403)

    @pytest.mark.parametrize("path", ["", "draft/", "versions/", "versions/1/", "versions/1/manifest/", "diff/1..2/"])
    def test_what_is_not_there_is_404(self, api: Api, path: str) -> None:
        problem(api.get(f"test-sets/none/{path}"), 404)

    def test_of_another_project_is_404(self, api: Api) -> None:
        version = build.a_version(other := people.a_project(), [build.a_case(other)])
        problem(api.get(f"test-sets/{version.test_set.slug}/versions/1/"), 404)
        foreign = build.a_case(other)
        Case.objects.filter(pk=foreign.pk).update(number=987)
        assert drafted(api, created(api), add=["XR-987"])["errors"] == [
            {"case": "XR-987", "detail": "There is no case of this key in the project."}
        ]

    @pytest.mark.parametrize("number", ["0", "2", "99999999999999999999999"])
    def test_a_number_that_is_no_version_is_404(self, api: Api, number: str) -> None:
        problem(api.get(f"{created(api)}versions/{number}/"), 404)


class DraftTests:
    def test_adding_accepts_a_case_and_answers_what_happened(self, api: Api, project: Project) -> None:
        path = created(api)
        waiting, declined = build.a_case(project, state="inbox"), build.a_case(project, state="declined")
        answer = drafted(api, path, add=[waiting.key, waiting.key, declined.key, "XR-999", "nonsense"])
        assert (answer["added"], answer["removed"]) == (1, 0)
        assert sorted(error["case"] for error in answer["errors"]) == sorted([declined.key, "XR-999", "nonsense"])
        waiting.refresh_from_db()
        assert (waiting.state, AuditEvent.objects.filter(action="case.accepted").count()) == ("accepted", 1)
        assert drafted(api, path, add=[waiting.key])["added"] == 0

    def test_takes_queries(self, api: Api, project: Project) -> None:
        path = created(api)
        for site in ("a", "a", "b"):
            build.a_case(project, site=site)
        build.a_case(project, site="a", state="declined")
        answer = drafted(api, path, add={"q": "site:a"})
        assert answer["added"] == 2
        assert answer["errors"][0]["case"] is None
        assert drafted(api, path, add={"q": "site:b"}, remove={"q": "site:a"}) == {"added": 1, "removed": 2, "errors": []}
        problem(api.post(f"{path}draft/", {"add": {"q": "nonsense:1"}}), 400)

    def test_what_is_taken_back_leaves_no_change(self, api: Api, project: Project) -> None:
        path, case = created(api), build.a_case(project)
        drafted(api, path, add=[case.key])
        frozen(api, path)
        drafted(api, path, remove=[case.key])
        assert api.get(f"{path}draft/").json()["removes"] == 1
        drafted(api, path, add=[case.key])
        problem(api.post(f"{path}versions/", {"reason": "none"}), 409)
        assert drafted(api, path, remove=["XR-999"])["errors"][0]["case"] == "XR-999"

    @pytest.mark.parametrize("body", [{}, {"add": "all"}, {"add": [1]}, {"add": {"q": 1}}, {"add": {"q": "a", "r": 1}}, {"drop": []}])
    def test_refuses_a_body_it_does_not_understand(self, api: Api, body: Any) -> None:
        problem(api.post(f"{created(api)}draft/", body), 422)

    def test_readiness(self, api: Api, project: Project) -> None:
        assert api.post("strata/", {"slug": "portable", "name": "Portable", "q": "portable:true", "minimum": 2}).status_code == 201
        path = created(api)
        bare = build.a_case(project, label=None, portable=True)
        drafted(api, path, add=[bare.key, build.a_case(project).key])
        state = api.get(f"{path}draft/").json()
        assert (state["base"], state["cases"], state["adds"], state["ready"]) == (None, 2, 2, False)
        assert state["unlabelled"] == {"count": 1, "cases": [bare.key]}
        assert state["strata"] == [{"slug": "portable", "cases": 1, "minimum": 2, "large_enough": False}]
        refusal = problem(api.post(f"{path}versions/", {"reason": "try"}), 409)
        assert [error["pointer"] for error in refusal["errors"]] == [f"/cases/{bare.key}"]
        build.relabel(bare, "nodule")
        assert api.get(f"{path}draft/").json()["ready"] is True

    def test_strata_count_what_stays_and_what_comes(self, api: Api, project: Project) -> None:
        assert api.post("strata/", {"slug": "portable", "name": "Portable", "q": "portable:true"}).status_code == 201
        path = created(api)
        one, two, three = (build.a_case(project, portable=True) for _ in range(3))
        other, outside = build.a_case(project, portable=False), build.a_case(project, portable=True)
        drafted(api, path, add=[one.key, two.key, other.key])
        frozen(api, path, "start")

        def portable() -> int:
            (stratum,) = api.get(f"{path}draft/").json()["strata"]
            return int(stratum["cases"])

        assert portable() == 2
        drafted(api, path, add=[three.key], remove=[one.key])
        assert portable() == 2
        drafted(api, path, remove=[two.key])
        assert portable() == 1
        drafted(api, path, add=[one.key, outside.key])
        assert portable() == 3


class VersionTests:
    def test_is_frozen_listed_and_compared(self, api: Api, project: Project) -> None:
        path = created(api)
        one, two, three, four = (build.a_case(project, site="a") for _ in range(4))
        drafted(api, path, add=[one.key, two.key, three.key])
        first = frozen(api, path, "start")
        assert {name: first[name] for name in ("number", "cases", "added", "removed", "changed")} == {
            "number": 1, "cases": 3, "added": 3, "removed": 0, "changed": 0
        }  # fmt: skip
        drafted(api, path, add=[four.key], remove=[one.key])
        build.relabel(two, "nodule")
        Case.objects.filter(pk=three.pk).update(attributes={"site": "b"})
        second = frozen(api, path, "more")
        assert (second["name"], second["changed"]) == ("hard@2", 2)
        assert [version["number"] for version in api.get(f"{path}versions/").json()["results"]] == [2, 1]
        detail = api.get(f"{path}versions/2/").json()
        assert (detail["header"]["parent"], detail["erased"]) == (first["digest"], 0)
        forth, back = (api.get(f"{path}diff/{a}..{b}/").json() for a, b in ((1, 2), (2, 1)))
        assert forth["counts"] == {"added": 1, "removed": 1, "changed": 2, "answers_changed": 1}
        assert (forth["added"], forth["removed"]) == (back["removed"], back["added"]) == ([four.key], [one.key])
        assert forth["changed"][0] == {
            "case": two.key, "answer": {"from": {"label": "normal"}, "to": {"label": "nodule"}}, "attributes": False, "strata": None
        }  # fmt: skip
        assert forth["changed"][1]["attributes"] is True

    def test_freezing_with_a_key_twice_makes_one_version(self, api: Api, project: Project) -> None:
        path = created(api)
        drafted(api, path, add=[build.a_case(project).key])
        first, again = (api.post(f"{path}versions/", {"reason": "r"}, key="freeze") for _ in range(2))
        assert first.json() == again.json()
        assert Version.objects.count() == 1

    @pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": "x" * 501}, {"reason": "x", "number": 7}])
    def test_needs_a_reason(self, api: Api, body: Any) -> None:
        problem(api.post(f"{created(api)}versions/", body), 422)


class ManifestTests:
    def recipe(self, tmp_path: Path) -> Path:
        block = re.search(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
        assert block
        script = tmp_path / "verify_manifest.py"
        script.write_text(block[1], encoding="utf-8")
        return script

    def verify(self, tmp_path: Path, data: bytes, digest: str) -> int:
        (tmp_path / "manifest.jsonl").write_bytes(data)
        command = [sys.executable, "-I", str(self.recipe(tmp_path)), str(tmp_path / "manifest.jsonl"), digest]
        return subprocess.run(command, capture_output=True, check=False, timeout=60).returncode

    def test_the_published_recipe_verifies_every_line(self, api: Api, project: Project, tmp_path: Path) -> None:
        path = created(api)
        cases = [build.a_case(project, site=f"s{n % 3}") for n in range(20)]
        drafted(api, path, add=[case.key for case in cases])
        first = frozen(api, path)
        drafted(api, path, remove=[cases[0].key])
        second = frozen(api, path)
        for version, size in ((first, 20), (second, 19)):
            data = manifest(api, path, version["number"])
            lines = data.splitlines(keepends=True)
            assert len(lines) == size + 1
            assert self.verify(tmp_path, data, version["digest"]) == 0
        assert self.verify(tmp_path, data, first["digest"]) == 1
        for index in (0, 1, 19):
            changed = lines[index].replace(b"1", b"2", 1) if index == 0 else lines[index].replace(b'"revision":1', b'"revision":2')
            assert changed != lines[index]
            assert self.verify(tmp_path, b"".join([*lines[:index], changed, *lines[index + 1 :]]), second["digest"]) == 1
        assert self.verify(tmp_path, b"".join(lines[:-1]), second["digest"]) == 1
        assert self.verify(tmp_path, b"".join([lines[0], *lines[:0:-1]]), second["digest"]) == 0  # the order of lines proves nothing

    def test_is_canonical_and_the_same_at_every_download(self, api: Api, project: Project) -> None:
        path = created(api)
        drafted(api, path, add=[build.a_case(project).key for _ in range(5)])
        frozen(api, path)
        data = manifest(api, path, 1)
        buckets = [tree.bucket(UUID(json.loads(line)["uid"])) for line in data.splitlines()[1:]]
        assert buckets == sorted(buckets)
        Case.objects.update(attributes={"site": "later"})
        assert manifest(api, path, 1) == data


class StratumTests:
    def test_is_named_listed_and_searched(self, api: Api, project: Project) -> None:
        answer = api.post("strata/", {"slug": "portable", "name": "Portable", "q": "portable:true"})
        assert answer.json()["id"] == "stratum:portable"
        assert [found["slug"] for found in api.get("strata/").json()["results"]] == ["portable"]
        problem(api.post("strata/", {"slug": "portable", "name": "Again", "q": "portable:true"}), 409)
        case = build.a_case(project, portable=True)
        build.a_case(project, portable=False)
        assert [found["key"] for found in api.get("cases/", q="stratum:portable").json()["results"]] == [case.key]
        problem(api.get("cases/", q="stratum:none"), 400)

    @pytest.mark.parametrize("q", ["since:7d", "sightings:>3", "stratum:x", "night", "", "external_id:a"])
    def test_refuses_a_rule_that_moves_by_itself(self, api: Api, q: str) -> None:
        assert api.post("strata/", {"slug": "s", "name": "S", "q": q}).status_code in {400, 422}

    def test_refuses_a_rule_it_cannot_read(self, api: Api) -> None:
        problem(api.post("strata/", {"slug": "s", "name": "S", "q": "nonsense:1"}), 400)
