"""What a run reads of a version."""

import numpy as np
import pyarrow as pa
import pytest
from django.db import DatabaseError, transaction

from hardcases.blobs.store import get_store
from hardcases.cases.actions import erase_case
from hardcases.cases.models import Case, ExternalId
from hardcases.testsets import actions, snapshots
from hardcases.testsets.models import Snapshot, Stratum
from tests.builders import people
from tests.builders import testsets as build

pytestmark = pytest.mark.django_db


class MembersTests:
    def test_columns_in_the_order_of_case_numbers(self) -> None:
        project = people.a_project()
        Stratum.objects.create(project=project, slug="portable", name="Portable", q="portable:true")
        cases = [
            build.a_case(project, label="nodule", site="clinic-7", age=17.5, portable=True, patient="p-1"),
            build.a_case(project, label="normal", site="clinic 7", age=18, portable=False, patient="p-1"),
            build.a_case(project, label="normal", age=65),
            build.a_case(project, label="else", site="clinic-7", portable=True),
        ]
        of = snapshots.members(build.a_version(project, cases[::-1]))
        assert of.case_ids.tolist() == [case.pk for case in cases]
        assert of.keys().to_pylist() == [of.key(row) for row in range(4)] == [case.key for case in cases]
        assert [bytes(uid) for uid in of.uid_bytes] == [case.uid.bytes for case in cases]
        assert of.sha256().to_pylist() == [of.content(row) for row in range(4)] == [case.sha256 for case in cases]
        assert [of.kind(row) for row in range(4)] == ["text"] * 4
        assert (of.classes, of.label_codes.tolist()) == (("normal", "nodule"), [1, 0, 0, -1])
        assert of.clusters is not None
        assert of.clusters[0] == of.clusters[1]
        assert len(set(of.clusters.tolist())) == 3
        strata = {
            name: np.flatnonzero(grouping.codes == code).tolist() for grouping in of.groupings for code, name in enumerate(grouping.ids)
        }
        assert strata == {
            "class=normal": [1, 2],
            "class=nodule": [0],
            'site="clinic 7"': [1],
            "site=clinic-7": [0, 3],
            "site=": [2],
            "age=0..18": [0],
            "age=18..65": [1],
            "age=": [3],
            "portable=false": [1],
            "portable=true": [0, 3],
            "portable=": [2],
        }
        assert [(name, mask.tolist()) for name, mask in of.named] == [("stratum:portable", [True, False, False, True])]

    def test_shows_what_was_pinned_not_what_is(self) -> None:
        project = people.a_project()
        case = build.a_case(project, label="normal", site="a")
        version = build.a_version(project, [case])
        Case.objects.filter(pk=case.pk).update(attributes={"site": "b"})
        build.relabel(case, "nodule")
        Snapshot.objects.all().delete()
        of = snapshots.members(version)
        assert of.label_codes.tolist() == [0]
        assert next(grouping for grouping in of.groupings if grouping.name == "site").ids == ["site=a"]

    def test_is_written_again_byte_for_byte(self) -> None:
        project = people.a_project()
        version = build.a_version(project, [build.a_case(project, site="a") for _ in range(3)])
        before = Snapshot.objects.get(version=version).sha256
        Snapshot.objects.all().delete()
        get_store().delete(before)
        snapshots.members(version)
        assert Snapshot.objects.get(version=version).sha256 == before

    def test_an_attribute_of_more_than_fifty_values_makes_no_strata(self) -> None:
        project = people.a_project()
        version = build.a_version(project, [build.a_case(project, site=f"clinic-{n}") for n in range(51)])
        assert "site" not in [grouping.name for grouping in snapshots.members(version).groupings]

    def test_a_project_without_attributes_classes_or_clusters(self) -> None:
        project = people.a_project(attributes=[], cluster_attribute=None)
        of = snapshots.members(build.a_version(project, [build.a_case(project)]))
        assert (of.clusters, [grouping.name for grouping in of.groupings], of.named) == (None, ["class"], ())

    def test_aliases_are_those_of_today(self) -> None:
        project = people.a_project()
        cases = [build.a_case(project) for _ in range(3)]
        version = build.a_version(project, cases[1:])
        ExternalId.objects.bulk_create(ExternalId(project=project, case=case, value=f"req-{case.number}") for case in cases)
        of = snapshots.members(version)
        names, positions = snapshots.aliases(version, of)
        assert names.to_pylist() == [f"req-{case.number}" for case in cases[1:]]
        assert positions.tolist() == [0, 1]

    def test_names_are_looked_up_in_portions_and_in_any_order_of_ids(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(snapshots, "ROWS_AT_ONCE", 2)
        project = people.a_project()
        cases = [build.a_case(project) for _ in range(4)]
        numbers = [case.number for case in cases]
        for case in cases:
            Case.objects.filter(pk=case.pk).update(number=100 - case.number)
        version = build.a_version(project, cases[:3])
        ExternalId.objects.bulk_create(
            ExternalId(project=project, case=case, value=f"{case.pk}-{turn}") for turn in range(2) for case in cases
        )
        of = snapshots.members(version)
        assert of.numbers.tolist() == sorted(100 - number for number in numbers[:3])
        names, positions = snapshots.aliases(version, of)
        assert names.to_pylist() == [f"{case.pk}-{turn}" for turn in range(2) for case in cases[:3]]
        assert of.case_ids[positions].tolist() == [case.pk for case in cases[:3]] * 2

    def test_a_version_without_members(self) -> None:
        project = people.a_project()
        case = build.a_case(project, site="a")
        version = build.a_version(project, [case])
        build.draft(version.test_set, remove=[case])
        empty = actions.freeze(actor=people.actor(project), test_set=version.test_set, reason="none left")
        ExternalId.objects.create(project=project, case=case, value="req-1")
        of = snapshots.members(empty)
        assert (len(of), of.keys().to_pylist(), of.sha256().to_pylist()) == (0, [], [])
        assert [len(column) for column in snapshots.aliases(empty, of)] == [0, 0]

    def test_bytes_that_were_received_otherwise_than_they_are_stored(self) -> None:
        project = people.a_project()
        cases = [build.a_case(project) for _ in range(2)]
        Case.objects.filter(pk=cases[0].pk).update(stored_sha256="0" * 64)
        of = snapshots.members(build.a_version(project, cases))
        assert [of.content(row) for row in range(2)] == ["0" * 64, cases[1].sha256]
        assert of.sha256().to_pylist() == [case.sha256 for case in cases]


class ChancesTests:
    def test_in_the_order_of_members_and_unknown_where_nobody_knows(self) -> None:
        project = people.a_project()
        cases = [build.a_case(project, chance=chance) for chance in (0.25, None, 1.0)]
        version = build.a_version(project, cases[::-1])
        assert snapshots.members(version).case_ids.tolist() == [case.pk for case in cases]
        np.testing.assert_array_equal(snapshots.chances(version), [0.25, np.nan, 1.0])

    def test_a_snapshot_from_before_is_written_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        project = people.a_project()
        with monkeypatch.context() as before:
            now = snapshots.arrow_schema
            before.setattr(
                snapshots, "arrow_schema", lambda pinned: pa.schema(field for field in now(pinned) if field.name != snapshots.CHANCE)
            )
            version = build.a_version(project, [build.a_case(project, chance=0.5)])
        old = Snapshot.objects.get(version=version).sha256
        assert len(snapshots.members(version)) == 1
        assert Snapshot.objects.get(version=version).sha256 == old, "reading members needs nothing new"
        assert snapshots.chances(version).tolist() == [0.5]
        assert Snapshot.objects.get(version=version).sha256 != old

    def test_a_version_without_members_has_none(self) -> None:
        project = people.a_project()
        version = build.a_version(project, [build.a_case(project)])
        build.draft(version.test_set, remove=[Case.objects.get()])
        empty = actions.freeze(actor=people.actor(project), test_set=version.test_set, reason="none left")
        assert snapshots.chances(empty).tolist() == []

    def test_a_chance_never_changes_and_outlives_a_lawful_erasure(self) -> None:
        project = people.a_project()
        cases = [build.a_case(project, chance=chance) for chance in (0.25, None)]
        version = build.a_version(project, cases)
        for chance in (0.5, None):
            with pytest.raises(DatabaseError, match="final the moment it is kept"), transaction.atomic():
                Case.objects.filter(pk=cases[0].pk).update(selection_probability=chance)
        with pytest.raises(DatabaseError, match="final the moment it is kept"), transaction.atomic():
            Case.objects.filter(pk=cases[1].pk).update(selection_probability=1.0)
        erase_case(actor=people.actor(project), case=cases[0], reason="Asked for")
        np.testing.assert_array_equal(snapshots.chances(version), [0.25, np.nan])
