"""Pages of models and runs, as a person sees them."""

import re

import pytest
from django.test import Client

from evaluation.registry import actions as registry
from evaluation.runs.models import Run
from hardcases.projects.permissions import Role
from tests.builders import people
from tests.builders import runs as build

pytestmark = pytest.mark.django_db
LABELS = ("normal", "nodule") * 10
SCORES = [0.1, 0.9] * 10
KEYS = [f"XR-{number}" for number in range(1, 21)]


class Scene:
    """A signed-in engineer, two model versions with a finished comparison, and one run that waits."""

    def __init__(self) -> None:
        self.project = people.a_project()
        self.version = build.a_version(self.project, LABELS, attributes=[{"site": f"clinic {index % 2}"} for index in range(20)])
        self.model = build.a_model(self.project, "net")
        provenance = {"code": {"commit": "abc123", "repository": "git@example.org:net"}, "packages": {"numpy": "2"}}
        one, two = (
            build.a_replicate(self.model, name, provenance=provenance, intended_choices=[{"name": "depth", "value": 4}]).model_version
            for name in ("1", "2")
        )
        self.base = self.finished(one, SCORES)
        self.run = self.finished(two, [0.9, *SCORES[1:]], baseline=one)
        self.waiting = build.start(two, self.version)
        self.client = Client()
        self.sign_in(Role.ENGINEER)

    def sign_in(self, *roles: Role) -> None:
        self.client.force_login(people.a_member(self.project, *roles))

    def finished(self, version: object, scores: list[float], **options: object) -> Run:
        run = build.start(version, self.version, **options)  # type: ignore[arg-type]
        build.upload(run, build.csv(KEYS, scores))
        build.work()
        run.refresh_from_db()
        return run

    def page(self, path: str, status: int = 200, **headers: str) -> str:
        answer = self.client.get(f"/p/{self.project.slug}/{path}", headers=headers)
        assert answer.status_code == status, answer.content[:800]
        return str(answer.content.decode())


@pytest.fixture
def scene() -> Scene:
    return Scene()


class RunPageTests:
    def test_list(self, scene: Scene) -> None:
        page = scene.page("runs/")
        assert "net@2" in page
        assert "Start a run" in page

    def test_report_says_what_changed_and_links_to_the_cases(self, scene: Scene) -> None:
        page = scene.page(f"runs/{scene.run.number}/")
        assert "1 newly wrong and 0 newly right of 20 cases" in page
        assert "outcome=newly_wrong&amp;stratum=class%3Dnormal" in page
        assert "<svg" in page
        assert "XR-1" in page

    def test_another_metric_in_the_strata_table(self, scene: Scene) -> None:
        assert "Sensitivity" in scene.page(f"runs/{scene.run.number}/?metric=sensitivity")
        assert "class=normal" in scene.page(f"runs/{scene.run.number}/?metric=no-such-metric&colour=red")

    def test_losses_are_no_percentages(self, scene: Scene) -> None:
        page = scene.page(f"runs/{scene.run.number}/?metric=log_loss")
        table = page[page.index('id="strata"') :]
        assert "Change (95% interval)" in table
        rows = table[table.index("<tbody>") : table.index("</table>")]
        assert re.search(r">0[.][0-9]{3} [(][0-9.]+ to [0-9.]+[)]", rows)
        assert "%" not in re.sub(r'href="[^"]*"', "", rows)

    def test_an_interval_that_may_be_too_narrow_says_so_beside_the_number(self, scene: Scene) -> None:
        drawn, plain = (scene.page(f"runs/{scene.run.number}/?metric={name}") for name in ("average_precision", "sensitivity"))
        assert "interval may be too narrow: 10 positive cases" in drawn[drawn.index('id="strata"') :]
        assert "too narrow" not in plain[plain.index('id="strata"') :]

    def test_report_without_baseline(self, scene: Scene) -> None:
        assert "nothing is compared" in scene.page(f"runs/{scene.base.number}/")

    def test_waiting_run_polls_itself(self, scene: Scene) -> None:
        page = scene.page(f"runs/{scene.waiting.number}/")
        assert "Waiting for the predictions of replicate 0" in page
        assert 'hx-trigger="every 2s"' in page
        fragment = scene.page(f"runs/{scene.waiting.number}/", **{"HX-Request": "true"})
        assert fragment.lstrip().startswith("<section")

    def test_fragment_of_an_ended_run_asks_for_the_report(self, scene: Scene) -> None:
        answer = scene.client.get(f"/p/{scene.project.slug}/runs/{scene.run.number}/", headers={"HX-Request": "true"})
        assert answer["HX-Refresh"] == "true"

    def test_gallery(self, scene: Scene) -> None:
        page = scene.page(f"runs/{scene.run.number}/flips/?outcome=newly_wrong&stratum=class%3Dnormal")
        assert "1 case" in page
        words = " ".join(re.sub(r"<[^>]+>", " ", page).split())
        assert "XR-1 label normal 1 normal right 2 nodule (0.90) wrong" in words  # only the positive class came with a score
        scene.page(f"runs/{scene.run.number}/flips/?outcome=sideways", 400)
        scene.page(f"runs/{scene.run.number}/flips/?stratum=site%3Dmars", 404)
        assert "No case of this stratum" in scene.page(f"runs/{scene.run.number}/flips/?outcome=newly_right")

    def test_what_models_said_about_a_case(self, scene: Scene) -> None:
        fragment = scene.page("cases/XR-1/answers/")
        assert "net@1" in fragment
        assert "net@2" in fragment

    def test_start_in_the_browser(self, scene: Scene) -> None:
        form = scene.page(f"runs/new/?model=net%401&test_set={scene.version}")
        assert '<option value="net@1" selected>' in form
        body = {"model": "net@2", "test_set": str(scene.version), "baseline": "net@1"}
        answer = scene.client.post(f"/p/{scene.project.slug}/runs/new/", body)
        assert answer.status_code == 302
        assert Run.objects.get(number=int(answer["Location"].split("/")[-2])).baseline_run == scene.base
        refused = scene.client.post(f"/p/{scene.project.slug}/runs/new/", body | {"baseline": "net@2"})
        assert refused.status_code == 422
        assert b"its own baseline" in refused.content

    def test_cancel_and_retry(self, scene: Scene) -> None:
        url = f"/p/{scene.project.slug}/runs/{scene.waiting.number}/"
        assert scene.client.post(f"{url}cancel/").status_code == 302
        assert "Retry as a new run" in scene.page(f"runs/{scene.waiting.number}/")
        assert scene.client.post(f"{url}retry/").status_code == 302

    def test_viewer_sees_and_does_not_start(self, scene: Scene) -> None:
        scene.sign_in(Role.VIEWER)
        assert "Start a run" not in scene.page("runs/")
        scene.page("runs/new/", 403)


class ModelPageTests:
    def test_list_and_model(self, scene: Scene) -> None:
        assert "none marked" in scene.page("models/")
        assert "4 of 11 recorded" in scene.page("models/net/")

    def test_version_and_mark(self, scene: Scene) -> None:
        assert "Mark as in production" not in scene.page("models/net/2/")
        scene.sign_in(Role.RELEASE_MANAGER)
        page = scene.page("models/net/2/")
        assert "abc123" in page
        assert "depth" in page
        assert "Mark as in production" in page
        assert scene.client.post(f"/p/{scene.project.slug}/models/net/2/production/").status_code == 302
        assert "in production" in scene.page("models/net/production/")
        assert registry.in_production(scene.model) is not None
