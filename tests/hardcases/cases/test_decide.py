"""Decisions and corrections over the API: compare-and-set, details that belong to their state, nothing half done."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from hardcases.audit.models import AuditEvent
from hardcases.cases.actions import AlreadyDecided, Decision, decide
from hardcases.cases.models import Case
from hardcases.projects.models import Project
from tests.builders.cases import a_case
from tests.builders.http import Api, problem
from tests.builders.people import a_project, actor

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return a_project()


@pytest.fixture
def api(project: Project) -> Api:
    a_case(project, attributes={"site": "n", "age": "old"}, tags=["a"])
    return Api(project)


def in_days(days: int) -> str:
    return (timezone.now() + timedelta(days=days)).isoformat()


class DecisionTests:
    @pytest.mark.parametrize(
        "body",
        [
            {"state": "accepted"},
            {"state": "declined", "decline_reason": "wrong_product"},
            {"state": "snoozed", "snoozed_until": in_days(3)},
        ],
    )
    def test_a_decision_is_stored_and_audited(self, api: Api, body: dict[str, Any]) -> None:
        shown = api.patch("cases/XR-1/", body).json()
        assert shown["state"] == body["state"]
        assert shown["decline_reason"] == body.get("decline_reason")
        assert AuditEvent.objects.filter(action=f"case.{body['state']}", object_id="XR-1").count() == 1

    @pytest.mark.parametrize(
        "body",
        [
            {},
            {"state": "inbox"},
            {"state": "erased"},
            {"state": "declined"},
            {"state": "declined", "decline_reason": "boring"},
            {"state": "accepted", "decline_reason": "unreadable"},
            {"state": "snoozed"},
            {"state": "snoozed", "snoozed_until": in_days(-1)},
            {"state": "snoozed", "snoozed_until": in_days(500)},
            {"decline_reason": "unreadable"},
            {"key": "XR-9"},
            {"state": "accepted", "attributes": {"site": 7}},
            {"state": "accepted", "attributes": {"colour": "red"}},
            [],
        ],
    )
    def test_what_does_not_fit_changes_nothing(self, api: Api, body: Any) -> None:
        before = Case.objects.values().get()
        problem(api.patch("cases/XR-1/", body), 422)
        assert Case.objects.values().get() == before

    def test_deciding_the_same_again_is_not_another_act(self, api: Api) -> None:
        for _ in range(2):
            assert api.patch("cases/XR-1/", {"state": "accepted"}).status_code == 200
        assert AuditEvent.objects.filter(action="case.accepted").count() == 1

    def test_a_decision_on_what_was_read_before_another_one_is_refused(self, api: Api, project: Project) -> None:
        read = Case.objects.select_related("project").get()
        api.patch("cases/XR-1/", {"state": "accepted"})
        with pytest.raises(AlreadyDecided):
            decide(actor=actor(project), case=read, decision=Decision(state="declined", decline_reason="unreadable"))
        assert Case.objects.get().state == "accepted"


class CorrectionTests:
    def test_attributes_are_merged_a_null_removes_and_the_quarantine_empties(self, api: Api) -> None:
        shown = api.patch("cases/XR-1/", {"attributes": {"age": 7, "site": None}, "tags": ["b", "c"]}).json()
        assert (shown["attributes"], shown["tags"], shown["quarantine"]) == ({"age": 7}, ["b", "c"], [])
        event = AuditEvent.objects.get(action="case.changed")
        assert event.after == {"changed": ["age", "attributes", "quarantine", "site", "tags"]}

    @pytest.mark.parametrize("key", ["XR-2", "KN-1", "XR-", "XR-1e3", "XR-" + "9" * 40, "1", "XR-\u0661"])
    def test_a_key_that_is_none_is_not_found(self, api: Api, key: str) -> None:
        problem(api.get(f"cases/{key}/"), 404)

    def test_reading_and_deciding_need_their_scopes(self, api: Api, project: Project) -> None:
        problem(Api(project, "report").get("cases/XR-1/"), 403)
        problem(Api(project, "read").patch("cases/XR-1/", {"state": "accepted"}), 403)
