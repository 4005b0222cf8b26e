"""`manage.py verify`: what is sound passes, what was tampered with past every guard is found."""

import io

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from hardcases.blobs.store import get_store
from hardcases.cases.models import Case
from hardcases.projects.models import Project
from hardcases.testsets.models import Entry, Snapshot, TreeNode
from tests.builders import people
from tests.builders import testsets as build

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    project = people.a_project()
    cases = [build.a_case(project, site="a") for _ in range(3)]
    for case in cases:
        stored = get_store().put_bytes(f"bytes of {case.pk} in {project.slug}".encode())
        Case.objects.filter(pk=case.pk).update(sha256=stored, stored_sha256=stored)
    build.a_version(project, [Case.objects.get(pk=case.pk) for case in cases])
    return project


def verify() -> str:
    out = io.StringIO()
    call_command("verify", stdout=out)
    return out.getvalue()


def findings() -> str:
    out = io.StringIO()
    with pytest.raises(CommandError):
        call_command("verify", stdout=out)
    return out.getvalue()


@pytest.mark.usefixtures("project")
class VerifyTests:
    def test_says_that_all_is_sound(self) -> None:
        assert "1 frozen versions are as they were stored" in verify()

    def test_finds_an_entry_changed_after_its_guard_was_taken_away(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("DROP TRIGGER hardcases_entry_update" + (" ON hardcases_entry" if connection.vendor == "postgresql" else ""))
        Entry.objects.filter(pk=Entry.objects.earliest("pk").pk).update(content_digest="0" * 64)
        assert "the entries do not give the root" in findings()

    def test_finds_a_wrong_tree(self) -> None:
        TreeNode.objects.filter(index=256).update(children=b"\x00" * 8192)
        assert "the stored tree of its lines differs" in findings()

    def test_finds_a_missing_file(self) -> None:
        case = Case.objects.earliest("pk")
        get_store().delete(case.stored_sha256)
        assert f"{case.key}: its file" in findings()

    def test_writes_a_lost_snapshot_again(self) -> None:
        Snapshot.objects.all().delete()
        assert "as they were stored" in verify()
        assert Snapshot.objects.count() == 1
