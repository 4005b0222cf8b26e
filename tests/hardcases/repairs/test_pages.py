"""The page of what was set aside, as a curator clicks through it."""

import re
from typing import Any

import pytest
from django.test import Client

from hardcases.cases.models import Case
from hardcases.models import Project
from hardcases.projects.permissions import Role
from hardcases.repairs.models import RepairRule
from hardcases.repairs.queries import findings
from hardcases.work.models import Job
from hardcases.work.tasks import all_due
from tests.builders import cases, people

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return people.a_project()


def signed_in(project: Project, *roles: Role) -> Client:
    client = Client()
    client.force_login(people.a_member(project, *roles), backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


def text(response: Any, status: int = 200) -> str:
    assert response.status_code == status, response.content[:300]
    page: str = response.content.decode()
    return page


def finding_url(project: Project, place: str) -> str:
    finding = next(finding for finding in findings(project).findings if finding.place == place)
    return f"/p/{project.slug}/quarantine/{finding.id}/"


def test_from_the_list_to_a_repair_that_is_remembered_and_stopped(project: Project) -> None:
    curator = signed_in(project, Role.CURATOR)
    address = f"/p/{project.slug}/quarantine/"
    assert "Nothing is set aside" in text(curator.get(address))
    keys = [cases.a_case(project, str(index), attributes={"age": f"{index},5"}).key for index in range(4)]
    page = text(curator.get(address))
    assert "a number with a decimal comma, as text" in page
    assert all(key in page for key in keys[1:])
    url = finding_url(project, "attributes.age")
    assert url in page
    said = {"action": "number", "decimal": "comma", "remember": "on"}
    preview = text(curator.post(url, said | {"do": "preview"}))
    assert "4 of 4 cases would change." in preview
    assert "attributes.age = &quot;3,5&quot;" in preview
    assert "attributes.age = 3.5" in preview
    assert not Job.objects.filter(kind="repairs.apply").exists()
    assert curator.post(url, said | {"do": "apply"}).status_code == 302
    assert "Waits for a worker" in text(curator.get(address))
    for due in all_due():
        due.task(**due.kwargs)
    page = text(curator.get(address))
    assert "4 cases changed" in page
    assert text(curator.get(url), 404)
    rule = RepairRule.objects.get()
    assert curator.post(f"{address}rules/{rule.pk}/retire/").status_code == 302
    assert "No repair is kept" in text(curator.get(address))


def test_a_mistake_is_shown_beside_its_field_and_nothing_is_asked_for(project: Project) -> None:
    cases.a_case(project, attributes={"Site": "clinic-7"})
    curator = signed_in(project, Role.CURATOR)
    url = finding_url(project, "attributes.Site")
    page = text(curator.post(url, {"action": "rename", "to": "sight", "do": "apply"}), 422)
    assert "Select a valid choice" in page
    assert re.findall(r'<option value="(\w+)"', page)[:4] == ["site", "age", "portable", "patient"]
    assert "Declare the attribute" not in page, "a curator may not"
    assert not Job.objects.filter(kind="repairs.apply").exists()


def test_an_admin_declares_the_attribute_and_the_values_fit(project: Project) -> None:
    case = cases.a_case(project, attributes={"scanner": "S1"})
    admin = signed_in(project, Role.ADMIN)
    url = finding_url(project, "attributes.scanner")
    assert admin.post(url, {"action": "declare", "kind": "category", "do": "apply"}).status_code == 302
    for due in all_due():
        due.task(**due.kwargs)
    case.refresh_from_db()
    assert (case.attributes, case.quarantine) == ({"scanner": "S1"}, [])


def test_everything_can_be_tried_again(project: Project) -> None:
    cases.a_case(project, attributes={"scanner": "S1"})
    curator = signed_in(project, Role.CURATOR)
    assert curator.post(f"/p/{project.slug}/quarantine/").status_code == 302
    for due in all_due():
        due.task(**due.kwargs)
    assert "1 value still does not fit" in text(curator.get(f"/p/{project.slug}/quarantine/"))


def test_what_was_found_in_a_file_is_reviewed_and_then_hidden(project: Project) -> None:
    case = cases.a_case(project)
    Case.objects.update(quarantine=[{"field": "dicom.PatientName", "value": None, "problem": "The file names a person."}])
    curator = signed_in(project, Role.CURATOR, Role.ADMIN)
    url = finding_url(project, "dicom.PatientName")
    page = text(curator.get(url))
    assert f"/cases/{case.key}/erase/" in page
    assert re.findall(r'name="action" value="(\w+)"', page) == ["keep", "decline"]
    assert curator.post(url, {"action": "keep", "do": "apply"}).status_code == 302
    for due in all_due():
        due.task(**due.kwargs)
    page = text(curator.get(f"/p/{project.slug}/quarantine/"))
    assert "Show 1 reviewed finding" in page
    assert url not in page
    assert url in text(curator.get(f"/p/{project.slug}/quarantine/?reviewed=true"))
