"""From a sampled arrival to the figure of everything that arrived, through the API and on the page."""

import hashlib
import json
import re
from fractions import Fraction
from html import unescape
from typing import Any

import pytest
from django.test import Client

from evaluation.runs import presenting
from evaluation.runs.models import Run
from evaluation.runs.reports import report_of, store_report
from hardcases.projects.models import Project
from hardcases.projects.permissions import Role
from tests.builders import cases, people
from tests.builders import runs as build
from tests.builders.http import Api
from tests.builders.pictures import a_picture

pytestmark = pytest.mark.django_db
RULES = [{"when": {"reason": "random_sample"}, "keep": 0.5}, {"when": {"reason": "low_confidence"}, "quota": {"per": "day", "limit": 2}}]


class Service:
    """A project whose service samples its calls and reports what doctors disagreed with, and the way from there to a report."""

    def __init__(self) -> None:
        self.project = people.a_project()
        self.api = Api(self.project)
        self.chances: dict[str, float | None] = {}
        self.labels: dict[str, str] = {}
        answer = self.api.client.put(self.api.url("sampling/"), {"rules": RULES}, content_type="application/json", headers=self.api.headers)
        assert answer.status_code == 200, answer.content

    def reports(self, reason: str, number: int, label: str) -> list[str]:
        """Send so many pictures; the keys of those that were kept."""
        kept = []
        for index in range(number):
            answer = self.api.upload(a_picture(f"{reason} {index}"), {"reason": reason, "attributes": {"site": reason}})
            assert answer.status_code in {201, 202}, answer.content
            if answer.status_code == 201:
                kept.append(self.known(answer.json()["key"], label))
        return kept

    def by_hand(self) -> str:
        return self.known(cases.a_case(self.project, "by hand").key, "normal")

    def known(self, key: str, label: str) -> str:
        self.chances[key] = self.api.get(f"cases/{key}/").json()["selection_probability"]
        self.labels[key] = label
        return key

    def report(self, wrong: set[str], **options: Any) -> tuple[dict[str, Any], str]:
        """Label, freeze, evaluate: the report as the API gives it, and its page."""
        keys = list(self.chances)
        labels = self.api.post("labels/", [{"case": key, "label": {"label": self.labels[key]}} for key in keys])
        assert labels.status_code == 207, labels.content
        assert self.api.post("test-sets/", {"slug": "hard", "purpose": ""}).status_code == 201
        assert self.api.post("test-sets/hard/draft/", {"add": keys}).json()["errors"] == []
        assert self.api.post("test-sets/hard/versions/", {"reason": "first"}).status_code == 201
        self.api.post("models/", {"slug": "net", "name": "net"})
        assert self.api.post("models/net/versions/", {"version": "1"}).status_code == 201
        run = self.api.post("runs/", {"model": "net@1", "test_set": "hard@1"}).json()["id"]
        lines = ["case,label", *(f"{key},{self.said(key, key in wrong)}" for key in keys)]
        url = self.api.url(f"runs/{run}/predictions/?replicate=0")
        answer = self.api.client.put(url, "\n".join(lines) + "\n", content_type="text/csv", headers=self.api.headers)
        assert answer.status_code == 200, answer.content
        build.work()
        return self.api.get(f"runs/{run}/report/").json(), page(self.project, run)

    def said(self, key: str, wrong: bool) -> str:
        return {"normal": "nodule", "nodule": "normal"}[self.labels[key]] if wrong else self.labels[key]


def a_reader(project: Project) -> Client:
    client = Client()
    client.force_login(people.a_member(project, Role.ENGINEER))
    return client


def card(project: Project, run: object) -> str:
    """The card of a run's page, or nothing where it has none."""
    answer = a_reader(project).get(f"/p/{project.slug}/runs/{run}/")
    assert answer.status_code == 200
    found = re.search(r'<details class="card" id="production">(.*?)</details>', answer.content.decode(), re.DOTALL)
    return "" if found is None else found[1]


def page(project: Project, run: object) -> str:
    """What the card says."""
    return " ".join(re.sub(r"<[^>]+>", " ", card(project, run)).split())


@pytest.fixture
def service() -> Service:
    return Service()


def of(report: dict[str, Any], metric: str, stratum: str) -> dict[str, Any]:
    (found,) = [item for item in report["production"]["entries"] if (item["metric"], item["stratum"]) == (metric, stratum)]
    return dict(found)


def test_from_a_sampled_upload_to_the_figure_of_everything_that_arrived(service: Service) -> None:
    sampled = service.reports("random_sample", 24, "normal")
    found = service.reports("doctor_disagreed", 6, "nodule")
    report, shown = service.report({*sampled[:1], *found[:4]})
    assert {service.chances[key] for key in sampled} == {0.5}
    assert {service.chances[key] for key in found} == {1.0}

    k = len(sampled)
    overall = of(report, "accuracy", "all")
    assert overall["value"] == pytest.approx(float(Fraction(2 * (k - 1) + 2, 2 * k + 6)))
    assert overall["plain"]["value"] == pytest.approx((k - 1 + 2) / (k + 6))
    assert overall["n_effective"] == pytest.approx((2 * k + 6) ** 2 / (4 * k + 6))
    assert (overall["n"], overall["undefined"], overall["method"]) == (k + 6, None, "hajek, wilson")
    assert overall["low"] < overall["value"] < overall["high"]
    assert of(report, "ppv", "all")["value"] == pytest.approx(2 / 4), "of what is called a nodule: two of weight 1, one false of weight 2"
    assert of(report, "accuracy", "site=doctor_disagreed")["value"] == pytest.approx(2 / 6)
    assert [item["value"] for item in report["metrics"] if (item["metric"], item["stratum"]) == ("accuracy", "all")] == [
        overall["plain"]["value"]
    ]
    assert (report["production"]["known"], report["production"]["unknown"]) == (k + 6, 0)
    assert f"{100 * overall['value']:.1f}%" in shown
    assert f"{100 * overall['plain']['value']:.1f}%" in shown
    assert "site=doctor_disagreed" in shown
    (cases_of_stratum,) = re.findall(r'href="([^"]*site%3Ddoctor_disagreed)"', card(service.project, 1))
    opened = a_reader(service.project).get(unescape(cases_of_stratum))
    assert set(re.findall(r"/cases/(XR-\d+)/\"", opened.content.decode())) == set(found[:4])  # those that were called wrong
    assert "known chance" not in shown

    lines = "".join(f"{key} {'1' if chance == 1 else chance}\n" for key, chance in service.chances.items())
    assert report["production"]["weights"] == hashlib.sha256(lines.encode()).hexdigest(), "anybody can compute it from the cases"


def test_what_a_quota_kept_or_a_person_brought_has_no_figure_and_is_not_left_out(service: Service) -> None:
    service.reports("random_sample", 24, "normal")
    service.reports("low_confidence", 3, "nodule")
    service.by_hand()
    report, shown = service.report(set())
    n = len(service.chances)
    assert sum(chance is None for chance in service.chances.values()) == 3
    assert (report["production"]["known"], report["production"]["unknown"]) == (n - 3, 3)
    assert of(report, "accuracy", "all")["undefined"] == f"3 of {n} cases have no known chance"
    assert of(report, "accuracy", "all")["value"] is None
    assert of(report, "accuracy", "all")["plain"]["value"] == 1.0
    assert of(report, "accuracy", "site=random_sample")["value"] == 1.0
    assert of(report, "accuracy", "site=low_confidence")["undefined"] == "2 of 2 cases have no known chance"
    assert f"Of {n} cases 3 have no known chance" in shown


def test_a_set_of_unknown_chances_says_so_once_and_shows_nothing(service: Service) -> None:
    service.by_hand()
    report, shown = service.report(set())
    assert {item["stratum"] for item in report["production"]["entries"]} == {"all"}
    assert of(report, "accuracy", "all")["undefined"] == "1 of 1 cases have no known chance"
    assert 'id="production"' not in shown


def test_a_set_that_was_kept_for_certain_is_its_own_figure(service: Service) -> None:
    service.reports("doctor_disagreed", 4, "nodule")
    report, shown = service.report(set())
    assert report["production"] is None
    assert shown == ""


def test_replicates_and_metrics_of_the_page() -> None:
    project = people.a_project()
    version = build.a_version(project, ("normal", "nodule") * 10, chances=(0.2, 1.0) * 10)
    keys = [f"XR-{number}" for number in range(1, 21)]
    model = build.a_model(project)
    first, _ = (build.a_replicate(model, replicate=number) for number in range(2))
    run = build.start(first.model_version, version)
    for number, wrong in enumerate((2, 6)):
        build.upload(run, build.csv(keys, [0.9] * wrong + [0.1, 0.9] * ((20 - wrong) // 2)), number)
    build.work()
    run.refresh_from_db()
    overall = of(report_of(run), "accuracy", "all")
    assert overall["plain"]["value"] == 0.95, "replicate 0, not the mean over both"
    assert overall["value"] == pytest.approx((5 * 9 + 10) / 60)
    groups = presenting.report_page(run, metric="sensitivity")["production"]["groups"]
    assert [row["name"] for row in groups[0]["rows"]][:2] == ["Accuracy", "Sensitivity"]
    assert {row["metric"] for group in groups[1:] for row in group["rows"]} == {"sensitivity"}
    other = presenting.report_page(run, metric="f1")["production"]
    assert other["metric_name"] == "Accuracy"


def test_a_report_from_before_is_still_read() -> None:
    project = people.a_project()
    run = build.start(build.a_replicate(build.a_model(project)).model_version, build.a_version(project, chances=[0.5] * 20))
    build.upload(run, build.csv([f"XR-{number}" for number in range(1, 21)], [0.1, 0.9] * 10))
    build.work()
    run.refresh_from_db()
    assert page(project, run.number)
    before = json.loads(json.dumps(report_of(run)))
    del before["production"]
    old = build.start(run.model_version, run.test_set_version)
    build.upload(old, build.csv([f"XR-{number}" for number in range(1, 21)], [0.1, 0.9] * 10))
    Run.objects.filter(pk=old.pk).update(state="succeeded", coverage=1.0, report_sha256=store_report(before))
    assert page(project, old.number) == ""
