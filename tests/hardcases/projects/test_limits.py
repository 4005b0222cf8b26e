"""Requests and new bytes in ten seconds, for a token and for a project, over several processes and with a database that is away."""

from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext

from hardcases.projects import limits
from hardcases.projects.limits import Limiter
from hardcases.projects.models import Project, RateUse
from hardcases.web.problems import TooManyRequests
from tests.builders.cases import a_picture
from tests.builders.http import Api, problem
from tests.builders.people import a_project
from tests.builders.uploads import Sending

pytestmark = pytest.mark.django_db
NOON = "2026-11-27T12:00:03Z"


@pytest.fixture
def project() -> Project:
    return a_project()


class RequestTests:
    def test_beyond_the_limit_it_is_429_until_the_ten_seconds_are_over(self, project: Project, settings: Any) -> None:
        settings.LIMIT_TOKEN_REQUESTS = 3
        api = Api(project)
        with time_machine.travel(NOON, tick=False) as clock:
            assert [api.get("cases/").status_code for _ in range(4)] == [200, 200, 200, 429]
            refused = api.post("cases/", {"input": {"text": "a"}})
            assert "Nothing was stored" in problem(refused, 429)["detail"]
            assert refused["Retry-After"] == "7"
            assert Api(project).get("cases/").status_code == 200  # another token
            clock.shift(7)
            assert api.post("cases/", {"input": {"text": "a"}}).status_code == 201

    def test_the_project_has_a_limit_of_its_own(self, project: Project, settings: Any) -> None:
        settings.LIMIT_PROJECT_REQUESTS = 4
        with time_machine.travel(NOON, tick=False):
            answers = [Api(project).get("cases/").status_code for _ in range(5)]
            assert answers == [200, 200, 200, 200, 429]
            assert "tokens of this project" in problem(Api(project).get("cases/"), 429)["detail"]
            assert Api(a_project()).get("cases/").status_code == 200

    def test_people_are_not_counted(self, project: Project, settings: Any, client: Any) -> None:
        settings.LIMIT_PROJECT_REQUESTS = 1
        client.force_login(project.owner)
        assert [client.get(f"/api/v1/projects/{project.slug}/cases/").status_code for _ in range(3)] == [200] * 3

    def test_who_sends_little_costs_the_database_nothing(self, project: Project) -> None:
        api = Api(project)
        api.get("cases/")
        with CaptureQueriesContext(connection) as queries:
            for number in range(20):
                api.post("cases/", {"input": {"text": f"case {number}"}})
        assert not [query for query in queries.captured_queries if "rateuse" in query["sql"]]
        assert not RateUse.objects.exists()


class BytesTests:
    def test_new_bytes_count_and_known_ones_cost_nothing(self, project: Project, settings: Any) -> None:
        picture = a_picture()
        settings.LIMIT_TOKEN_BYTES = 2 * len(picture)
        api = Api(project)
        with time_machine.travel(NOON, tick=False):
            assert [api.upload(picture).status_code for _ in range(9)] == [201] + [200] * 8
            assert api.upload(a_picture("b")).status_code == 201
            refused = problem(api.upload(a_picture("c")), 429)
            assert "new bytes" in refused["detail"]
            assert api.get("cases/").status_code == 200  # reading is no sending

    def test_a_batch_and_a_large_file_count_too(self, project: Project, settings: Any) -> None:
        settings.LIMIT_TOKEN_BYTES = 1
        with time_machine.travel(NOON, tick=False):
            api = Api(project)
            assert api.batch([{"file": "a"}, {"file": "a"}], {"a": a_picture()}).status_code == 207
            problem(api.batch([{"file": "a"}], {"a": a_picture("b")}), 429)
            large = Sending(Api(project), a_picture("c")).all()
            assert large.confirm().status_code == 201
            problem(Sending(large.api, a_picture("d")).announced, 429)


class ProcessTests:
    LIMITS = {"LIMIT_TOKEN_REQUESTS": 100, "LIMIT_PROJECT_REQUESTS": 150}

    @pytest.fixture(autouse=True)
    def small(self, settings: Any) -> None:
        for name, value in self.LIMITS.items():
            setattr(settings, name, value)

    def test_processes_settle_with_each_other(self, project: Project) -> None:
        one, other = Limiter(), Limiter()
        token = uuid4()
        with time_machine.travel(NOON, tick=False) as clock:
            for _ in range(40):
                one.admit(token, project.pk, writes=True)
            clock.shift(1.5)
            one.admit(token, project.pk, writes=True)
            for _ in range(2):
                other.admit(token, project.pk, writes=True)  # the second is 2 % of the limit: it settles, and hears of the others
            assert RateUse.objects.get(subject=f"token:{token}").requests == 43
            for _ in range(57):
                other.admit(token, project.pk, writes=True)
            with pytest.raises(TooManyRequests):
                other.admit(token, project.pk, writes=True)

    def test_it_settles_at_most_once_a_second(self, project: Project) -> None:
        one, token = Limiter(), uuid4()
        with time_machine.travel(NOON, tick=False) as clock, CaptureQueriesContext(connection) as queries:
            for _ in range(5):
                for _ in range(10):
                    one.admit(token, project.pk, writes=True)
                clock.shift(1.0)
        assert sum("rateuse" in query["sql"] for query in queries.captured_queries) == 5

    def test_the_next_ten_seconds_begin_at_zero_in_the_same_row(self, project: Project) -> None:
        one, token = Limiter(), uuid4()
        with time_machine.travel(NOON, tick=False) as clock:
            for _ in range(3):
                for _ in range(5):
                    one.admit(token, project.pk, writes=True)
                clock.shift(10)
        assert RateUse.objects.count() == 2
        assert RateUse.objects.get(subject=f"token:{token}").requests == 5 - 3  # three of five come before the first settling of a slot

    def test_a_database_that_is_away_stops_nobody(self, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        def away(*_: Any, **__: Any) -> None:
            raise OperationalError("away")

        one, token = Limiter(), uuid4()
        monkeypatch.setattr(limits.transaction, "atomic", away)
        for _ in range(100):
            one.admit(token, project.pk, writes=True)
        with pytest.raises(TooManyRequests):
            one.admit(token, project.pk, writes=True)

    def test_old_counts_are_forgotten(self, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(limits, "MOST_SUBJECTS", 10)
        one = Limiter()
        with time_machine.travel(NOON, tick=False) as clock:
            for _ in range(20):
                one.admit(uuid4(), project.pk, writes=False)
                clock.shift(10)
        assert len(one._uses) <= 13
