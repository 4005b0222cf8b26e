"""A lawful erasure and the versions that hold the case."""

import pytest

from hardcases.blobs.store import get_store
from hardcases.cases.actions import erase_case
from hardcases.cases.models import Case
from hardcases.projects.models import Project
from hardcases.testsets import actions, snapshots, tree, verification
from hardcases.testsets.models import DraftChange, Erasure, PinnedAttributes, Snapshot, Version
from hardcases.work import jobs
from tests.builders import people
from tests.builders import testsets as build

pytestmark = pytest.mark.django_db


@pytest.fixture
def history() -> tuple[Project, Case, list[Version]]:
    """The case is in versions 1 and 2 of 3, with other attributes in each."""
    project = people.a_project()
    case, other = build.a_case(project, site="a", patient="p-1"), build.a_case(project, site="b")
    versions = [build.a_version(project, [case, other])]
    test_set, who = versions[0].test_set, people.actor(project)
    Case.objects.filter(pk=case.pk).update(attributes={"site": "c", "patient": "p-1"})
    versions.append(actions.freeze(actor=who, test_set=test_set, reason="second"))
    build.draft(test_set, remove=[case])
    versions.append(actions.freeze(actor=who, test_set=test_set, reason="third"))
    return project, case, versions


class ErasureTests:
    def test_blanks_what_is_personal_and_marks_the_versions(self, history: tuple[Project, Case, list[Version]]) -> None:
        project, case, versions = history
        erase_case(actor=people.actor(project), case=case, reason="asked for")
        assert list(PinnedAttributes.objects.filter(case=case).values_list("salt", "values")) == [(None, None)] * 2
        assert [erasure.version.number for erasure in Erasure.objects.order_by("version")] == [1, 2]
        assert Snapshot.objects.filter(version=versions[2]).exists()

    def test_digests_still_verify(self, history: tuple[Project, Case, list[Version]]) -> None:
        project, case, versions = history
        erase_case(actor=people.actor(project), case=case, reason="asked for")
        for version in versions:
            fresh = Version.objects.get(pk=version.pk)
            assert tree.version_digest(fresh.header) == version.digest
            assert list(verification.version_findings(fresh)) == []
        assert list(verification.attribute_findings()) == []

    def test_snapshots_forget_and_their_files_go(self, history: tuple[Project, Case, list[Version]]) -> None:
        project, case, versions = history
        before = {snapshot.version_id: snapshot.sha256 for snapshot in Snapshot.objects.all()}
        erase_case(actor=people.actor(project), case=case, reason="asked for")
        for job in jobs.due_jobs():
            jobs.run_job(job)
        for version in versions[:2]:
            of = snapshots.members(version)
            site = next(grouping for grouping in of.groupings if grouping.name == "site")
            assert site.ids == ["site=b", "site="]
            assert not get_store().exists(before[version.pk])
        assert get_store().exists(before[versions[2].pk])

    def test_leaves_the_draft(self) -> None:
        project = people.a_project()
        case = build.a_case(project)
        build.a_test_set(project, [case])
        erase_case(actor=people.actor(project), case=case, reason="asked for")
        assert not DraftChange.objects.exists()
