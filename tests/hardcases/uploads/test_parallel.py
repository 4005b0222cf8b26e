"""Parts and confirmations at once, as a client with several connections sends them."""

from collections import Counter
from pathlib import Path

import pytest

from hardcases.cases.models import Case, Sighting
from hardcases.uploads import actions
from hardcases.uploads.models import Upload
from tests.builders.http import Api
from tests.builders.people import a_project
from tests.builders.uploads import Sending, a_large_picture
from tests.hardcases.cases.test_parallel import at_once

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("folder")]
LARGE = a_large_picture(2)


def test_parts_at_once_and_each_of_them_twice() -> None:
    project = a_project()
    sending = Sending(Api(project), LARGE)
    token = sending.api.headers["Authorization"].split()[1]
    answers = at_once(project, lambda _, number: sending.part(1 + number % 3, api=Api(project, token=token)), 6)
    assert {answer.status_code for answer in answers} == {204}
    assert sending.received() == [1, 2, 3]
    assert sending.confirm().status_code == 201


def test_confirmations_at_once_are_one_case(folder: Path) -> None:
    project = a_project()
    sending = Sending(Api(project), LARGE).all()
    token = sending.api.headers["Authorization"].split()[1]
    answers = at_once(project, lambda _, number: sending.confirm(Api(project, token=token)), 8)
    # On PostgreSQL one that waited two seconds for the first is told to come again.
    statuses = Counter(answer.status_code for answer in answers)
    assert set(statuses) <= {201, 409}, [answer.content for answer in answers]
    assert all(answer["Retry-After"] for answer in answers if answer.status_code == 409)
    assert len({answer.content for answer in answers if answer.status_code == 201}) == 1
    assert (Case.objects.count(), Sighting.objects.count(), Upload.objects.count()) == (1, 1, 0)
    assert sending.confirm().status_code == 201
    assert list((folder / "uploads").iterdir()) == []


def test_announcements_at_once_stay_within_the_quota(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "MANY_IN_PROJECT", 3)
    project = a_project()
    answers = at_once(project, lambda api, _: Sending(api, LARGE).announced, 8)
    assert Counter(answer.status_code for answer in answers) == {201: 3, 429: 5}
