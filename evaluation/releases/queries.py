"""Reads about releases that pages, API and actions share."""

from typing import Any

from django.db.models import Q, QuerySet

from evaluation.registry.models import Replicate
from evaluation.releases.documents import read_policy
from evaluation.releases.models import Release
from evaluation.releases.signing import Facts, Item, missing
from evaluation.runs.models import Part, Run
from hardcases.projects.models import Project, User
from hardcases.projects.permissions import ROLES, Can

JSON = dict[str, Any]


def people_who_can(project: Project, permission: Can) -> QuerySet[User]:
    """Active people whose roles, by membership or through the owning team, include the permission."""
    roles = [str(role) for role in ROLES[permission]]
    through_member = Q(memberships__project=project, memberships__role__in=roles)
    through_team = Q(team_memberships__team_id=project.team_id, team_memberships__team__default_role__in=roles)
    return User.objects.filter(through_member | through_team, is_active=True).distinct().order_by("username")


def comparable_runs(project: Project, limit: int = 20) -> list[Run]:
    """Succeeded runs with a baseline, newest first: their flips say how much two of the project's models differ."""
    runs = Run.objects.filter(project=project, state="succeeded", baseline_run__isnull=False)
    return list(
        runs.select_related("model_version__model", "baseline_version__model", "test_set_version__test_set").order_by("-number")[:limit]
    )


def facts_of(release: Release) -> Facts:
    """What signing depends on."""
    run = release.run
    return Facts(
        state=release.state,
        judgement=release.judgement,
        policy=read_policy(release.policy_version.document),
        policy_name=str(release.policy_version),
        policy_approved_by=release.policy_version.approved_by_name,
        registrants=frozenset(Replicate.objects.filter(model_version=release.candidate).values_list("registered_by__username", flat=True)),
        starters=_starters(run) if run else frozenset(),
        signers={user.username: user.printed_name for user in people_who_can(release.project, Can.SIGN)},
    )


def _starters(run: Run) -> frozenset[str]:
    """Who started the run, and who sent predictions for it: both had the evidence in their hands."""
    senders = Part.objects.filter(run=run, sent_by__isnull=False).values_list("sent_by__username", flat=True)
    return frozenset([run.started_by.username, *senders])


def before_it_can_be_signed(release: Release) -> list[Item]:
    """Every condition of a signature, open ones first."""
    return missing(facts_of(release))
