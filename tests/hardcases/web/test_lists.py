"""Declared parameters and pages of lists."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.contrib.contenttypes.models import ContentType
from django.core.signing import Signer
from django.db.models import F
from django.test import RequestFactory
from rest_framework import serializers

from hardcases.web.models import IdempotencyReply
from hardcases.web.pagination import BadCursor, keyset_page
from hardcases.web.queries import BadParameter, Parameters, SearchParameters, read_page_parameters, read_parameters


class CaseParameters(SearchParameters):
    wait = serializers.BooleanField(required=False)
    kind = serializers.ChoiceField(["display", "original"], required=False)
    run = serializers.ListField(child=serializers.IntegerField(min_value=1), required=False)


def get(query: str) -> Any:
    return RequestFactory().get(f"/x/?{query}")


class ApiParametersTests:
    def test_declared_values_have_their_types_and_defaults(self) -> None:
        assert read_parameters(get(""), CaseParameters) == {"limit": 50, "q": ""}
        values = read_parameters(get("limit=7&q=state:inbox+x&wait=true&kind=display&run=3&run=4"), CaseParameters)
        assert values == {"limit": 7, "q": "state:inbox x", "wait": True, "kind": "display", "run": [3, 4]}

    @pytest.mark.parametrize(
        ("query", "pointer", "says"),
        [
            ("page=2", "?page", "no parameter “page”"),
            ("password__startswith=a", "?password__startswith", "no parameter"),
            ("limit=201", "?limit", "less than or equal to 200"),
            ("limit=0", "?limit", "greater than or equal to 1"),
            ("limit=ten", "?limit", "valid integer"),
            ("limit=" + "9" * 5_000, "?limit", "wrong"),
            ("limit=", "?limit", "valid integer"),
            ("limit=1&limit=2", "?limit", "occurs 2 times"),
            ("q=" + "x" * 201, "?q", "no more than 200"),
            ("q=%00", "?q", "NUL"),
            ("kind=raw", "?kind", "not a valid choice"),
            ("run=1&run=x", "?run", "valid integer"),
            ("cursor=" + "x" * 1_001, "?cursor", "no more than 1000"),
        ],
    )
    def test_anything_else_is_400(self, query: str, pointer: str, says: str) -> None:
        with pytest.raises(BadParameter, match=says) as caught:
            read_parameters(get(query), CaseParameters)
        assert caught.value.status == 400
        assert caught.value.errors[0].pointer == pointer

    def test_all_faults_come_at_once(self) -> None:
        with pytest.raises(BadParameter) as caught:
            read_parameters(get("a=1&limit=0&kind=raw&q=%00"), CaseParameters)
        assert {fault.pointer for fault in caught.value.errors} == {"?a", "?limit", "?kind", "?q"}

    def test_an_address_without_parameters_takes_none(self) -> None:
        with pytest.raises(BadParameter, match="Known: none"):
            read_parameters(get("x=1"), Parameters)


class PageParametersTests:
    def test_what_is_unknown_or_wrong_is_ignored_with_a_note(self) -> None:
        read = read_page_parameters(get("utm=1&limit=900&kind=display"), CaseParameters)
        assert read.values == {"limit": 50, "q": "", "kind": "display"}
        assert len(read.notes) == 2
        assert "“utm”" in read.notes[0]
        assert "“limit”" in read.notes[1]

    def test_nothing_to_say_is_no_note(self) -> None:
        assert read_page_parameters(get("q=a"), CaseParameters).notes == ()


@pytest.mark.django_db
class KeysetTests:
    @pytest.fixture
    def moments(self) -> list[datetime]:
        """23 rows; many share a time, and some differ by a microsecond only."""
        start = datetime(2026, 11, 20, tzinfo=UTC)
        times = [start + timedelta(microseconds=position // 4) for position in range(23)]
        for position, moment in enumerate(times):
            row = IdempotencyReply.objects.create(owner="o", key=f"{position:02}", request_hash="")
            IdempotencyReply.objects.filter(pk=row.pk).update(created_at=moment)
        return times

    def walk(self, order: list[str], limit: int) -> list[str]:
        keys, cursor = [], None
        for _ in range(40):
            page = keyset_page(IdempotencyReply.objects.all(), order=order, cursor=cursor, limit=limit)
            keys += [row.key for row in page.rows]
            assert 1 <= len(page.rows) <= limit
            cursor = page.next
            if cursor is None:
                return keys
        raise AssertionError("the pages never end")

    @pytest.mark.parametrize(
        "order", [["-created_at", "-key"], ["created_at", "-key"], ["-created_at", "key"], ["owner", "created_at", "id"], ["-pk"]]
    )
    @pytest.mark.parametrize("limit", [1, 4, 23, 200])
    def test_walking_meets_every_row_once_in_order(self, moments: list[datetime], order: list[str], limit: int) -> None:
        assert self.walk(order, limit) == list(IdempotencyReply.objects.order_by(*order).values_list("key", flat=True))

    def test_new_rows_do_not_shift_the_next_page(self) -> None:
        for name in "dcb":
            Group.objects.create(name=name)
        first = keyset_page(Group.objects.all(), order=["name"], limit=2)
        Group.objects.create(name="a")
        assert [group.name for group in keyset_page(Group.objects.all(), order=["name"], cursor=first.next, limit=2).rows] == ["d"]

    def test_the_envelope(self) -> None:
        Group.objects.create(name="only")
        page = keyset_page(Group.objects.all(), order=["name"])
        assert page.envelope(lambda group: group.name) == {"results": ["only"], "next": None}
        assert keyset_page(Group.objects.none(), order=["name"]).envelope(str) == {"results": [], "next": None}

    def test_cursors_of_others_are_400(self) -> None:
        for name in "ab":
            Group.objects.create(name=name)
        given = keyset_page(Group.objects.all(), order=["name"], limit=1).next
        assert given is not None
        forged = Signer(salt="hardcases.cursor:id", sep=".")
        for cursor, order in [(given, ["-name"]), (given[:-1], ["name"]), ("x", ["name"]), ("é\x00", ["name"])]:
            with pytest.raises(BadCursor) as caught:
                keyset_page(Group.objects.all(), order=order, cursor=cursor)
            assert caught.value.status == 400
        for value in (["x"], [], [1, 2], {"a": 1}, None):
            with pytest.raises(BadCursor):
                keyset_page(Group.objects.all(), order=["id"], cursor=forged.sign_object(value))

    def test_a_cursor_needs_no_escaping_in_an_address(self) -> None:
        for name in "ab":
            Group.objects.create(name=name)
        cursor = keyset_page(Group.objects.all(), order=["name"], limit=1).next
        assert cursor is not None
        assert read_parameters(get(f"cursor={cursor}"), SearchParameters)["cursor"] == cursor

    def test_orders_that_could_lose_rows_are_refused_while_developing(self) -> None:
        with pytest.raises(ValueError, match="never null"):
            keyset_page(Group.objects.all(), order=[])
        with pytest.raises(ValueError, match="limit"):
            keyset_page(Group.objects.all(), order=["id"], limit=201)

    def test_it_works_on_annotated_and_filtered_querysets(self) -> None:
        rows = ContentType.objects.filter(app_label="auth").annotate(twice=F("id") * 2)
        page = keyset_page(rows, order=["model"], limit=1)
        assert keyset_page(rows, order=["model"], cursor=page.next).rows == list(rows.order_by("model")[1:])
