"""From a request to an Actor: a signed-in person in the browser, or a token in the Authorization header."""

import ipaddress
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.db.models.functions import Now
from django.http import HttpRequest
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from hardcases.audit.actors import Actor
from hardcases.database.prepared import Given, Prepared
from hardcases.projects import tokens
from hardcases.projects.models import ApiToken, User

# With everything that opening the project's door needs to know about them.
_BEARER = Prepared(
    lambda: ApiToken.objects.select_related("created_by", "project__team").filter(
        digest=Given("digest"), revoked_at=None, expires_at__gt=Now()
    )
)
REMEMBER_USE_EVERY = timedelta(minutes=1)
NOT_VALID = "This token is not valid: it is unknown, expired or revoked. Nothing was changed. Make a new one on the project's Upload page."


def client_address(request: HttpRequest) -> str | None:
    """The real client's address, None where there is none (a Unix socket).

    X-Forwarded-For is believed only from a trusted proxy, and only its last entry not added by one. What is no address ends the search: it goes into a
    column that holds addresses.
    """
    address = _address(request.META.get("REMOTE_ADDR", ""))
    hops = [part.strip() for part in request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")]
    while address in settings.TRUSTED_PROXIES and hops and (before := _address(hops.pop())):
        address = before
    return address


def _address(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


def person(user: User) -> Actor:
    """The actor for a person outside a request, as commands and workers use it."""
    return Actor(kind="person", name=user.username, full_name=user.get_full_name(), user_id=user.pk)


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer hc_…`. The token's maker must still be active; rights are looked up at every request."""

    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        """The maker and the token, None where no bearer was sent."""
        scheme, _, value = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        if not tokens.well_formed(value.strip()):
            raise AuthenticationFailed(NOT_VALID)
        found = _BEARER.first(digest=tokens.digest(value.strip()))
        if found is None or not found.created_by.is_active:
            raise AuthenticationFailed(NOT_VALID)
        now = timezone.now()
        if found.last_used_at is None or now - found.last_used_at > REMEMBER_USE_EVERY:
            ApiToken.objects.filter(pk=found.pk).update(last_used_at=now)
        return found.created_by, found

    def authenticate_header(self, request: Request) -> str:
        """Makes a missing sign-in a 401."""
        return 'Bearer realm="hardcases"'


class BrowserAuthentication(SessionAuthentication):
    """The browser's session, with CSRF protection on every unsafe method."""


def actor_of(request: HttpRequest | Request) -> Actor:
    """Who is acting in this request. The view has made sure that somebody is signed in."""
    plain = request._request if isinstance(request, Request) else request  # noqa: SLF001 - DRF offers no other way to the request
    user = request.user
    if isinstance(user, AnonymousUser) or user is None:
        raise AuthenticationFailed(NOT_VALID)
    request_id = plain.META.get("HTTP_X_REQUEST_ID", "")
    address = client_address(plain)
    token = request.auth if isinstance(request, Request) else None
    if isinstance(token, ApiToken):
        return Actor(
            kind="token",
            name=f"{user.username} ({token.prefix}…)",
            full_name=f"{user.printed_name} ({token.prefix}…)",
            user_id=user.pk,
            token_id=str(token.pk),
            scopes=frozenset(token.scopes),
            project_id=token.project_id,
            request_id=request_id,
            address=address,
        )
    return person(user).during(request_id=request_id, address=address)
