"""Row changes that several rooms' actions share."""

from django.db.models import F

from hardcases.projects.models import Counter, Project


def next_numbers(project: Project, kind: str, count: int = 1) -> int:
    """Take `count` numbers of `kind` (case, run, release) and return the first. Call it inside the transaction that uses them.

    The row lock that the update takes is what keeps two writers from getting the same number; a rolled-back transaction gives its numbers back.
    """
    if not Counter.objects.filter(project=project, kind=kind).update(value=F("value") + count):
        Counter.objects.bulk_create([Counter(project=project, kind=kind)], ignore_conflicts=True)
        Counter.objects.filter(project=project, kind=kind).update(value=F("value") + count)
    return Counter.objects.values_list("value", flat=True).get(project=project, kind=kind) - count + 1
