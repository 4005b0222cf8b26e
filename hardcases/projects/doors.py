"""What every page and every API view of every room stands on: it opens the project's door before the view's own code runs.

A view says in `can` which permission each method needs; a class with a method that is not in `can` cannot be made. The permission matrix in the test
suite reads the same attribute.
"""

from typing import Any, ClassVar

from django.contrib.auth.mixins import LoginRequiredMixin
from django.http import HttpRequest, HttpResponseBase, HttpResponseNotAllowed
from django.views import View
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.request import Request
from rest_framework.views import APIView

from hardcases.audit.actors import Actor
from hardcases.projects.access import project_for, team_for
from hardcases.projects.authentication import actor_of
from hardcases.projects.limits import LIMITER
from hardcases.projects.models import ApiToken, Project, Team
from hardcases.projects.permissions import Can, InTeam

_WRITES = frozenset({"POST", "PUT", "PATCH"})
_METHODS = ("get", "post", "put", "patch", "delete")


class NoPermissionError(TypeError):
    """A view answers a method for which it names no permission: found when the module is imported, not when somebody walks in."""


def _check(view: type) -> None:
    named = set(getattr(view, "can", ()))
    bare = [method.upper() for method in _METHODS if hasattr(view, method) and method.upper() not in named]
    if bare:
        raise NoPermissionError(f"{view.__module__}.{view.__qualname__} names no permission for {', '.join(bare)} in `can`.")


class ProjectAPI(APIView):
    """An API view under /api/v1/projects/<project>/. Sets `self.actor` and `self.project` or answers 401, 403 or 404."""

    can: ClassVar[dict[str, Can]]
    actor: Actor
    project: Project

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _check(cls)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Authenticate, then open the door."""
        super().initial(request, *args, **kwargs)
        self.actor = actor_of(request)
        method = "GET" if request.method == "HEAD" else str(request.method)
        if method not in self.can:
            raise MethodNotAllowed(str(request.method))
        read = request.auth.project if isinstance(request.auth, ApiToken) else None
        self.project = project_for(self.actor, kwargs["project"], self.can[method], read=read)
        if isinstance(request.auth, ApiToken):
            LIMITER.admit(request.auth.pk, self.project.pk, writes=method in _WRITES)

    def charge(self, size: int) -> None:
        """Count bytes that the project did not have before against the token's limits."""
        if isinstance(self.request.auth, ApiToken):
            LIMITER.charge(self.request.auth.pk, self.project.pk, size)


class ProjectPage(LoginRequiredMixin, View):
    """A page under /p/<project>/. Sets `self.actor` and `self.project`; strangers are sent to sign in, people without access get 404 or 403."""

    can: ClassVar[dict[str, Can]]
    actor: Actor
    project: Project

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _check(cls)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Open the door before the view's own method."""
        if request.user.is_authenticated:
            self.actor = actor_of(request)
            method = "GET" if request.method == "HEAD" else str(request.method)
            if method not in self.can:
                return HttpResponseNotAllowed(sorted(self.can))
            self.project = project_for(self.actor, kwargs["project"], self.can[method])
            if request.session.get("project") != self.project.slug:
                request.session["project"] = self.project.slug  # where / leads next time
            request.project = self.project  # type: ignore[attr-defined]  # the shell's context processor shows its name and menu
        return super().dispatch(request, *args, **kwargs)


class TeamPage(LoginRequiredMixin, View):
    """A page under /teams/<team>/. Sets `self.actor`, `self.team` and `self.manages`; who is not in the team gets 404, who may not 403."""

    can: ClassVar[dict[str, InTeam]]
    actor: Actor
    team: Team
    manages: bool

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        _check(cls)

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Open the door before the view's own method."""
        if request.user.is_authenticated:
            self.actor = actor_of(request)
            method = "GET" if request.method == "HEAD" else str(request.method)
            if method not in self.can:
                return HttpResponseNotAllowed(sorted(self.can))
            membership = team_for(self.actor, kwargs["team"], self.can[method])
            self.team, self.manages = membership.team, membership.manages
        return super().dispatch(request, *args, **kwargs)
