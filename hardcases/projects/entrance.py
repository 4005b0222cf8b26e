"""Pages before any project: the invitation, the account. Signing in and out is allauth's, on our own addresses and templates."""

from allauth.core import ratelimit
from django.contrib import messages
from django.contrib.auth import login, update_session_auth_hash
from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from hardcases.errors import Invalid
from hardcases.projects import people
from hardcases.projects.access import memberships_of, teams_of
from hardcases.projects.authentication import actor_of
from hardcases.projects.forms import ROLE_NAMES, ChangePasswordForm, NewPasswordForm
from hardcases.projects.models import User
from hardcases.projects.permissions import Role
from hardcases.web.problems import TooManyRequests, respond_to

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


def too_many(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """`handler429`: allauth calls it when somebody tries passwords too fast."""
    return respond_to(
        request, TooManyRequests("Too many attempts from here. Nothing was changed. Wait a few minutes, then try again.", retry_after=60)
    )


@method_decorator([never_cache, sensitive_post_parameters()], name="dispatch")
class Invite(View):
    """A one-time link: name and password, then in."""

    def get(self, request: HttpRequest, code: str) -> HttpResponse:
        """The form, if the link still works."""
        link = people.link_for(code)
        form = NewPasswordForm(initial={"name": link.user.get_full_name()})
        return render(request, "projects/invite.html", {"form": form, "username": link.user.username})

    def post(self, request: HttpRequest, code: str) -> HttpResponse:
        """Set the password, use the link up, sign in."""
        username = people.link_for(code).user.username
        form = NewPasswordForm(request.POST)
        if form.is_valid():
            try:
                user = people.use_link(code=code, password=form.cleaned_data["password1"], full_name=form.cleaned_data["name"])
            except Invalid as refusal:
                form.refuse(refusal)
            else:
                login(request, user, backend=BACKEND)
                return redirect("home")
        return render(request, "projects/invite.html", {"form": form, "username": username}, status=422)


@method_decorator([never_cache, sensitive_post_parameters()], name="dispatch")
class Account(LoginRequiredMixin, View):
    """Who you are here, and your password."""

    def _page(self, request: HttpRequest, form: ChangePasswordForm, status: int = 200) -> HttpResponse:
        actor = actor_of(request)
        context = {
            "form": form,
            "roles": [(project, ", ".join(str(ROLE_NAMES[role]) for role in held)) for project, held in memberships_of(actor)],
            "teams": [(mine, ROLE_NAMES[Role(mine.team.default_role)]) for mine in teams_of(actor)],
        }
        return render(request, "projects/account.html", context, status=status)

    def get(self, request: HttpRequest) -> HttpResponse:
        """The page."""
        return self._page(request, ChangePasswordForm())

    def post(self, request: HttpRequest) -> HttpResponseBase:
        """Change the password; this browser stays signed in, all others do not."""
        limited: HttpResponse | None = ratelimit.consume_or_429(request, action="change_password", user=request.user)
        if limited is not None:
            return limited
        form = ChangePasswordForm(request.POST)
        if form.is_valid() and isinstance(request.user, User):
            said = form.cleaned_data
            try:
                user = people.change_password(actor=actor_of(request), user=request.user, old=said["old"], new=said["password1"])
            except Invalid as refusal:
                form.refuse(refusal)
            else:
                update_session_auth_hash(request, user)
                messages.success(request, _("Your password was changed. Every other browser was signed out."))
                return redirect("account")
        return self._page(request, form, status=422)
