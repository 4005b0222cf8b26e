"""Runs over REST, from the start to the report."""

import hashlib
import io

import pyarrow.parquet as pq
import pytest

from hardcases.projects.models import Project
from hardcases.testsets.models import Version
from tests.builders import people
from tests.builders import runs as build
from tests.builders.http import Api, problem

pytestmark = pytest.mark.django_db
LABELS = ("normal", "nodule") * 10
KEYS = [f"XR-{number}" for number in range(1, 21)]
SCORES = [0.1, 0.9] * 10


class Scene:
    """A project with a frozen version, a baseline and a candidate whose predictions come as files."""

    def __init__(self) -> None:
        self.project: Project = people.a_project()
        self.version: Version = build.a_version(self.project, LABELS)
        self.model = build.a_model(self.project, "net")
        for version in ("1", "2"):
            build.a_replicate(self.model, version)
        self.api = Api(self.project)

    def start(self, version: str = "2", **body: object) -> dict[str, object]:
        answer = self.api.post("runs/", {"model": f"net@{version}", "test_set": str(self.version), **body})
        assert answer.status_code == 202, answer.content
        assert answer["Location"] == f"/api/v1/projects/{self.project.slug}/runs/{answer.json()['id']}/"
        found: dict[str, object] = answer.json()
        return found

    def put(self, run: object, body: bytes, kind: str = "text/csv", query: str = "") -> object:
        url = self.api.url(f"runs/{run}/predictions/{query}")
        return self.api.client.put(url, body, content_type=kind, headers=self.api.headers)

    def finished(self, version: str, scores: list[float], **body: object) -> object:
        run = self.start(version, **body)["id"]
        assert self.put(run, build.csv(KEYS, scores)).status_code == 200  # type: ignore[attr-defined]
        build.work()
        return run


@pytest.fixture
def scene() -> Scene:
    return Scene()


class RunTests:
    def test_from_start_to_report(self, scene: Scene) -> None:
        run = scene.start()
        assert (run["state"], run["waiting_for"], run["cases"]) == ("queued", [0], 20)
        problem(scene.api.get(f"runs/{run['id']}/report/"), 409)
        body = build.csv(KEYS, SCORES)
        answer = scene.put(run["id"], body)
        assert answer.json() == {"rows": 20, "sha256": hashlib.sha256(body).hexdigest()}  # type: ignore[attr-defined]
        build.work()
        whole = scene.api.get(f"runs/{run['id']}/").json()
        assert (whole["state"], whole["coverage"], whole["done"], whole["total"]) == ("succeeded", 1.0, 20, 20)
        report = scene.api.get(f"runs/{run['id']}/report/").json()
        assert report["verdict"] is None
        assert {entry["stratum"] for entry in report["metrics"]} >= {"all", "class=normal", "class=nodule"}
        assert report["sanity"] == [] or all("code" in item for item in report["sanity"])

    def test_flips_and_their_pages(self, scene: Scene) -> None:
        scene.finished("1", SCORES)
        run = scene.finished("2", [1 - score for score in SCORES], baseline="net@1")
        first = scene.api.get(f"runs/{run}/cases/", outcome="newly_wrong", stratum="class=nodule", limit=6).json()
        assert first["total"] == 10
        assert {row["label"] for row in first["results"]} == {"nodule"}
        assert first["results"][0]["candidate"] == {"label": "normal", "score": None, "right": False, "why": None}
        second = scene.api.get(f"runs/{run}/cases/", outcome="newly_wrong", stratum="class=nodule", limit=6, cursor=first["next"]).json()
        assert (len(second["results"]), second["next"]) == (4, None)
        problem(scene.api.get(f"runs/{run}/cases/", outcome="sideways"), 400)
        problem(scene.api.get(f"runs/{run}/cases/", stratum="site=mars"), 404)
        problem(scene.api.get(f"runs/{run}/cases/", colour="red"), 400)
        problem(scene.api.get(f"runs/{run}/cases/", cursor="x"), 400)

    def test_download(self, scene: Scene) -> None:
        run = scene.finished("2", SCORES)
        answer = scene.api.get(f"runs/{run}/predictions/", format="parquet")
        table = pq.read_table(io.BytesIO(b"".join(answer)))
        assert table.column("case").to_pylist() == KEYS
        assert table.column("decided").to_pylist() == list(LABELS)
        problem(scene.api.get(f"runs/{run}/predictions/", replicate=3), 404)

    def test_faults_of_a_file_are_listed(self, scene: Scene) -> None:
        run = scene.start()["id"]
        body = problem(scene.put(run, b"case,score:nodule\nXR-1,inf\nXR-1,0.3\n"), 422)
        assert body["errors"][0]["pointer"] == "/rows/0"
        assert len(body["errors"]) == 21
        problem(scene.put(run, b"\n", "text/csv"), 422)
        problem(scene.put(run, b"x", "image/png"), 415)
        problem(scene.put(run, b"x", query="?missing=perhaps"), 400)
        problem(scene.put(run, b"x", query="?replicate=7"), 404)
        assert scene.api.get(f"runs/{run}/").json()["waiting_for"] == [0]

    def test_other_bytes_after_the_start_are_409(self, scene: Scene) -> None:
        run = scene.finished("2", SCORES)
        assert scene.put(run, build.csv(KEYS, SCORES)).status_code == 200  # type: ignore[attr-defined]
        problem(scene.put(run, build.csv(KEYS, [0.5] * 20)), 409)

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            ({"model": "net@9"}, 404),
            ({"model": "absent@1"}, 404),
            ({"test_set": "absent@1"}, 404),
            ({"baseline": "net@1"}, 409),
            ({"baseline": "net@2"}, 422),
            ({"replicates": [4]}, 422),
            ({"replicates": []}, 422),
            ({"plan": {"shifted": ["brightness"]}}, 422),
            ({"colour": "red"}, 422),
            ({"model": None}, 422),
        ],
    )
    def test_what_is_refused(self, scene: Scene, body: dict[str, object], status: int) -> None:
        problem(scene.api.post("runs/", {"model": "net@2", "test_set": str(scene.version)} | body), status)
        assert scene.api.get("runs/").json()["results"] == []

    def test_cancel_and_retry(self, scene: Scene) -> None:
        run = scene.start()["id"]
        problem(scene.api.post(f"runs/{run}/retry/", {}), 409)
        assert scene.api.post(f"runs/{run}/cancel/", {}).json()["state"] == "cancelled"
        assert scene.api.post(f"runs/{run}/cancel/", {}).json()["state"] == "cancelled"
        again = scene.api.post(f"runs/{run}/retry/", {})
        assert (again.status_code, again.json()["retry_of"], again.json()["waiting_for"]) == (202, run, [0])
        problem(scene.put(run, build.csv(KEYS, SCORES)), 409)
        assert [row["id"] for row in scene.api.get("runs/", state="cancelled").json()["results"]] == [run]

    def test_one_key_starts_one_run(self, scene: Scene) -> None:
        body = {"model": "net@2", "test_set": str(scene.version)}
        one, other = (scene.api.post("runs/", body, key="k-1") for _ in range(2))
        assert one.json() == other.json()
        assert other["Idempotency-Replayed"] == "true"
        assert len(scene.api.get("runs/").json()["results"]) == 1

    def test_http_adapter_is_registered_but_not_run(self, scene: Scene) -> None:
        build.a_replicate(scene.model, "3", adapter={"kind": "http", "url": "http://model:8080/predict"})
        body = problem(scene.api.post("runs/", {"model": "net@3", "test_set": str(scene.version)}), 422)
        assert "not available yet" in body["detail"]

    def test_run_of_another_project_is_404(self, scene: Scene) -> None:
        scene.start()
        problem(Api(people.a_project()).get("runs/1/"), 404)
        problem(scene.api.get("runs/99999999999999999999/"), 404)
