"""What the database refuses by itself: plain SQL, past every line of Python."""

from collections.abc import Callable

import pytest
from django.db import DatabaseError, connection, transaction

from hardcases.audit.guards import missing_guards
from hardcases.projects.models import Project
from hardcases.testsets import actions
from hardcases.testsets.guards import GUARDS
from hardcases.testsets.models import Entry, PinnedAttributes, Version
from tests.builders import people
from tests.builders import testsets as build

pytestmark = pytest.mark.django_db


def sql(statement: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)


def refused(statement: str, sentence: str) -> None:
    with pytest.raises(DatabaseError, match=sentence):
        sql(statement)


@pytest.fixture
def two_versions() -> tuple[Project, Version]:
    project = people.a_project()
    kept, left, came = (build.a_case(project, site="a") for _ in range(3))
    first = build.a_version(project, [kept, left])
    build.draft(first.test_set, add=[came], remove=[left])
    return project, actions.freeze(actor=people.actor(project), test_set=first.test_set, reason="second")


def test_every_guard_is_there() -> None:
    assert missing_guards(GUARDS, connection) == []


@pytest.mark.usefixtures("two_versions")
class VersionTests:
    @pytest.mark.parametrize("statement", ["UPDATE hardcases_version SET reason = 'other'", "DELETE FROM hardcases_version"])
    def test_is_never_changed_or_deleted(self, statement: str) -> None:
        refused(statement, "never changed or deleted")

    def test_numbers_have_no_gaps(self) -> None:
        columns = "test_set_id, digest, root, header, cases, added, removed, changed, reason, frozen_by_id, frozen_by_name, frozen_at"
        source = f"SELECT 4, {columns.replace('digest', chr(39) + 'x' + chr(39))} FROM hardcases_version WHERE number = 2"
        refused(f"INSERT INTO hardcases_version (number, {columns}) {source}", "without gaps")


class EntryTests:
    @pytest.mark.parametrize(
        "change",
        [
            "removed_in = 2 WHERE added_in = 1 AND removed_in IS NULL",
            "removed_in = 4 WHERE added_in = 1 AND removed_in IS NULL",
            "removed_in = NULL WHERE removed_in = 2",
            "removed_in = 3 WHERE removed_in = 2",
            "content_digest = 'x'",
            "attributes_digest = 'x'",
            "label_digest = 'x'",
            "label_revision_id = label_revision_id + 1",
            "strata = 'x'",
            "bucket = bucket + 1",
            "added_in = 3 WHERE added_in = 2",
            "case_id = case_id + 1000",
        ],
    )
    def test_a_frozen_entry_is_not_changed(self, two_versions: tuple[Project, Version], change: str) -> None:
        refused(f"UPDATE hardcases_entry SET {change}", "frozen version")

    def test_a_frozen_entry_is_not_deleted(self, two_versions: tuple[Project, Version]) -> None:
        refused("DELETE FROM hardcases_entry WHERE added_in = 1", "frozen version")
        refused("DELETE FROM hardcases_entry WHERE added_in = 2", "frozen version")

    @pytest.mark.parametrize(("added_in", "removed_in"), [(1, "NULL"), (2, "NULL"), (4, "NULL"), (3, "4")])
    def test_entries_come_into_the_next_version_only(self, two_versions: tuple[Project, Version], added_in: int, removed_in: str) -> None:
        project, version = two_versions
        insert = _insert(project, version)
        with pytest.raises(DatabaseError, match="frozen next"):
            insert(added_in, removed_in)

    def test_staging_the_next_version_and_taking_it_back_is_allowed(self, two_versions: tuple[Project, Version]) -> None:
        project, version = two_versions
        _insert(project, version)(3, "NULL")
        sql("DELETE FROM hardcases_entry WHERE added_in = 3")
        sql("UPDATE hardcases_entry SET removed_in = 3 WHERE removed_in IS NULL")
        sql("UPDATE hardcases_entry SET removed_in = NULL WHERE removed_in = 3")
        assert Entry.objects.filter(test_set=version.test_set, removed_in=None).count() == 2


def _insert(project: Project, version: Version) -> Callable[[int, str], None]:
    case = build.a_case(project)
    columns = "test_set_id, bucket, content_digest, attributes_digest, label_revision_id, label_digest, strata"
    source = f"{columns} FROM hardcases_entry WHERE test_set_id = {version.test_set_id} AND added_in = 2"

    def insert(added_in: int, removed_in: str) -> None:
        sql(f"INSERT INTO hardcases_entry (case_id, added_in, removed_in, {columns}) SELECT {case.pk}, {added_in}, {removed_in}, {source}")

    return insert


@pytest.mark.usefixtures("two_versions")
class PinnedAttributesTests:
    @pytest.mark.parametrize(
        "statement",
        [
            "DELETE FROM hardcases_pinnedattributes",
            "UPDATE hardcases_pinnedattributes SET digest = 'x'",
            "UPDATE hardcases_pinnedattributes SET salt = NULL",
            'UPDATE hardcases_pinnedattributes SET "values" = NULL',
            "UPDATE hardcases_pinnedattributes SET \"values\" = '{}', salt = NULL",
        ],
    )
    def test_are_never_changed(self, statement: str) -> None:
        refused(statement, "lawful erasure")

    def test_may_be_blanked_as_a_whole(self) -> None:
        sql('UPDATE hardcases_pinnedattributes SET salt = NULL, "values" = NULL')
        assert not PinnedAttributes.objects.exclude(salt=None, values=None).exists()
