"""One effect and one answer per Idempotency-Key, also when two requests come at the same moment."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction
from django.test import RequestFactory
from django.utils import timezone
from rest_framework.response import Response

from hardcases.errors import BadRequest, Invalid
from hardcases.web.idempotency import KeyReused, RequestLike, StillRunning, content_hash, forget_replies, idempotent
from hardcases.web.models import IdempotencyReply

requests = RequestFactory()


def post(key: str | None = "k1", path: str = "/api/v1/things/") -> RequestLike:
    request: RequestLike = requests.post(path, headers={"Idempotency-Key": key} if key is not None else {})
    return request


def create(
    request: RequestLike, *, body: Any = None, owner: str = "token:1", status: int = 201, during: Callable[[], None] = lambda: None
) -> Response:
    """A view whose effect is one row (of any table) and whose answer names it."""
    with idempotent(request, owner=owner, content_hash=content_hash(json=body)) as slot:
        if not slot.replayed:
            thing = ContentType.objects.create(app_label="thing", model=f"m{ContentType.objects.filter(app_label='thing').count()}")
            during()
            slot.reply(status, {"z": thing.model, "a": timezone.now()}, headers={"Location": f"/things/{thing.pk}/"})
    return slot.response()


def effects() -> int:
    return ContentType.objects.filter(app_label="thing").count()


@pytest.mark.django_db
class SequentialTests:
    def test_a_repeat_gets_the_same_answer_and_has_no_effect(self) -> None:
        first, again = create(post(), body={"a": 1}), create(post(), body={"a": 1})
        assert (again.status_code, list(again.data.items())) == (201, list(first.data.items()))
        assert again["Location"] == first["Location"]
        assert (first.has_header("Idempotency-Replayed"), again["Idempotency-Replayed"]) == (False, "true")
        assert effects() == 1

    def test_without_a_key_each_request_has_its_effect(self) -> None:
        assert create(post(None)).status_code == create(post(None)).status_code == 201
        assert effects() == 2
        assert not IdempotencyReply.objects.exists()

    def test_other_content_or_address_under_the_key_is_422(self) -> None:
        create(post(), body={"a": 1})
        with pytest.raises(KeyReused) as caught:
            create(post(), body={"a": 2})
        assert caught.value.status == 422
        with pytest.raises(KeyReused):
            create(post(path="/api/v1/others/"), body={"a": 1})
        assert effects() == 1

    def test_spelling_does_not_count_as_other_content(self) -> None:
        create(post(), body={"a": 1, "b": 2.0})
        assert create(post(path="/api/v1/things"), body={"b": 2, "a": 1})["Idempotency-Replayed"] == "true"

    def test_files_count_by_their_digest(self) -> None:
        assert content_hash(json=1, files={"file": "aa"}) != content_hash(json=1, files={"file": "bb"}) != content_hash(json=1)

    def test_owners_do_not_share_keys(self) -> None:
        create(post(), owner="token:1")
        assert not create(post(), owner="user:1").has_header("Idempotency-Replayed")

    def test_a_refusal_undoes_everything_and_frees_the_key(self) -> None:
        def refuse() -> None:
            raise Invalid("No.")

        with pytest.raises(Invalid):
            create(post(), during=refuse)
        assert (effects(), IdempotencyReply.objects.count()) == (0, 0)
        assert create(post(), body={"corrected": True}).status_code == 201

    def test_an_answer_of_4xx_is_not_remembered(self) -> None:
        assert create(post(), status=409).status_code == 409
        assert create(post(), body={"corrected": True}).status_code == 201

    @pytest.mark.parametrize("key", ["", "x" * 256, "schlüssel", "tab\there"])
    def test_unusable_keys_are_refused(self, key: str) -> None:
        with pytest.raises(BadRequest, match="printable ASCII"):
            create(post(key))

    def test_the_longest_key_passes(self) -> None:
        assert create(post("x" * 255)).status_code == 201

    def test_a_view_that_forgets_to_answer_changes_nothing(self) -> None:
        with pytest.raises(RuntimeError), idempotent(post(), owner="token:1", content_hash="0"):
            ContentType.objects.create(app_label="thing", model="m")
        assert effects() == 0

    def test_old_replies_are_forgotten(self) -> None:
        create(post("old"))
        create(post("new"))
        IdempotencyReply.objects.filter(key="old").update(created_at=timezone.now() - timedelta(days=31))
        assert forget_replies(before=timezone.now() - timedelta(days=30)) == 1
        assert IdempotencyReply.objects.get().key == "new"


def in_thread(work: Callable[[], Any]) -> Any:
    try:
        return work()
    finally:
        connection.close()


@pytest.mark.django_db(transaction=True)
class ParallelTests:
    def test_many_at_once_have_one_effect_and_one_answer(self) -> None:
        start = threading.Barrier(8)

        def send() -> Response:
            start.wait(30)
            return create(post(), body={"a": 1})

        with ThreadPoolExecutor(8) as pool:
            answers = [future.result(60) for future in [pool.submit(in_thread, send) for _ in range(8)]]
        assert effects() == 1
        assert len({str(answer.data) for answer in answers}) == 1
        assert sum(answer.has_header("Idempotency-Replayed") for answer in answers) == 7

    def test_while_the_first_runs_the_second_hears_so_or_waits_for_its_answer(self) -> None:
        inside, go_on = threading.Event(), threading.Event()

        def hold() -> None:
            inside.set()
            assert go_on.wait(30)

        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(in_thread, lambda: create(post(), body=1, during=hold))
            assert inside.wait(30)
            second = pool.submit(in_thread, lambda: create(post(), body=1))
            if connection.vendor == "postgresql":
                with pytest.raises(StillRunning) as caught:
                    second.result(30)
                assert (caught.value.status, caught.value.retry_after) == (409, 2)
                go_on.set()
                assert first.result(30).status_code == 201
                assert create(post(), body=1)["Idempotency-Replayed"] == "true"
            else:
                go_on.set()
                assert first.result(30).status_code == 201
                assert second.result(30)["Idempotency-Replayed"] == "true"
        assert effects() == 1

    def test_when_the_first_fails_the_waiting_one_takes_over(self) -> None:
        inside, go_on = threading.Event(), threading.Event()

        def fail() -> None:
            inside.set()
            assert go_on.wait(30)
            raise Invalid("No.")

        with ThreadPoolExecutor(2) as pool:
            first = pool.submit(in_thread, lambda: create(post(), body=1, during=fail))
            assert inside.wait(30)
            second = pool.submit(in_thread, lambda: create(post(), body=1))
            go_on.set()
            with pytest.raises(Invalid):
                first.result(30)
            assert not second.result(30).has_header("Idempotency-Replayed")
        assert effects() == 1

    def test_the_lock_timeout_ends_with_the_claim(self) -> None:
        if connection.vendor != "postgresql":
            pytest.skip("SQLite has no lock timeout to leave behind")
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SHOW lock_timeout")
            before = cursor.fetchone()
            create(post())
            cursor.execute("SHOW lock_timeout")
            assert cursor.fetchone() == before
