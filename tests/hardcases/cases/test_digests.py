"""Asking which contents the project has already: only about this project, only by digest."""

import hashlib
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from hardcases.cases.actions import erase_case
from hardcases.projects.authentication import person
from hardcases.projects.models import Project
from tests.builders.cases import a_case, a_picture, a_text
from tests.builders.http import Api, problem
from tests.builders.people import a_project

pytestmark = pytest.mark.django_db
UNKNOWN = "0" * 64


@pytest.fixture
def project() -> Project:
    return a_project()


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_known_ones_are_named_and_the_others_listed_once(project: Project) -> None:
    a_case(project, "a")
    a_text(project, "häh")
    asked = [sha(a_picture("a")), UNKNOWN, sha("häh".encode()), UNKNOWN]
    answer = Api(project, "report").post("cases/digests/", {"sha256": asked})
    assert answer.status_code == 200
    assert answer.json() == {"known": {asked[0]: "XR-1", asked[2]: "XR-2"}, "unknown": [UNKNOWN]}


def test_nothing_is_learnt_about_other_projects(project: Project) -> None:
    a_case(a_project(), "a")
    assert Api(project).post("cases/digests/", {"sha256": [sha(a_picture("a"))]}).json()["known"] == {}


def test_where_metadata_is_taken_out_it_is_the_received_bytes_that_are_known() -> None:
    project = a_project(strip_metadata=True)
    picture = a_picture("a", kind="JPEG", exif=b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00")
    assert Api(project).upload(picture).status_code == 201
    assert Api(project).post("cases/digests/", {"sha256": [sha(picture)]}).json()["known"] == {sha(picture): "XR-1"}


def test_an_erased_content_is_known_so_that_nobody_sends_it_again(project: Project) -> None:
    case = a_case(project, "a")
    erase_case(actor=person(project.owner), case=case, reason="asked for")
    assert Api(project).post("cases/digests/", {"sha256": [case.sha256]}).json()["known"] == {case.sha256: "XR-1"}


def test_a_thousand_are_one_look_and_more_are_refused(project: Project) -> None:
    a_case(project, "a")
    api = Api(project)
    many = [sha(str(number).encode()) for number in range(999)] + [sha(a_picture("a"))]
    api.post("cases/digests/", {"sha256": many})
    with CaptureQueriesContext(connection) as few:
        api.post("cases/digests/", {"sha256": [UNKNOWN]})
    with CaptureQueriesContext(connection) as queries:
        assert api.post("cases/digests/", {"sha256": many}).json()["known"] == {many[-1]: "XR-1"}
    assert len(queries) == len(few)
    problem(api.post("cases/digests/", {"sha256": [*many, UNKNOWN]}), 422)


@pytest.mark.parametrize(
    "body", [{}, [], {"sha256": UNKNOWN}, {"sha256": ["0" * 63]}, {"sha256": ["A" * 64]}, {"sha256": [7]}, {"md5": []}]
)
def test_what_is_no_list_of_digests_is_refused(project: Project, body: Any) -> None:
    problem(Api(project).post("cases/digests/", body), 422)


def test_it_takes_the_scope_of_sending_and_no_other(project: Project) -> None:
    problem(Api(project, "read").post("cases/digests/", {"sha256": []}), 403)
    other = Api(a_project(), "report", token=Api(project).headers["Authorization"].split()[1])
    problem(other.post("cases/digests/", {"sha256": []}), 404)
