"""Models over REST: register, again, with a file, and what serves."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import DatabaseError, connection, transaction

from evaluation.demo import story
from evaluation.registry.access import model_version_for
from evaluation.registry.models import ProductionMark, Replicate
from hardcases.blobs.store import get_store
from hardcases.errors import NotFound
from hardcases.projects.models import Project
from hardcases.projects.permissions import Role
from tests.builders import people
from tests.builders.http import Api, a_token, problem

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return people.a_project()


@pytest.fixture
def api(project: Project) -> Api:
    found = Api(project)
    assert found.post("models/", {"slug": "nodule-net", "name": "Nodule net"}).status_code == 201
    return found


def onnx(api: Api, document: dict[str, object], file: bytes, **parts: object) -> object:
    body = {"version": json.dumps(document), "model": SimpleUploadedFile("model.onnx", file), **parts}
    return api.client.post(api.url("models/nodule-net/versions/"), body, headers=api.headers)


class RegisterTests:
    def test_same_model_again_is_200_and_another_name_409(self, api: Api) -> None:
        assert api.post("models/", {"slug": "nodule-net", "name": "Nodule net"}).status_code == 200
        problem(api.post("models/", {"slug": "nodule-net", "name": "Other"}), 409)
        assert [row["slug"] for row in api.get("models/").json()["results"]] == ["nodule-net"]

    def test_version_defaults_to_replicate_0_of_kind_uploaded(self, api: Api) -> None:
        answer = api.post("models/nodule-net/versions/", {"version": "3.2.0"})
        assert answer.status_code == 201
        body = answer.json()
        assert (body["name"], body["replicates"][0]["replicate"]) == ("nodule-net@3.2.0", 0)
        assert body["replicates"][0]["adapter"] == {"kind": "uploaded"}
        assert api.client.get(answer["Location"], headers=api.headers).json()["version"] == "3.2.0"

    def test_equal_document_is_200_and_other_content_409(self, api: Api) -> None:
        document = {"version": "1", "seed": 4, "provenance": {"code": {"commit": "abc"}, "anything": ["kept"]}}
        assert api.post("models/nodule-net/versions/", document).status_code == 201
        assert api.post("models/nodule-net/versions/", document).status_code == 200
        problem(api.post("models/nodule-net/versions/", document | {"seed": 5}), 409)
        assert api.post("models/nodule-net/versions/", document | {"replicate": 1, "seed": 5}).status_code == 201
        assert Replicate.objects.get(number=0).provenance == document["provenance"]

    def test_every_fault_of_a_document_is_named(self, api: Api) -> None:
        document = {
            "version": "production",
            "replicate": -1,
            "colour": "red",
            "adapter": {"kind": "onnx", "input": {"mode": "CMYK", "std": 0}},
            "provenance": {"code": [], "data": [{"sha256": "x"}]},
        }
        body = problem(api.post("models/nodule-net/versions/", document), 422)
        assert {item["pointer"] for item in body["errors"]} == {
            "/version",
            "/replicate",
            "/colour",
            "/adapter/input/mode",
            "/adapter/input/std",
            "/provenance/code",
            "/provenance/data/0/name",
            "/provenance/data/0/sha256",
        }
        assert not Replicate.objects.exists()

    @pytest.mark.parametrize("body", [[], '"x"', 3, None])
    def test_body_that_is_no_object(self, api: Api, body: object) -> None:
        problem(api.post("models/nodule-net/versions/", body), 422)

    def test_file_is_stored_under_its_digest(self, api: Api) -> None:
        file = story.model_versions()[0].artefact.read_bytes()
        training = SimpleUploadedFile("training.txt", f"{'A' * 64}  one.png\n\n{'b' * 64}\n".encode())
        answer = onnx(api, {"version": "1", "adapter": {"kind": "onnx"}}, file, **{"training.txt": training})
        assert answer.status_code == 201, answer.content  # type: ignore[attr-defined]
        row = Replicate.objects.get()
        assert get_store().read(str(row.artefact_sha256)) == file
        assert get_store().read(str(row.training_digests_sha256)).decode() == f"{'a' * 64}\n{'b' * 64}\n"

    def test_file_and_adapter_must_agree(self, api: Api) -> None:
        problem(api.post("models/nodule-net/versions/", {"version": "1", "adapter": {"kind": "onnx"}}), 422)
        problem(onnx(api, {"version": "1"}, b"x"), 422)
        assert not Replicate.objects.exists()

    def test_unknown_model_and_foreign_project(self, api: Api) -> None:
        problem(api.post("models/absent/versions/", {"version": "1"}), 404)
        other = Api(people.a_project(), token=a_token(api.project))
        problem(other.get("models/"), 404)

    def test_scope(self, project: Project) -> None:
        problem(Api(project, "read").post("models/", {"slug": "x"}), 403)


class ProductionTests:
    def test_marks_are_kept_and_the_newest_counts(self, api: Api) -> None:
        for version in ("1", "2"):
            api.post("models/nodule-net/versions/", {"version": version})
        with pytest.raises(NotFound):
            model_version_for(api.project, "nodule-net@production")
        assert str(model_version_for(api.project, "nodule-net")) == "nodule-net@2"
        for version in ("1", "2", "2", "1"):
            assert api.post(f"models/nodule-net/versions/{version}/production/", {}).status_code == 200
        assert str(model_version_for(api.project, "nodule-net@production")) == "nodule-net@1"
        assert [str(mark.model_version) for mark in ProductionMark.objects.select_related("model_version__model")] == [
            "nodule-net@1",
            "nodule-net@2",
            "nodule-net@1",
        ]
        assert api.get("models/nodule-net/versions/production/").json()["version"] == "1"
        assert [row["in_production"] for row in api.get("models/nodule-net/versions/").json()["results"]] == [False, True]

    def test_engineer_may_not_mark(self, project: Project) -> None:
        engineer = people.a_member(project, Role.ENGINEER)
        api = Api(project, token=a_token(project, maker=engineer))
        api.post("models/", {"slug": "net"})
        api.post("models/net/versions/", {"version": "1"})
        problem(api.post("models/net/versions/1/production/", {}), 403)

    @pytest.mark.parametrize("table", ["evaluation_replicate", "evaluation_modelversion", "evaluation_productionmark"])
    @pytest.mark.parametrize("statement", ["UPDATE {} SET id = id", "DELETE FROM {}"])
    def test_database_refuses_change(self, api: Api, table: str, statement: str) -> None:
        api.post("models/nodule-net/versions/", {"version": "1"})
        api.post("models/nodule-net/versions/1/production/", {})
        with pytest.raises(DatabaseError, match="never changed"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement.format(table))
