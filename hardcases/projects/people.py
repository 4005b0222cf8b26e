"""Accounts: created by invitation, entered through a one-time link, deactivated and never deleted."""

import hashlib
import secrets
import unicodedata
from collections.abc import Iterable
from datetime import timedelta

from django.contrib.auth.password_validation import validate_password
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from hardcases.audit.actions import record
from hardcases.audit.actors import Actor
from hardcases.errors import Conflict, Detail, Invalid, NotFound
from hardcases.projects.actions import set_roles
from hardcases.projects.models import Membership, Project, SignInLink, Team, User
from hardcases.projects.permissions import Role
from hardcases.projects.teams import add_team_member

LINK_DAYS = 7
MAX_USERNAME = 64
LINK_GONE = "This link is not valid: it was used, has expired or was replaced. Nothing was changed. Ask for a new one."


class NameTaken(Conflict):
    code, title = "name_taken", "An account with this name exists"


def _refuse(pointer: str, sentence: str) -> Invalid:
    return Invalid(f"{sentence} Nothing was changed.", errors=[Detail(pointer=pointer, detail=sentence)])


@transaction.atomic
def create_user(*, actor: Actor, username: str, full_name: str = "", email: str = "") -> User:
    """An account that nobody can sign in to until its link is used. Names differ by more than case. Raises NameTaken."""
    name = unicodedata.normalize("NFKC", username.strip())
    try:
        UnicodeUsernameValidator()(name)
    except ValidationError as error:
        raise _refuse("/username", "A user name has letters, digits and @ . + - _ only.") from error
    if len(name) > MAX_USERNAME:
        raise _refuse("/username", f"A user name has at most {MAX_USERNAME} characters.")
    first, _, last = full_name.strip().partition(" ")
    user = User(username=name, first_name=first[:150], last_name=last[:150], email=email)
    user.set_unusable_password()
    try:
        with transaction.atomic():
            user.save(force_insert=True)
    except IntegrityError as error:
        raise NameTaken(f"An account named {name} exists already. Nothing was changed. Choose another name.") from error
    record(actor, "user.created", "user", name)
    return user


@transaction.atomic
def make_link(*, actor: Actor, user: User) -> str:
    """The code of a new one-time link with which the person sets a password. Earlier links stop; only the digest is stored."""
    if not user.is_active:
        raise Conflict(f"{user.username} is deactivated. No link was made. Reactivate the account first.")
    SignInLink.objects.filter(user=user, used_at=None).delete()
    code = secrets.token_urlsafe(32)
    SignInLink.objects.create(user=user, digest=_digest(code), expires_at=timezone.now() + timedelta(days=LINK_DAYS))
    record(actor, "user.link_made", "user", user.username)
    return code


def _digest(code: str) -> str:
    return hashlib.sha256(code.encode()).hexdigest()


@transaction.atomic
def invite(*, actor: Actor, project: Project, username: str, roles: Iterable[Role]) -> tuple[User, str | None]:
    """Bring a person into the project. A new account comes with the code of its link; for an existing one there is none.

    No link for an account that exists: whoever holds one sets the password, and so would enter every other project of that person. One that nobody has
    entered yet, and that belongs to this project alone, gets a fresh link.
    """
    user, fresh = _account(actor, username)
    wanted = frozenset(roles)
    held = frozenset(Role(role) for role in Membership.objects.filter(project=project, user=user).values_list("role", flat=True))
    set_roles(actor=actor, project=project, user=user, roles=wanted | held)
    elsewhere = Membership.objects.filter(user=user).exclude(project=project).exists() or user.team_memberships.exists()
    return user, make_link(actor=actor, user=user) if fresh or (_unentered(user) and not elsewhere) else None


@transaction.atomic
def invite_to_team(*, actor: Actor, team: Team, username: str) -> tuple[User, str | None]:
    """Bring a person into the team. Links are given as by `invite`, and for the same reason."""
    user, fresh = _account(actor, username)
    add_team_member(actor=actor, team=team, user=user)
    elsewhere = Membership.objects.filter(user=user).exists() or user.team_memberships.exclude(team=team).exists()
    return user, make_link(actor=actor, user=user) if fresh or (_unentered(user) and not elsewhere) else None


def _account(actor: Actor, username: str) -> tuple[User, bool]:
    """The account of this name, and whether it was made just now."""
    user = User.objects.filter(username__iexact=username.strip()).first()
    return (create_user(actor=actor, username=username), True) if user is None else (user, False)


def _unentered(user: User) -> bool:
    return user.is_active and not user.has_usable_password() and user.last_login is None


def link_for(code: str) -> SignInLink:
    """The unused, unexpired link of an active account. Raises NotFound, with one sentence for every reason."""
    link = SignInLink.objects.select_related("user").filter(digest=_digest(code), used_at=None, user__is_active=True).first()
    if link is None or link.expires_at <= timezone.now():
        raise NotFound(LINK_GONE)
    return link


@transaction.atomic
def use_link(*, code: str, password: str, full_name: str = "") -> User:
    """Set the password, and the name if given, once. Of two who use one link at the same time, one gets in. Sessions of the old password end."""
    link = link_for(code)
    user = link.user
    if full_name.strip():
        first, _, last = full_name.strip().partition(" ")
        user.first_name, user.last_name = first[:150], last[:150]
    _set_password(user, password)
    if not SignInLink.objects.filter(pk=link.pk, used_at=None).update(used_at=timezone.now()):
        raise NotFound(LINK_GONE)
    record(Actor(kind="person", name=user.username, user_id=user.pk), "user.password_set_by_link", "user", user.username)
    return user


@transaction.atomic
def change_password(*, actor: Actor, user: User, old: str, new: str) -> User:
    """A new password for oneself. Every other session of the person ends, because sessions are bound to the password's hash."""
    if not user.check_password(old):
        raise _refuse("/old", "The present password is not right.")
    _set_password(user, new)
    SignInLink.objects.filter(user=user, used_at=None).delete()
    record(actor, "user.password_changed", "user", user.username)
    return user


def _set_password(user: User, password: str) -> None:
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise _refuse("/password", " ".join(error.messages)) from error
    user.set_password(password)
    user.save(update_fields=["password", "first_name", "last_name"])


@transaction.atomic
def deactivate(*, actor: Actor, user: User) -> User:
    """Close an account: sessions, links and tokens stop at their next request. What the person did stays under their name."""
    if User.objects.filter(pk=user.pk, is_active=True).update(is_active=False):
        SignInLink.objects.filter(user=user, used_at=None).delete()
        record(actor, "user.deactivated", "user", user.username)
    user.refresh_from_db()
    return user


@transaction.atomic
def reactivate(*, actor: Actor, user: User) -> User:
    """Open a closed account again, with the password it had."""
    if User.objects.filter(pk=user.pk, is_active=False).update(is_active=True):
        record(actor, "user.reactivated", "user", user.username)
    user.refresh_from_db()
    return user
