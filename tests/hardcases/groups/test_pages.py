"""The inbox and the page of a group, as a signed-in person uses them without scripts and with htmx."""

from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from django.urls import reverse

from hardcases.cases.models import Case
from hardcases.groups.models import Group, GroupAct
from hardcases.projects.models import Project
from hardcases.projects.permissions import Role
from hardcases.web import pagination
from tests.builders.cases import a_case, a_text
from tests.builders.groups import a_group, a_picture, recount, work
from tests.builders.people import a_member, a_project

pytestmark = pytest.mark.django_db
HOSTILE = "<script>alert(1)</script>{{ 7|add:7 }}"


@pytest.fixture
def project() -> Project:
    return a_project()


class Inbox:
    """Somebody who decides."""

    def __init__(self, project: Project, *roles: Role) -> None:
        self.project = project
        self.browser = Client()
        self.browser.force_login(a_member(project, *(roles or (Role.CURATOR,))))

    def open(self, **query: str) -> str:
        response = self.browser.get(reverse("inbox", args=[self.project.slug]), query)
        assert response.status_code == 200
        return response.content.decode()

    def group(self, key: str, **query: str) -> str:
        response = self.browser.get(reverse("group-page", args=[self.project.slug, key]), query)
        assert response.status_code == 200
        return response.content.decode()

    def press(self, name: str, key: str, /, **form: object) -> str:
        address = reverse(name, args=[self.project.slug, key])
        response = self.browser.post(address, {"back": "inbox", **form}, follow=True)
        assert response.status_code == 200
        self.where = parse_qs(urlsplit(response.redirect_chain[-1][0]).query)
        return response.content.decode()

    def undo(self) -> None:
        act = GroupAct.objects.latest("id")
        self.browser.post(reverse("group-undo", args=[self.project.slug, act.group.key, act.pk]))


@pytest.fixture
def inbox(project: Project) -> Inbox:
    return Inbox(project)


def states(project: Project) -> list[str]:
    return list(Case.objects.filter(project=project).order_by("number").values_list("state", flat=True))


class InboxTests:
    def test_an_empty_inbox_says_so(self, inbox: Inbox) -> None:
        assert "Nothing waits for a decision" in inbox.open()

    def test_what_has_no_group_yet_is_not_hidden(self, inbox: Inbox, project: Project) -> None:
        a_case(project)
        assert "1 new case is being put into its group." in inbox.open()
        work()
        assert "being put into" not in inbox.open()

    def test_the_note_asks_again_until_all_have_their_group(self, inbox: Inbox, project: Project) -> None:
        address = reverse("inbox-placing", args=[project.slug])
        asks = f'hx-get="{address}"'
        assert asks not in inbox.open()
        a_case(project)
        assert asks in inbox.open()
        note = inbox.browser.get(address).content.decode()
        assert "1 new case is being put into its group." in note
        assert (asks in note, "<main" in note) == (True, False)
        work()
        note = inbox.browser.get(address).content.decode()
        assert ("All new cases are in their groups." in note, "hx-get" in note) == (True, False)
        assert asks not in inbox.open()

    def test_groups_not_cases_are_listed_and_the_next_one_is_a_key_away(self, inbox: Inbox, project: Project) -> None:
        a_group(project, 1, reason="doctor_disagreed", prediction={"scores": {"nodule": 0.07, "normal": 0.93}}, source="clinic-7")
        a_group(project, 2, 2)
        a_group(project, 3, 1)
        page = inbox.open()
        assert "3 groups" in page
        assert "6 cases" in page
        assert "Doctor disagreed: normal" in page
        assert "clinic-7" in page
        assert 'href="?group=G-2" data-key="j"' in page
        assert "1 of 3" in page
        assert "Accept 3" in page
        page = inbox.open(group="G-2")
        assert 'href="?group=G-3" data-key="j"' in page
        assert 'href="?group=G-1" data-key="k"' in page
        assert "Accept 2" in page

    def test_the_cases_of_a_group_are_leafed_through(self, inbox: Inbox, project: Project) -> None:
        a_group(project, 1, 14)
        page = inbox.open(group="G-1", case="XR-7")
        assert 'href="?group=G-1&amp;case=XR-8" data-key="["' in page
        assert 'href="?group=G-1&amp;case=XR-6" data-key="]"' in page
        assert "same failure reason" not in page
        assert "picture 1.00 alike to XR-1" in page or "picture 0.9" in page
        assert 'data-key="["' not in inbox.open(group="G-1", case="XR-14")
        a_group(project, 2, 2)
        assert "Split XR-15 off" in inbox.open(case="XR-15")

    def test_accepting_decides_the_group_goes_on_and_is_undone_as_a_whole(self, inbox: Inbox, project: Project) -> None:
        a_group(project, 1)
        a_group(project, 2, 2)
        page = inbox.press("group-decide", "G-1", state="accepted")
        assert "G-1: 3 cases accepted." in page
        assert inbox.where["group"] == ["G-2"]
        assert states(project) == ["accepted"] * 3 + ["inbox"] * 2
        inbox.undo()
        assert states(project) == ["inbox"] * 5
        recount(project)

    def test_what_came_meanwhile_is_not_decided_unseen(self, inbox: Inbox, project: Project) -> None:
        a_group(project, 1, 2)
        assert 'name="upto" value="2"' in inbox.open()
        a_picture(project, 1, 8)
        work()
        inbox.press("group-decide", "G-1", state="accepted", upto="2")
        assert states(project) == ["accepted", "accepted", "inbox"]

    @pytest.mark.parametrize(
        "form",
        [
            {"state": "declined"},
            {"state": "declined", "decline_reason": "because"},
            {"state": "lost"},
            {"state": "snoozed"},
            {"state": "snoozed", "days": "5000"},
            {"state": "accepted", "upto": "-3"},
            {"state": "accepted", "back": "nowhere"},
        ],
    )
    def test_a_decision_that_is_not_whole_changes_nothing(self, inbox: Inbox, project: Project, form: dict[str, str]) -> None:
        a_group(project, 1)
        assert "Nothing was changed" in inbox.press("group-decide", "G-1", **form)
        assert states(project) == ["inbox"] * 3

    def test_who_comes_second_is_told(self, inbox: Inbox, project: Project) -> None:
        a_group(project, 1)
        inbox.press("group-decide", "G-1", state="declined", decline_reason="unreadable")
        assert "somebody else decided meanwhile" in inbox.press("group-decide", "G-1", state="accepted")
        assert states(project) == ["declined"] * 3

    def test_the_most_urgent_comes_first(self, inbox: Inbox, project: Project) -> None:
        for seed in (1, 2, 3):
            a_group(project, seed)
        inbox.press("group-decide", "G-3", state="accepted")
        a_picture(project, 3, 9)
        work()
        Group.objects.filter(number=2).update(growing=True)
        page = inbox.open()
        assert [page.index(f'href="?group={key}"') for key in ("G-3", "G-2", "G-1")] == sorted(
            page.index(f'href="?group={key}"') for key in ("G-3", "G-2", "G-1")
        )
        for word in ("Came back", "Growing", "New"):
            assert word in page

    def test_merge_offers_what_is_near_and_can_be_undone(self, inbox: Inbox, project: Project) -> None:
        a_group(project, 1, reason="doctor_disagreed")
        other = a_picture(project, 1, 30, reason="timeout")
        work()
        other.refresh_from_db()
        assert other.group_key == "G-2"
        page = inbox.open(group="G-2")
        assert 'name="into" value="G-1"' in page
        assert "G-2: 1 case merged into G-1." in inbox.press("group-merge", "G-2", into="g-1")
        assert inbox.where["group"] == ["G-1"]
        assert "was merged into G-1" in inbox.press("group-merge", "G-2", into="G-1")
        inbox.undo()
        other.refresh_from_db()
        assert other.group_key == "G-2"
        recount(project)

    def test_split_takes_the_open_case_out(self, inbox: Inbox, project: Project) -> None:
        a_group(project, 1)
        assert "Split XR-2 off" in inbox.open(case="XR-2", group="G-1")
        assert "G-1: 1 case split off as G-2." in inbox.press("group-split", "G-1", case="XR-2")
        assert inbox.where["group"] == ["G-1"]
        inbox.undo()
        recount(project)
        assert "no case of this key" in inbox.press("group-split", "G-1", case="XR-9")
        assert "Choose 1 to" in inbox.press("group-split", "G-1")

    def test_the_menu_counts_groups_to_a_thousand(self, inbox: Inbox, project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
        assert '<span id="count-of-inbox">' not in inbox.open()
        for seed in (1, 2):
            a_group(project, seed)
        assert '<span id="count-of-inbox">2</span>' in inbox.open()
        part = inbox.browser.get(reverse("inbox", args=[project.slug]), headers={"HX-Request": "true"}).content.decode()
        assert '<span id="count-of-inbox" hx-swap-oob="true">2</span>' in part
        monkeypatch.setattr(pagination, "MOST_COUNTED", 1)
        assert '<span id="count-of-inbox">1+</span>' in inbox.open()

    def test_htmx_gets_the_inspector_alone(self, inbox: Inbox, project: Project) -> None:
        a_group(project, 1)
        address = reverse("group-decide", args=[project.slug, "G-1"])
        response = inbox.browser.post(address, {"back": "inbox", "state": "accepted"}, headers={"HX-Request": "true"}, follow=True)
        page = response.content.decode()
        assert "<html" not in page
        assert 'id="inspector"' in page
        assert "afterbegin:#toasts" in page
        response = inbox.browser.post(address, {"back": "inbox", "state": "accepted"}, headers={"HX-Request": "true"}, follow=True)
        assert "somebody else decided meanwhile" in response.content.decode()

    def test_a_search_shows_the_groups_of_what_it_finds(self, inbox: Inbox, project: Project) -> None:
        a_group(project, 1, source="north")
        a_group(project, 2, source="south")
        page = inbox.open(q="source:south")
        assert "G-2" in page
        assert "G-1<" not in page
        assert "There is no field" in inbox.open(q="colour:red")
        assert "There is no group of this name" in inbox.open(group="G-77")


class GroupPageTests:
    def test_it_says_what_is_in_it_why_and_what_was_done(self, inbox: Inbox, project: Project) -> None:
        a_group(project, 1, reason="doctor_disagreed", attributes={"site": "clinic-7"})
        page = inbox.group("G-1")
        assert "Waiting 3" in page
        assert "same failure reason, picture" in page
        assert "same site" in page
        inbox.press("group-split", "G-1", case=["XR-2", "XR-3"], back="group")
        page = inbox.group("G-1")
        assert "G-1: 2 cases split off as G-2." in page
        assert "Kept apart from" in page
        assert "Split off by" in inbox.group("G-2")
        inbox.press("group-split", "G-2", case="XR-3", into="G-1", back="group")
        assert "G-2: 1 case moved to G-1." in inbox.group("G-1")
        inbox.press("group-decide", "G-1", state="accepted", back="group")
        assert "Accepted 2" in inbox.group("G-1", state="accepted")
        recount(project)

    def test_a_merged_group_leads_on(self, inbox: Inbox, project: Project) -> None:
        a_group(project, 1)
        a_group(project, 2)
        inbox.press("group-merge", "G-2", into="G-1", back="group")
        assert "This group was merged into" in inbox.group("G-2")

    def test_the_page_of_a_case_leads_to_its_group(self, inbox: Inbox, project: Project) -> None:
        a_group(project, 1)
        page = inbox.browser.get(reverse("case-page", args=[project.slug, "XR-1"])).content.decode()
        assert reverse("group-page", args=[project.slug, "G-1"]) in page

    def test_a_viewer_sees_no_buttons(self, project: Project) -> None:
        a_group(project, 1)
        viewer = Inbox(project, Role.VIEWER)
        page = viewer.group("G-1")
        assert "Accept" not in page.split("<main", 1)[1].split("tabs", 1)[0]
        assert "Split off or move" not in page

    def test_everything_said_is_only_text(self, inbox: Inbox, project: Project) -> None:
        a_text(project, HOSTILE * 3, reason=HOSTILE, source=HOSTILE, attributes={"site": HOSTILE}, tags=[HOSTILE])
        work()
        for page in (inbox.open(), inbox.group("G-1")):
            assert "<script>alert" not in page
            assert "{{ 7|add:7 }}" in page or "&lt;script&gt;" in page
