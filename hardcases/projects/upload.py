"""The Upload page: five minutes from here to the first case, and the tokens with which cases come."""

from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from hardcases.errors import Conflict, Forbidden, Invalid
from hardcases.projects import actions, limits
from hardcases.projects.access import can, permissions_in, scopes_for, token_for
from hardcases.projects.documents import document_of
from hardcases.projects.doors import ProjectPage
from hardcases.projects.forms import TokenForm
from hardcases.projects.models import ApiToken
from hardcases.projects.permissions import Can
from hardcases.projects.snippets import Place, redaction, snippets
from hardcases.web.pages import render_page

# How many cases each of these tokens has sent: the room of cases enters its answer when the apps are ready.
SENT_BY: list[Callable[[Iterable[str]], dict[str, int]]] = []


class Upload(ProjectPage):
    """Five minutes from here to the first case."""

    can = {"GET": Can.OWN_TOKENS, "POST": Can.OWN_TOKENS}

    def page(self, request: HttpRequest, form: TokenForm | None = None, token: str | None = None, status: int = 200) -> HttpResponse:
        """The page, with a token if one was just made."""
        may = permissions_in(self.actor, self.project)
        tabs = snippets(Place(settings.PUBLIC_URL, self.project.slug, token), document_of(self.project))
        context = {
            "form": form or TokenForm(scopes=scopes_for(self.actor, self.project)),
            "token": token,
            "snippets": tabs,
            "tabs": [{"label": tab.label, "url": f"#send-{tab.code}", "current": False, "count": None} for tab in tabs],
            "redaction": redaction(),
            "limit": limits.of_token(),
            "limit_size": f"{limits.of_token().bytes / 1e9:,.3g} GB",
            "slot": limits.SLOT,
            "may_report": Can.REPORT in may,
            "may_see": Can.VIEW_CASES in may,
            **tokens_of(self),
        }
        response = render_page(request, "projects/upload.html", context, status=status)
        response["Cache-Control"] = "no-store"  # the page may show a token
        return response

    def get(self, request: HttpRequest, project: str) -> HttpResponse:
        """How to send cases, with a form for a token."""
        return self.page(request)

    def post(self, request: HttpRequest, project: str) -> HttpResponse:
        """Make a token and show it, this once."""
        form = TokenForm(request.POST, scopes=scopes_for(self.actor, self.project))
        if not form.is_valid():
            return self.page(request, form, status=422)
        said = form.cleaned_data
        try:
            _row, text = actions.create_token(
                actor=self.actor, project=self.project, name=said["name"], scopes=form.chosen(), days=said["days"]
            )
        except (Invalid, Forbidden) as refusal:
            form.refuse(refusal)
            return self.page(request, form, status=422)
        return self.page(request, token=text)


def tokens_of(page: ProjectPage) -> dict[str, Any]:
    """Tokens as the list shows them: all to an admin, to others their own; each with the number of cases it has sent."""
    rows = ApiToken.objects.filter(project=page.project).select_related("created_by").order_by("revoked_at", "-created_at")
    manages = can(page.actor, Can.MANAGE, page.project)
    shown = list(rows if manages else rows.filter(created_by_id=page.actor.user_id))
    sent: dict[str, int] = {}
    for count in SENT_BY:
        sent |= count([str(row.pk) for row in shown])
    return {"tokens": [{"row": row, "sent": sent.get(str(row.pk), 0)} for row in shown], "manages": manages}


class TokenRevoke(ProjectPage):
    """Stop a token."""

    can = {"POST": Can.OWN_TOKENS}

    def post(self, request: HttpRequest, project: str, token: UUID) -> HttpResponse:
        """From the next request on."""
        row = token_for(self.actor, self.project, token)
        actions.revoke_token(actor=self.actor, project=self.project, token=row)
        messages.success(request, _("The token “%(name)s” no longer works.") % {"name": row.name})
        return redirect("project-upload", project=self.project.slug)


class TokenReplace(Upload):
    """A new token in the place of an old one, without a gap."""

    can = {"GET": Can.OWN_TOKENS, "POST": Can.OWN_TOKENS}

    def get(self, request: HttpRequest, project: str, token: UUID) -> HttpResponse:  # type: ignore[override]
        """A reload after the token was shown leads back to the page."""
        return redirect("project-upload", project=self.project.slug)

    def post(self, request: HttpRequest, project: str, token: UUID) -> HttpResponse:  # type: ignore[override]
        """Both work for a day."""
        row = token_for(self.actor, self.project, token)
        try:
            _new, text = actions.replace_token(actor=self.actor, project=self.project, token=row)
        except (Conflict, Forbidden) as refusal:
            messages.error(request, refusal.sentence)
            return redirect("project-upload", project=self.project.slug)
        messages.success(request, _("The old token “%(name)s” works for 24 more hours.") % {"name": row.name})
        return self.page(request, token=text)
