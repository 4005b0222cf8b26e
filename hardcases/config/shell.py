"""What every page's frame shows: the project at hand, its menu by role, the other projects, the person."""

from typing import Any, NamedTuple

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from hardcases.groups.queries import waiting_groups
from hardcases.projects.access import permissions_in, projects_of
from hardcases.projects.authentication import actor_of
from hardcases.projects.models import Project, User
from hardcases.projects.permissions import Can
from hardcases.web.pagination import counted

SWITCHER = 30


class Entry(NamedTuple):
    """One entry of the menu: the page's URL name, its word, who sees it, its keys."""

    name: str
    label: str | Promise
    permission: Can
    key: str = ""


MENU = (
    Entry("project-overview", _("Overview"), Can.VIEW, "g o"),
    Entry("inbox", _("Inbox"), Can.TRIAGE, "g i"),
    Entry("case-list", _("Cases"), Can.VIEW_CASES, "g c"),
    Entry("test-set-list-page", _("Test sets"), Can.VIEW, "g t"),
    Entry("model-list-page", _("Models"), Can.VIEW, "g m"),
    Entry("run-list-page", _("Runs"), Can.VIEW, "g r"),
    Entry("release-list", _("Releases"), Can.VIEW, "g l"),
    Entry("policy-list", _("Policies"), Can.VIEW),
    Entry("audit-log", _("Audit"), Can.VIEW_AUDIT),
    Entry("project-upload", _("Upload"), Can.REPORT),
    Entry("transfer-list", _("Files"), Can.EXPORT),
    Entry("project-settings", _("Settings"), Can.MANAGE),
)

# Pages without an entry of their own, and whose they are.
_WITHIN = (("/strata/", "test-set-list-page"), ("/quarantine/", "case-list"), ("/sampling/", "project-settings"))


def _address(name: str, slug: str) -> str | None:
    """The page's address; None while no room has it."""
    try:
        return reverse(name, args=[slug])
    except NoReverseMatch:
        return None


def _menu(path: str, project: Project, may: frozenset[Can]) -> list[dict[str, Any]]:
    slug, counts = project.slug, {"inbox": _waiting(project)} if Can.TRIAGE in may else {}
    addresses = [(entry, _address(entry.name, slug)) for entry in MENU if entry.permission in may]
    shown = [(entry, address) for entry, address in addresses if address]
    # The longest address that the path starts with is where we are: every page of a project starts with the overview's.
    here = max((address for _entry, address in shown if path.startswith(address)), key=len, default="")
    for part, entry_name in _WITHIN:
        if part in path:
            here = _address(entry_name, slug) or ""
    return [
        {
            "id": entry.name,
            "label": entry.label,
            "url": address,
            "current": address == here,
            "key": entry.key,
            "count": counts.get(entry.name, ""),
        }
        for entry, address in shown
    ]


def _waiting(project: Project) -> str:
    """How many groups wait for a decision, nothing for none."""
    found, words = counted(waiting_groups(project))
    return words if found else ""


def shell(request: HttpRequest) -> dict[str, Any]:
    """Context for `base.html`. Three queries on a project's page at most, none elsewhere."""
    user = getattr(request, "user", None)  # an error before the session was opened has no user
    if not isinstance(user, User):
        return {"project": None, "nav": [], "help_url": reverse("help")}
    context: dict[str, Any] = {
        "account": {"name": user.printed_name, "url": reverse("account")},
        "project": None,
        "nav": [],
        "help_url": reverse("help"),
    }
    project = getattr(request, "project", None)
    if project is None:
        return context
    actor = actor_of(request)
    others = projects_of(actor)[:SWITCHER]
    return context | {
        "project": project,
        "projects": [{"name": p.name, "url": reverse("project-overview", args=[p.slug]), "current": p.pk == project.pk} for p in others],
        "nav": _menu(request.path, project, permissions_in(actor, project)),
    }
