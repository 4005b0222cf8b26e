"""Many at once: equal uploads become one case, counts add up, one decision wins."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from django.db import connection

from hardcases.cases.models import Case, Sighting
from hardcases.labels.models import CurrentLabel, LabelRevision
from hardcases.projects.models import Project
from tests.builders.cases import a_case, a_picture
from tests.builders.http import Api, a_token
from tests.builders.people import a_project

pytestmark = pytest.mark.django_db(transaction=True)
MANY, ROUNDS = 50, 5  # benchmarks/faults.py plays a hundred rounds against a real server


def at_once(project: Project, work: Callable[..., Any], many: int = MANY) -> list[Any]:
    """`work(api, number)` in as many threads, all let go together."""
    token = a_token(project)
    start = Barrier(many)

    def one(number: int) -> Any:
        try:
            api = Api(project, token=token)
            start.wait(30)
            return work(api, number)
        finally:
            connection.close()

    with ThreadPoolExecutor(many) as pool:
        return list(pool.map(one, range(many)))


def test_fifty_equal_uploads_are_one_case() -> None:
    project = a_project()
    for number in range(1, ROUNDS + 1):
        picture, name = a_picture(str(number)), f"same {number}"
        answers = at_once(project, lambda api, _, picture=picture, name=name: api.upload(picture, {"external_id": name}))
        assert Counter(answer.status_code for answer in answers) == {201: 1, 200: MANY - 1}
        assert {answer.json()["key"] for answer in answers} == {f"XR-{number}"}
        assert sorted(answer.json()["sightings"] for answer in answers) == list(range(1, MANY + 1))
        assert Case.objects.get(number=number).sightings_count == Sighting.objects.filter(case__number=number).count() == MANY


def test_fifty_with_one_idempotency_key_are_one_answer() -> None:
    answers = at_once(a_project(), lambda api, _: api.upload(a_picture(), key="k"))
    replays = [answer for answer in answers if answer.get("Idempotency-Replayed")]
    # On PostgreSQL a request that waited two seconds for the first is told to come again.
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert len({answer.content for answer in answers if answer.status_code == 201}) == 1
    assert len(replays) == sum(answer.status_code == 201 for answer in answers) - 1
    assert Sighting.objects.count() == 1


def test_different_uploads_get_different_numbers() -> None:
    answers = at_once(a_project(), lambda api, number: api.upload(a_picture(str(number))), 20)
    assert sorted(answer.json()["key"] for answer in answers) == sorted(f"XR-{number}" for number in range(1, 21))


def test_one_external_id_for_different_contents_is_given_once() -> None:
    answers = at_once(a_project(), lambda api, number: api.upload(a_picture(str(number)), {"external_id": "one"}), 20)
    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 19}
    assert Case.objects.count() == 1


def test_of_opposite_decisions_one_wins() -> None:
    project = a_project()
    case = a_case(project)
    bodies = [{"state": "accepted"}, {"state": "declined", "decline_reason": "unreadable"}]
    answers = at_once(project, lambda api, number: api.patch(f"cases/{case.key}/", bodies[number % 2]), 10)
    assert {answer.status_code for answer in answers} <= {200, 409}
    case.refresh_from_db()
    assert (case.state == "declined") == (case.decline_reason is not None)


def test_labels_at_once_are_all_kept_in_one_order() -> None:
    project = a_project()
    case = a_case(project)
    at_once(
        project, lambda api, number: api.post("labels/", [{"case": case.key, "label": {"label": ("normal", "nodule")[number % 2]}}]), 10
    )
    numbers = list(LabelRevision.objects.order_by("number").values_list("number", flat=True))
    assert numbers == list(range(1, len(numbers) + 1))
    assert CurrentLabel.objects.get().revision.number == numbers[-1]
