"""Every way to fail gives problem+json under /api/ and a calm page elsewhere, with the request id and without internals."""

import logging
from typing import Any

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import Client, override_settings

from tests.hardcases.web import urls

expected = pytest.mark.expects_5xx
EDGE = ["hardcases.web.middleware.RequestIdMiddleware", "hardcases.web.middleware.EdgeMiddleware"]


@pytest.fixture(autouse=True)
def edge() -> Any:
    base = "{% block title %}{% endblock %}<main>{% block content %}{% endblock %}</main>"
    templates = [
        {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {
                "loaders": [
                    ("django.template.loaders.locmem.Loader", {"base.html": base}),
                    ("django.template.loaders.filesystem.Loader", ["templates"]),
                ],
            },
        }
    ]
    rest = {
        **getattr(settings, "REST_FRAMEWORK", {}),
        "EXCEPTION_HANDLER": "hardcases.web.problems.exception_handler",
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "DEFAULT_PERMISSION_CLASSES": [],
        "UNAUTHENTICATED_USER": None,
    }
    with override_settings(ROOT_URLCONF="tests.hardcases.web.urls", MIDDLEWARE=EDGE, TEMPLATES=templates, REST_FRAMEWORK=rest):
        yield


@pytest.fixture
def client() -> Client:
    return Client(raise_request_exception=False)


def problem(response: HttpResponse, status: int, code: str) -> dict[str, Any]:
    body: dict[str, Any] = response.json()  # type: ignore[attr-defined]
    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"
    assert set(body) >= {"type", "title", "status", "detail", "errors", "request_id"}
    assert (body["status"], body["type"]) == (status, f"urn:hardcases:{code}")
    assert body["request_id"] == response["X-Request-Id"]
    assert len(body["request_id"]) == 36
    return body


class ApiTests:
    @pytest.mark.parametrize(
        ("kind", "status", "code"),
        [
            ("refusal", 409, "conflict"),
            pytest.param("full", 507, "storage_full", marks=expected),
            ("validation", 422, "invalid"),
            ("anonymous", 401, "unauthenticated"),
            ("forbidden", 403, "forbidden"),
            ("denied", 403, "forbidden"),
            ("absent", 404, "not_found"),
            ("foreign", 404, "not_found"),
            ("throttled", 429, "too_many_requests"),
            ("parse", 400, "bad_request"),
            ("big", 413, "too_large"),
            pytest.param("locked", 503, "unavailable", marks=expected),
        ],
    )
    def test_each_cause_has_its_answer(self, client: Client, kind: str, status: int, code: str) -> None:
        problem(client.get(f"/api/v1/{kind}/"), status, code)

    def test_absent_and_foreign_and_unrouted_say_the_same(self, client: Client) -> None:
        answers = [
            problem(client.get(url), 404, "not_found")["detail"]
            for url in ("/api/v1/absent/", "/api/v1/foreign/", "/api/v1/no/such/address/")
        ]
        assert len(set(answers)) == 1
        assert "secret" not in answers[0]

    def test_findings_carry_pointers(self, client: Client) -> None:
        body = problem(client.get("/api/v1/validation/"), 422, "invalid")
        assert body["errors"] == [
            {"pointer": "/a~1b", "detail": "Bad."},
            {"pointer": "/rows/1/n", "detail": "Not a number."},
            {"pointer": "", "detail": "Together wrong."},
        ]

    def test_extra_members_never_overwrite_ours(self, client: Client) -> None:
        body = problem(client.get("/api/v1/refusal/"), 409, "conflict")
        assert (body["key"], body["errors"]) == ("XR-1", [{"pointer": "/x", "detail": "Taken."}])

    @expected
    def test_waiting_times_are_headers(self, client: Client) -> None:
        assert client.get("/api/v1/throttled/")["Retry-After"] == "8"
        assert client.get("/api/v1/full/")["Retry-After"] == "60"
        assert client.get("/api/v1/locked/")["Retry-After"] == "2"

    def test_401_names_the_scheme(self, client: Client) -> None:
        assert client.get("/api/v1/anonymous/")["WWW-Authenticate"] == "Bearer"

    def test_method_and_media_type(self, client: Client) -> None:
        refused = client.delete("/api/v1/refusal/")
        problem(refused, 405, "method_not_allowed")
        assert "GET" in refused["Allow"]
        problem(client.post("/api/v1/refusal/", "x", content_type="text/xml"), 415, "unsupported_media")
        problem(client.post("/api/v1/refusal/", "[NaN]", content_type="application/json"), 400, "bad_json")
        problem(client.post("/api/v1/refusal/", '{"n": "x"}', content_type="application/json"), 422, "invalid")

    @expected
    def test_a_bug_is_logged_and_tells_nothing(self, client: Client, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.ERROR, "django.request"):
            body = problem(client.get("/api/v1/bug/"), 500, "internal_error")
        assert "hunter2" not in str(body)
        assert caplog.records[-1].exc_info is not None

    @pytest.mark.django_db
    @expected
    def test_a_read_is_repeated_when_the_database_was_busy_and_a_write_is_not(self, client: Client) -> None:
        urls.calls["flaky"] = 0
        assert client.get("/api/v1/flaky/").json() == {"calls": 3}
        urls.calls["flaky"] = 0
        problem(client.post("/api/v1/flaky/"), 503, "unavailable")
        assert urls.calls["flaky"] == 1


class PageTests:
    @pytest.mark.parametrize(
        ("kind", "status"),
        [
            ("refusal", 409),
            ("absent", 404),
            ("denied", 403),
            ("big", 413),
            pytest.param("locked", 503, marks=expected),
            pytest.param("bug", 500, marks=expected),
        ],
    )
    def test_people_get_a_page_with_a_sentence(self, client: Client, kind: str, status: int) -> None:
        response = client.get(f"/page/{kind}/")
        assert response.status_code == status
        assert response["Content-Type"].startswith("text/html")
        assert "<main>" in response.content.decode()
        assert response["X-Request-Id"] in response.content.decode()
        assert "hunter2" not in response.content.decode()

    @expected
    @pytest.mark.parametrize("kind", ["locked", "bug"])
    def test_the_page_of_a_failure_needs_no_database(self, client: Client, kind: str) -> None:
        (engine,) = settings.TEMPLATES
        options = {**engine["OPTIONS"], "context_processors": ["tests.hardcases.web.urls.database_away"]}
        with override_settings(TEMPLATES=[{**engine, "OPTIONS": options}]):
            assert "<main>" in client.get(f"/page/{kind}/").content.decode()

    def test_htmx_gets_the_fragment_only(self, client: Client) -> None:
        response = client.get("/page/refusal/", headers={"HX-Request": "true"})
        assert "<main>" not in response.content.decode()
        assert "Already there." in response.content.decode()
        assert response["Vary"] == "HX-Request"

    def test_findings_are_escaped(self, client: Client) -> None:
        content = client.get("/page/validation_page/").content.decode()
        assert "<script>" not in content
        assert "&lt;script&gt;" in content


class RequestIdTests:
    def test_a_plausible_id_of_the_caller_is_kept(self, client: Client) -> None:
        assert client.get("/page/absent/", headers={"X-Request-Id": "trace-0017-abc"})["X-Request-Id"] == "trace-0017-abc"

    @pytest.mark.parametrize("hostile", ["a b", "short", "x" * 65, "1234567\\n8"])
    def test_anything_else_is_replaced(self, client: Client, hostile: str) -> None:
        assert len(client.get("/page/absent/", headers={"X-Request-Id": hostile})["X-Request-Id"]) == 36


def test_an_address_with_a_control_character_is_nothing() -> None:
    response = Client().get("/api/v1/projects/a%00b/cases/")
    assert response.status_code == 404
    assert response["Content-Type"].startswith("application/problem+json")
