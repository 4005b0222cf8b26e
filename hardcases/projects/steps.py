"""Row changes that several rooms' actions share."""

from django.db import connection

from hardcases.projects.models import Counter, Project


def next_numbers(project: Project, kind: str, count: int = 1) -> int:
    """Take `count` numbers of `kind` (case, run, release) and return the first. Call it inside the transaction that uses them.

    The row lock that the update takes is what keeps two writers from getting the same number; a rolled-back transaction gives its numbers back, and a
    transaction that took too many gives the last ones back by a negative count.
    """
    last = _add(project, kind, count)
    if last is None:
        Counter.objects.bulk_create([Counter(project=project, kind=kind)], ignore_conflicts=True)
        last = _add(project, kind, count) or 0
    return last - count + 1


def _add(project: Project, kind: str, count: int) -> int | None:
    """The counter's new value, None where there is no counter yet. One statement, which Django's `update` cannot say."""
    with connection.cursor() as cursor:
        cursor.execute(_ADD, [count, project.pk, kind])
        row = cursor.fetchone()
    return None if row is None else int(row[0])


_ADD = f"UPDATE {Counter._meta.db_table} SET value = value + %s WHERE project_id = %s AND kind = %s RETURNING value"  # noqa: S608, SLF001  # nosec B608 - our own table's name
