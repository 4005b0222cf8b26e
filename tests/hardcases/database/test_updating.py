"""Different values for many rows in one statement, on both databases."""

import pytest
from django.db.models.functions import Now

from hardcases.cases.models import Case
from hardcases.database.updating import update_values
from tests.builders.cases import a_text
from tests.builders.people import a_project


@pytest.mark.django_db
def test_each_row_gets_its_own_values_while_it_is_as_it_was() -> None:
    project = a_project()
    one, two, changed = (a_text(project, text) for text in ("one", "two", "three"))
    Case.objects.update(media_busy_until=Now())
    Case.objects.filter(pk=changed.pk).update(media_attempt=4)
    rows = [
        (one.pk, 0, "failed", 'It\'s 100 % "broken"; DROP TABLE x; -- %s'),
        (two.pk, 0, "none", ""),
        (changed.pk, 0, "failed", "never written"),
        (changed.pk + 1, 0, "failed", "no row"),
    ]
    met = update_values(Case, rows, where=("id", "media_attempt"), to=("media_state", "media_failure"), clear=("media_busy_until",))
    assert met == {one.pk, two.pk}
    found = Case.objects.order_by("pk").values_list("media_state", "media_failure")
    assert list(Case.objects.filter(media_busy_until=None)) == [one, two]
    assert list(found) == [("failed", rows[0][3]), ("none", ""), ("none", "")]


@pytest.mark.django_db
def test_nothing_is_asked_for_nothing_and_null_is_written_as_null(django_assert_num_queries: pytest.FixtureRequest) -> None:
    case = a_text(a_project(), "one")
    Case.objects.update(thumbnail_sha256="a" * 64, display_sha256="b" * 64)
    with django_assert_num_queries(0):  # type: ignore[operator]
        assert update_values(Case, [], where=("id",), to=("media_failure",)) == set()
    assert update_values(Case, [(case.pk, None, "c" * 64)], where=("id",), to=("thumbnail_sha256", "display_sha256")) == {case.pk}
    assert Case.objects.values_list("thumbnail_sha256", "display_sha256").get() == (None, "c" * 64)
