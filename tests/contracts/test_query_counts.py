"""How many queries a page or an upload asks: at most the number written here, and no more of them when there is ten times as much to show or to store."""

import hashlib
from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from evaluation.releases import actions as releases
from hardcases.groups.models import Group
from hardcases.projects import teams
from hardcases.projects.authentication import person
from hardcases.projects.models import Project, Team
from hardcases.projects.permissions import Role
from hardcases.sampling.actions import set_rules
from tests.builders import cases, groups, people, runs, testsets, transfers
from tests.builders.http import Api
from tests.builders.releases import Scene, a_scene

FEW, MANY = 3, 30
Grow = Callable[[Scene, int], None]


def _inbox(scene: Scene, number: int) -> None:
    """As many groups, and as many cases of one group."""
    for index in range(number):
        cases.a_text(scene.project, hashlib.sha256(f"{number} {index}".encode()).hexdigest(), attributes={"site": "clinic-7"})
        groups.a_picture(scene.project, 1, 40 * number + index)
    groups.work()


def _unplaced(scene: Scene, number: int) -> None:
    for index in range(number):
        cases.a_text(scene.project, f"Unplaced {number} {index}")


def _set_aside(scene: Scene, number: int) -> None:
    for index in range(number):
        cases.a_text(scene.project, f"Odd {number} {index}", attributes={f"odd{index}": "x", "age": f"{index},5"})


def _left_out(scene: Scene, number: int) -> None:
    rules = [{"when": {"reason": f"r{index}"}, "keep": 0} for index in range(number)]
    set_rules(actor=scene.engineer_actor, project=scene.project, documents=rules)
    api = Api(scene.project)
    for index in range(number):
        answer = api.post("cases/", {"input": {"text": f"Left out {number} {index}"}, "reason": f"r{index}"})
        assert answer.status_code == 202, answer.content


def _accepted(scene: Scene, number: int) -> None:
    for _ in range(number):
        testsets.a_case(scene.project, site="clinic-7")


def _test_sets(scene: Scene, number: int) -> None:
    for _ in range(number):
        testsets.a_version(scene.project, [testsets.a_case(scene.project)])


def _draft(scene: Scene, number: int) -> None:
    testsets.draft(scene.version.test_set, add=[testsets.a_case(scene.project) for _ in range(number)])


def _runs(scene: Scene, number: int) -> None:
    for _ in range(number):
        runs.start(scene.run.model_version, scene.version)


def _releases(scene: Scene, number: int) -> None:
    policy = scene.policy()
    assert scene.run.baseline_version is not None
    for _ in range(number):
        releases.open_release(
            actor=scene.engineer_actor,
            project=scene.project,
            candidate=scene.run.model_version,
            baseline=scene.run.baseline_version,
            version=scene.version,
            policy=policy,
        )


def _people(scene: Scene, number: int) -> None:
    for _ in range(number):
        people.a_token(scene.project, "report", by=people.a_member(scene.project, Role.ADMIN))


def _transfers(scene: Scene, number: int) -> None:
    for index in range(number):
        transfers.run(transfers.uploaded(scene.project, transfers.jsonl({"text": f"Imported {number} {index}"})))
        transfers.exported(scene.project, kind="jsonl")


PAGES: list[tuple[str, Grow, int]] = [
    ("inbox/", _inbox, 18),
    ("inbox/placing/", _unplaced, 8),
    ("inbox/{group}/", _inbox, 19),
    ("cases/", _accepted, 11),
    ("quarantine/", _set_aside, 10),
    ("sampling/", _left_out, 11),
    ("sets/", _test_sets, 11),
    ("sets/{set}/v/1/", _accepted, 13),
    ("sets/{set}/draft/", _draft, 21),
    ("runs/", _runs, 9),
    ("runs/{run}/", _runs, 10),
    ("releases/", _releases, 9),
    ("releases/1/", _releases, 14),
    ("transfers/", _transfers, 11),
    ("audit/", _people, 11),
    ("settings/", _people, 13),
    ("upload/", _people, 13),
    ("upload/last/", _inbox, 12),
]


def _queries(client: Client, project: Project, path: str) -> list[str]:
    with CaptureQueriesContext(
        connection,
    ) as asked:
        response = client.get(f"/p/{project.slug}/{path}")
    assert response.status_code == 200, response.content[:500]
    return [query["sql"] for query in asked.captured_queries]


@pytest.mark.django_db
def test_queries_of_a_team_do_not_grow_with_rows() -> None:
    client, owner = Client(), people.a_person()
    client.force_login(owner)
    team = teams.create_team(actor=person(owner), slug="radiology", name="Radiology")
    asked = []
    for number in (FEW, MANY):
        for _ in range(number):
            teams.add_team_member(actor=person(owner), team=team, user=people.a_person())
            people.a_project(team=team, owner=owner)
            teams.create_team(actor=person(owner), slug=f"team-{Team.objects.count()}-more", name="Another")
        for path, most in (("/teams/radiology/", 8), ("/teams/", 4), ("/projects/", 5), ("/account/", 8)):
            client.get(path)
            with CaptureQueriesContext(connection) as queries:
                assert client.get(path).status_code == 200
            asked.append((path, len(queries)))
            assert len(queries) <= most, "\n".join(query["sql"] for query in queries.captured_queries)
    assert asked[: len(asked) // 2] == asked[len(asked) // 2 :]


@pytest.mark.django_db
@pytest.mark.parametrize(("path", "grow", "most"), PAGES, ids=[path for path, _grow, _most in PAGES])
def test_queries_do_not_grow_with_rows(path: str, grow: Grow, most: int) -> None:
    scene = a_scene(20)
    client = Client()
    client.force_login(people.a_member(scene.project, *Role))
    grow(scene, FEW)
    largest = Group.objects.filter(project=scene.project).order_by("-count").first()
    address = path.format(set=scene.version.test_set.slug, run=scene.run.number, group=largest)
    _queries(client, scene.project, address)  # what is read once and kept
    few = _queries(client, scene.project, address)
    grow(scene, MANY - FEW)
    many = _queries(client, scene.project, address)
    assert len(many) <= len(few), "\n".join(many)
    assert len(many) <= most, "\n".join(many)


def _upload(api: Api, seed: str, many: int, *, names: bool) -> None:
    """One file, or a batch; with an external id each, or without."""
    facts = [{"external_id": f"{seed} {index}"} if names else {} for index in range(many)]
    if many == 1:
        response = api.upload(cases.a_picture(seed), facts[0])
        assert response.status_code == 201, response.content[:500]
    else:
        files = {f"f{index}": cases.a_picture(f"{seed} {index}") for index in range(many)}
        response = api.batch([fact | {"file": name} for fact, name in zip(facts, files, strict=True)], files)
        assert {item["status"] for item in response.json()["results"]} == {201}, response.content[:500]


@pytest.mark.django_db
@pytest.mark.parametrize("many", [1, 25])
@pytest.mark.parametrize(("names", "most"), [(False, 10), (True, 12)])
def test_an_upload_and_a_batch_ask_the_same_few_queries(many: int, names: bool, most: int) -> None:
    api = Api(people.a_project())
    _upload(api, "first", many, names=names)  # notes that the token is used, and makes the counter
    with CaptureQueriesContext(connection) as asked:
        _upload(api, "second", many, names=names)
    queries = [query["sql"] for query in asked.captured_queries if not query["sql"].startswith(("SAVEPOINT", "RELEASE"))]
    assert len(queries) <= most, "\n".join(queries)
