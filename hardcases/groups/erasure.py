"""This room's part of a lawful erasure: what a picture or text can be recognised by goes with it, and its group no longer counts it."""

from hardcases.audit.actors import Actor
from hardcases.cases.models import Case
from hardcases.groups.models import Fingerprint, Group
from hardcases.groups.steps import go_out, lock_groups


def forget_case(_: Actor, case: Case) -> None:
    """Runs in the erasure's transaction, before the case is blanked. Title and sites of the group are taken from the cases that stay."""
    lock_groups(case.project)
    held = Case.objects.select_for_update(no_key=True).get(pk=case.pk)
    Fingerprint.objects.filter(case=held).delete()
    if held.group_number is None:
        Case.objects.filter(pk=held.pk).update(group_number=0)
        return
    group = Group.objects.filter(project=case.project, number=held.group_number).first()
    if group is not None:
        go_out(group, [held], erased=True)
