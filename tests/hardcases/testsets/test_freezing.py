"""Freezing: what a version holds, what it costs to change it, and what is refused."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from hardcases.audit.models import AuditEvent
from hardcases.cases.models import Case
from hardcases.testsets import actions, trees
from hardcases.testsets.models import Entry, Stratum, TestSet, Touch, Version
from hardcases.testsets.refusals import NothingToFreeze, Unlabelled
from tests.builders import people
from tests.builders import testsets as build

pytestmark = pytest.mark.django_db


def frozen(test_set: TestSet, reason: str = "because") -> Version:
    return actions.freeze(actor=people.actor(test_set.project), test_set=test_set, reason=reason)


def whole_root(version: Version) -> str:
    return trees.rebuilt_roots(trees.members_of(version), version.test_set.project.key_prefix, ())[trees.LINES]


class FreezeTests:
    def test_pins_every_member_and_says_what_changed(self) -> None:
        project = people.a_project()
        one, two, three, four = (build.a_case(project, site=f"clinic-{n}") for n in range(4))
        test_set = build.a_test_set(project, [one, two, three])
        first = frozen(test_set)
        assert (first.number, first.cases, first.added, first.removed, first.changed) == (1, 3, 3, 0, 0)
        assert first.header["parent"] is None
        build.draft(test_set, add=[four], remove=[one])
        build.relabel(two, "nodule")
        second = frozen(test_set)
        assert (second.number, second.cases, second.added, second.removed, second.changed) == (2, 3, 1, 1, 1)
        assert second.header["parent"] == f"sha256:{first.digest}"
        assert set(trees.members_of(first).values_list("case_id", flat=True)) == {one.pk, two.pk, three.pk}
        assert set(trees.members_of(second).values_list("case_id", flat=True)) == {two.pk, three.pk, four.pk}
        assert (first.root, second.root) == (whole_root(first), whole_root(second))
        assert AuditEvent.objects.filter(action="version.frozen").count() == 2
        assert not Touch.objects.exists()

    def test_notes_changed_attributes_of_members_only(self) -> None:
        project = people.a_project()
        member, other = build.a_case(project, site="a"), build.a_case(project, site="a")
        test_set = build.a_test_set(project, [member])
        frozen(test_set)
        Case.objects.filter(pk__in=[member.pk, other.pk]).update(attributes={"site": "b"})
        assert list(Touch.objects.values_list("case_id", flat=True)) == [member.pk]
        assert frozen(test_set).changed == 1

    def test_a_change_that_was_taken_back_is_none(self) -> None:
        project = people.a_project()
        member = build.a_case(project, site="a")
        test_set = build.a_test_set(project, [member])
        frozen(test_set)
        for site in ("b", "a"):
            Case.objects.filter(pk=member.pk).update(attributes={"site": site})
        with pytest.raises(NothingToFreeze):
            frozen(test_set)

    def test_refuses_an_unlabelled_member_and_names_it(self) -> None:
        project = people.a_project()
        bare = build.a_case(project, label=None)
        test_set = build.a_test_set(project, [build.a_case(project), bare])
        with pytest.raises(Unlabelled) as refusal:
            frozen(test_set)
        assert [detail.pointer for detail in refusal.value.errors] == [f"/cases/{bare.key}"]
        assert not Entry.objects.exists()

    @pytest.mark.parametrize("cases", [0, 1])
    def test_refuses_an_empty_change(self, cases: int) -> None:
        project = people.a_project()
        test_set = build.a_test_set(project, [build.a_case(project) for _ in range(cases)])
        if cases:
            frozen(test_set)
        with pytest.raises(NothingToFreeze):
            frozen(test_set)

    def test_an_erased_member_leaves_the_next_version(self) -> None:
        project = people.a_project()
        kept, erased = build.a_case(project), build.a_case(project)
        test_set = build.a_test_set(project, [kept, erased])
        frozen(test_set)
        Case.objects.filter(pk=erased.pk).update(state="erased", attributes={}, attributes_salt=None)
        second = frozen(test_set)
        assert (second.cases, second.removed) == (1, 1)

    def test_same_history_elsewhere_has_another_digest_but_equal_content_the_same_root(self) -> None:
        project = people.a_project()
        cases = [build.a_case(project) for _ in range(5)]
        one, two = build.a_version(project, cases), build.a_version(project, cases)
        assert one.root == two.root
        assert one.digest != two.digest

    def test_a_small_change_reads_its_buckets_and_no_order_of_all_of_them(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(
            "hardcases.testsets.tree.bucket", lambda uid: uid.int % 2
        )  # so that a bucket holds several, and not one after the other
        project = people.a_project()
        cases = [build.a_case(project) for _ in range(8)]
        test_set = build.a_test_set(project, cases)
        frozen(test_set)
        build.relabel(cases[0], "nodule")
        build.relabel(cases[1], "nodule")
        with CaptureQueriesContext(connection) as asked:
            version = actions.freeze_rows(actor=people.actor(project), test_set=test_set, reason="few")
        assert version.root == whole_root(version)
        # With an order to give, a cursor of PostgreSQL reads every bucket of the set.
        assert not [query["sql"] for query in asked if 'ORDER BY "hardcases_entry"."bucket"' in query["sql"]]


class StratumPinTests:
    def test_membership_is_pinned_and_follows_the_attributes_of_each_version(self) -> None:
        project = people.a_project()
        Stratum.objects.create(project=project, slug="portable", name="Portable", q="portable:true")
        one, two = build.a_case(project, portable=True), build.a_case(project, portable=False)
        test_set = build.a_test_set(project, [one, two])
        first = frozen(test_set)
        Case.objects.filter(pk=one.pk).update(attributes={"portable": False})
        second = frozen(test_set)
        assert [version.header["strata"][0]["cases"] for version in (first, second)] == [1, 0]
        for version in (first, second):
            roots = trees.rebuilt_roots(trees.members_of(version), "XR", ["portable"])
            assert version.header["strata"][0]["members"] == roots["portable"]
            assert version.root == roots[trees.LINES]

    def test_a_new_or_other_rule_is_a_change_of_the_members_it_concerns(self) -> None:
        project = people.a_project()
        cases = [build.a_case(project, site=site) for site in ("a", "b", "c")]
        test_set = build.a_test_set(project, cases)
        frozen(test_set)
        stratum = Stratum.objects.create(project=project, slug="some", name="Some", q="site:a,b")
        second = frozen(test_set)
        assert (second.changed, second.header["strata"][0]["cases"]) == (2, 2)
        Stratum.objects.filter(pk=stratum.pk).update(q="site:b,c")
        third = frozen(test_set)
        assert (third.changed, third.header["strata"][0]["cases"]) == (2, 2)
        assert third.root == whole_root(third)
