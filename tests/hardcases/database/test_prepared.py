"""Prepared queries find what their querysets find, `among` what `in` finds; `insert` and `insert_values` write what `bulk_create` writes."""

import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import IntegrityError, connection, models, transaction
from django.db.models import Model

from hardcases.audit.models import AuditEvent
from hardcases.cases.models import Case, Sighting
from hardcases.database import inserting
from hardcases.database.inserting import insert, insert_values
from hardcases.database.prepared import Given, Prepared, PreparedMany
from hardcases.projects.models import Membership, Project
from tests.builders.cases import a_text
from tests.builders.people import a_project

pytestmark = pytest.mark.django_db

BY_SLUG = Prepared(lambda: Project.objects.select_related("team").filter(slug=Given("slug")))
ROLES: Prepared[tuple[Any, ...]] = Prepared(lambda: Membership.objects.filter(project_id=Given("project")).values_list("role", "user_id"))
NUMBERS: PreparedMany[Case] = PreparedMany(
    lambda texts: Case.objects.filter(project_id=Given("project"), text__among=texts).order_by("number")
)


def columns(row: Model) -> dict[str, Any]:
    """Every column but the key, as it is stored."""
    fresh = type(row)._default_manager.get(pk=row.pk)
    return {field.attname: getattr(fresh, field.attname) for field in row._meta.concrete_fields if not field.primary_key}


def test_models_and_their_related_ones_come_back_whole(django_assert_num_queries: Any) -> None:
    project = a_project()
    BY_SLUG.first(slug=project.slug)
    with django_assert_num_queries(1):
        found = BY_SLUG.first(slug=project.slug)
        assert found is not None
        assert found == project
        assert found.team.slug == project.team.slug
    assert columns(found) == {name: getattr(found, name) for name in columns(found)}
    found.name = "Renamed"
    found.save()
    again = BY_SLUG.first(slug=project.slug)
    assert again is not None
    assert again.name == "Renamed"
    assert BY_SLUG.first(slug="nothing") is None


def test_rows_of_values_follow_the_values_given() -> None:
    for project in (a_project(), a_project()):
        expected = set(Membership.objects.filter(project=project).values_list("role", "user_id"))
        assert set(ROLES.all(project=project.pk)) == expected


@pytest.mark.parametrize("many", [0, 1, 2, 3, 5, 8])
def test_a_list_of_any_length_finds_each_once(many: int) -> None:
    project = a_project()
    wanted = [a_text(project, f"text {number}") for number in range(many)]
    a_text(project, "not asked for")
    found = NUMBERS.all([str(case.text) for case in wanted] + ["nowhere"] * (many > 0), project=project.pk)
    assert [case.number for case in found] == [case.number for case in wanted]


def test_among_finds_what_in_finds() -> None:
    project = a_project()
    made = [a_text(project, text) for text in ("plain", "a 'quote' and {braces}, \\", "100 %s", "Ünï 漢字 🙂", "x" * 70)]
    a_text(project, "not asked for")
    texts = [str(case.text) for case in made]
    for values, column in (
        (texts, "text"),
        ([*texts, *texts, "nowhere", "pla"], "text"),
        ({case.number for case in made}, "number"),
        ([case.pk for case in made] + [2**40], "pk"),
        ([], "number"),
    ):
        found = Case.objects.filter(project=project, **{f"{column}__among": values}).order_by("pk")
        assert list(found) == list(Case.objects.filter(project=project, **{f"{column}__in": list(values)}).order_by("pk")), values
    assert Sighting.objects.filter(case__among=[case.pk for case in made]).count() == len(made)
    assert Sighting.objects.filter(case__number__among=[made[0].number]).count() == 1


@pytest.mark.skipif(connection.vendor == "postgresql", reason="The driver refuses NUL characters, as it does within any text.")
def test_among_does_not_end_a_text_at_a_nul_character() -> None:
    project = a_project()
    case = a_text(project, "plain")
    assert not Case.objects.filter(text__among=["plain\x00and more"]).exists()
    assert Case.objects.get(text__among=["plain\x00and more", "plain", "\\u0000"]) == case


@pytest.mark.django_db(transaction=True)
def test_a_query_serves_the_threads_that_did_not_compile_it() -> None:
    project = a_project()
    prepared = Prepared(lambda: Project.objects.filter(slug=Given("slug")))
    found: list[Project | None] = []

    def ask() -> None:
        found.append(prepared.first(slug=project.slug))
        connection.close()

    for _ in range(2):
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
    assert found == [project, project]


def cases(project: Project, first: int) -> list[Case]:
    """Rows that differ in every kind of column: some NULL, some filled in by the database, some by Python."""
    said = {"project": project, "kind": "image", "stored_sha256": "b" * 64, "size": 3, "media_type": "image/png"}
    more: list[dict[str, Any]] = [
        {"prediction": {"scores": {"é": 0.25}}, "attributes": {"a": [1, None]}, "tags": ["x"]},
        {"captured_at": datetime(2026, 1, 2, 3, 4, 5, 6, UTC), "width": 5, "height": 6, "text": "100 %s \x7f", "file_name": "%d.png"},
        {},
    ]
    return [Case(number=first + index, sha256=f"{first + index:064d}", **said, **extra) for index, extra in enumerate(more)]


def test_insert_writes_what_bulk_create_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inserting, "MOST_VALUES", 50)  # so that three rows take two statements
    project = a_project()
    ours, djangos = cases(project, 1), cases(project, 11)
    with transaction.atomic():
        insert(ours)
        Case.objects.bulk_create(djangos)
    differs = {"uid", "number", "sha256", "attributes_salt", "received_at", "last_seen_at"}
    for one, other in zip(ours, djangos, strict=True):
        left, right = columns(one), columns(other)
        assert {name: left[name] for name in left if name not in differs} == {name: right[name] for name in right if name not in differs}
        assert (left["uid"], bytes(left["attributes_salt"])) == (one.uid, one.attributes_salt)
        assert abs(left["received_at"] - right["received_at"]).total_seconds() < 60
        assert one.received_at == left["received_at"]  # read when asked for
    assert [Case.objects.get(pk=case.pk).number for case in ours] == [1, 2, 3]


def test_values_are_written_as_models_would_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inserting, "MOST_VALUES", 9)  # so that five rows take three statements
    case, *_ = rows = cases(a_project(), 1)
    insert(rows)
    shared = {"é": [1, None, 0.25]}
    bodies = [shared, None, {"a": 1}, shared, {"%s": "\x7f"}]
    said = [(case.pk, f"writer {number}", None if number else "t", "r", body) for number, body in enumerate(bodies)]
    names = ("case_id", "actor_name", "token_id", "request_id", "body")
    with transaction.atomic():
        keys = insert_values(Sighting, names, said)
        djangos = Sighting.objects.bulk_create([Sighting(**dict(zip(names, row, strict=True))) for row in said])
    assert [Sighting.objects.get(pk=key).actor_name for key in keys] == [row[1] for row in said]
    for key, other in zip(keys, djangos, strict=True):
        left, right = columns(Sighting.objects.get(pk=key)), columns(other)
        assert abs(left.pop("at") - right.pop("at")).total_seconds() < 60
        assert left == right
    assert insert_values(Sighting, names, []) == []


def test_insert_leaves_rows_that_can_be_changed_and_referred_to() -> None:
    (case, *_) = rows = cases(a_project(), 1)
    insert(rows)
    case.file_name = "later.png"
    case.save()
    insert([Sighting(case=case, actor_name="x", body=None), Sighting(case=case, actor_name="y", body={"a": 1})])
    assert list(case.sightings.order_by("pk").values_list("actor_name", "body")) == [("x", None), ("y", {"a": 1})]
    assert Case.objects.get(pk=case.pk).file_name == "later.png"


def test_insert_of_nothing_asks_nothing(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        insert([])


def test_what_the_database_refuses_is_raised() -> None:
    project = a_project()
    insert(cases(project, 1))
    with pytest.raises(IntegrityError), transaction.atomic():
        insert(cases(project, 1))


@pytest.mark.parametrize("model", [Case, Sighting, AuditEvent])
def test_the_tables_it_is_used_for_have_nothing_that_it_cannot_write(model: type[Model]) -> None:
    assert isinstance(model._meta.pk, models.AutoField)
    assert not [
        field for field in model._meta.concrete_fields if getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False)
    ]
