"""The pages of cases, as a signed-in person uses them without scripts and with htmx."""

import pytest
from django.test import Client
from django.urls import reverse

from hardcases.cases.jobs import make_media
from hardcases.cases.models import Case
from hardcases.labels.models import LabelRevision
from hardcases.projects.models import Project, User
from hardcases.projects.permissions import Role
from tests.builders.cases import a_case
from tests.builders.labels import label
from tests.builders.people import a_member, a_project

pytestmark = pytest.mark.django_db
HOSTILE = "<script>alert(1)</script>{{ 7|add:7 }}"


@pytest.fixture
def project() -> Project:
    return a_project()


def signed_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def browser(project: Project) -> Client:
    return signed_in(a_member(project, Role.CURATOR))


class DecidingTests:
    """The buttons of a case's own page; the inbox decides groups."""

    def decide(self, browser: Client, project: Project, **form: str) -> str:
        address = reverse("case-decide", args=[project.slug, "XR-1"])
        response = browser.post(address, form, follow=True)
        assert response.status_code == 200
        return response.content.decode()

    def test_a_case_is_accepted_and_put_back(self, browser: Client, project: Project) -> None:
        a_case(project)
        assert "Back to the inbox" in self.decide(browser, project, state="accepted")
        assert Case.objects.get().state == "accepted"
        browser.post(reverse("case-undo", args=[project.slug, "XR-1"]))
        assert Case.objects.get().state == "inbox"

    def test_decline_keeps_its_reason(self, browser: Client, project: Project) -> None:
        a_case(project)
        self.decide(browser, project, state="declined", decline_reason="unreadable")
        case = Case.objects.get()
        assert (case.state, case.decline_reason) == ("declined", "unreadable")
        assert case.decided_by

    @pytest.mark.parametrize(
        "form",
        [
            {"state": "declined"},
            {"state": "declined", "decline_reason": "because"},
            {"state": "lost"},
            {"state": "snoozed"},
            {"state": "snoozed", "days": "5000"},
        ],
    )
    def test_a_decision_that_is_not_whole_changes_nothing(self, browser: Client, project: Project, form: dict[str, str]) -> None:
        a_case(project)
        assert "Nothing was changed" in self.decide(browser, project, **form)
        assert Case.objects.get().state == "inbox"

    def test_a_picture_that_is_not_ready_asks_for_itself(self, browser: Client, project: Project) -> None:
        case = a_case(project)
        address = reverse("case-light", args=[project.slug, case.key])
        page = reverse("case-page", args=[project.slug, case.key])
        assert f'data-live="{address}"' in browser.get(page).content.decode()
        make_media(case.pk)
        assert "data-live" not in browser.get(address).content.decode()
        assert "as=display" in browser.get(page).content.decode()


class CaseListTests:
    def test_it_finds_and_shows(self, browser: Client, project: Project) -> None:
        a_case(project, "1", source="north")
        a_case(project, "2", source="south")
        page = browser.get(reverse("case-list", args=[project.slug]), {"q": "source:north"}).content.decode()
        assert "XR-1" in page
        assert "XR-2" not in page

    def test_a_search_that_finds_nothing_says_what_removes_it(self, browser: Client, project: Project) -> None:
        a_case(project, "1", source="north")
        page = browser.get(reverse("case-list", args=[project.slug]), {"q": "source:south state:inbox"}).content.decode()
        assert "Without <code>source:south</code> there is 1." in page

    def test_a_search_that_cannot_be_read_says_where(self, browser: Client, project: Project) -> None:
        response = browser.get(reverse("case-list", args=[project.slug]), {"q": "colour:red"})
        assert response.status_code == 400
        assert "There is no field “colour”" in response.content.decode()

    def test_an_unknown_parameter_is_noted(self, browser: Client, project: Project) -> None:
        assert "does not know, “colour”" in browser.get(reverse("case-list", args=[project.slug]), {"colour": "red"}).content.decode()


class CasePageTests:
    def test_everything_said_stands_on_it_and_is_only_text(self, browser: Client, project: Project) -> None:
        said = {
            "source": HOSTILE,
            "tags": [HOSTILE],
            "attributes": {"site": HOSTILE, HOSTILE: HOSTILE},
            "external_id": HOSTILE,
            "reason": HOSTILE,
        }
        case = a_case(project, **said)
        label(case, "nodule", note=HOSTILE)
        for name in ("case-page",):
            page = browser.get(reverse(name, args=[project.slug, case.key])).content.decode()
            assert "<script>alert" not in page
            assert page.count("&lt;script&gt;alert(1)") >= 6
            assert "{{ 7|add:7 }}" in page
            assert case.sha256 in page
        for name in ("inbox", "case-list"):
            assert "<script>alert" not in browser.get(reverse(name, args=[project.slug])).content.decode()

    def test_the_class_buttons_label(self, browser: Client, project: Project) -> None:
        case = a_case(project)
        response = browser.post(reverse("case-label", args=[project.slug, case.key]), {"label": "nodule"}, follow=True)
        assert "XR-1 is labelled nodule." in response.content.decode()
        assert LabelRevision.objects.get().label == {"label": "nodule"}
        response = browser.post(reverse("case-label", args=[project.slug, case.key]), {"label": "heart"}, follow=True)
        assert "does not fit the project" in response.content.decode()

    def test_a_viewer_sees_no_buttons(self, project: Project) -> None:
        case = a_case(project)
        client = signed_in(a_member(project, Role.VIEWER))
        page = client.get(reverse("case-page", args=[project.slug, case.key])).content.decode()
        assert "Accept" not in page
        assert "as=original" not in page
        assert client.post(reverse("case-label", args=[project.slug, case.key]), {"label": "nodule"}).status_code == 403


class ErasePageTests:
    def test_it_asks_for_the_key(self, project: Project) -> None:
        case = a_case(project, source="clinic-7")
        client = signed_in(project.owner)
        address = reverse("case-erase", args=[project.slug, case.key])
        assert client.get(address).status_code == 200
        assert client.post(address, {"reason": "asked", "key": "XR-2"}).status_code == 422
        assert Case.objects.get().state == "inbox"
        assert "XR-1 is erased" in client.post(address, {"reason": "asked", "key": "XR-1"}, follow=True).content.decode()
        assert Case.objects.get().state == "erased"

    def test_a_curator_may_not(self, browser: Client, project: Project) -> None:
        case = a_case(project)
        assert browser.post(reverse("case-erase", args=[project.slug, case.key])).status_code == 403
