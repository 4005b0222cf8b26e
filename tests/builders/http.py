"""Talking to the API as a production service does, inside the test process."""

import json
from datetime import timedelta
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils import timezone

from hardcases.projects import tokens
from hardcases.projects.models import ApiToken, Project, User
from hardcases.projects.permissions import Scope


def a_token(project: Project, *scopes: Scope | str, maker: User | None = None, days: float = 90) -> str:
    """A token of the project (all scopes when none are named); returns what is shown once."""
    value = tokens.make()
    ApiToken.objects.create(
        project=project,
        created_by=maker or project.owner,
        name="test",
        prefix=value[:10],
        digest=tokens.digest(value),
        scopes=[str(scope) for scope in (scopes or tuple(Scope))],
        expires_at=timezone.now() + timedelta(days=days),
    )
    return value


class Api:
    """The API of one project with one token."""

    def __init__(self, project: Project, *scopes: Scope | str, token: str | None = None) -> None:
        self.project = project
        self.client = Client()
        self.headers = {"Authorization": f"Bearer {token or a_token(project, *scopes)}"}

    def url(self, path: str = "") -> str:
        return f"/api/v1/projects/{self.project.slug}/{path}"

    def get(self, path: str, **query: Any) -> Any:
        return self.client.get(self.url(path), query, headers=self.headers)

    def post(self, path: str, body: Any, *, key: str | None = None, kind: str = "application/json") -> Any:
        data = body if isinstance(body, (bytes, str)) else json.dumps(body)
        return self.client.post(self.url(path), data, content_type=kind, headers=self._with(key))

    def patch(self, path: str, body: Any) -> Any:
        return self.client.patch(self.url(path), json.dumps(body), content_type="application/json", headers=self.headers)

    def upload(self, file: bytes, case: Any = None, *, name: str = "x.png", key: str | None = None) -> Any:
        """POST cases/ as multipart."""
        parts: dict[str, Any] = {"file": SimpleUploadedFile(name, file)}
        if case is not None:
            parts["case"] = case if isinstance(case, (str, bytes)) else json.dumps(case)
        return self.client.post(self.url("cases/"), parts, headers=self._with(key))

    def batch(self, cases: Any, files: dict[str, bytes], *, key: str | None = None) -> Any:
        """POST cases/batch/ as multipart."""
        parts: dict[str, Any] = {"cases": json.dumps(cases)} | {
            name: SimpleUploadedFile(f"{name}.png", data) for name, data in files.items()
        }
        return self.client.post(self.url("cases/batch/"), parts, headers=self._with(key))

    def _with(self, key: str | None) -> dict[str, str]:
        return self.headers | ({"Idempotency-Key": key} if key else {})


def problem(response: Any, status: int) -> dict[str, Any]:
    """The problem+json of an answer that has to be one."""
    assert response.status_code == status, response.content[:500]
    assert response["Content-Type"].startswith("application/problem+json")
    body = response.json()
    assert body["status"] == status
    assert body["detail"]
    assert body["request_id"]
    return body
