"""The people of the demo: an owner, a second person who approves the policy, a third who signs, and an expert who labels.

Their passwords are random, made once for this installation, and lie in the data directory where only its owner reads them.
"""

import secrets
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from hardcases.audit.actors import SYSTEM
from hardcases.projects import people
from hardcases.projects.models import User
from hardcases.projects.permissions import Role

SIGN_IN_FILE = "demo-sign-in.txt"


@dataclass(frozen=True)
class Part:
    """One person: the name to sign in with, the printed name, and the roles in the demo project."""

    username: str
    full_name: str
    roles: tuple[Role, ...]
    does: str


OWNER = Part("demo-owner", "Olga Petrova", (Role.ADMIN, Role.ENGINEER, Role.CURATOR), "owns the project, curates, starts runs")
APPROVER = Part("demo-approver", "Amina Kim", (Role.RELEASE_MANAGER,), "approved the policy")
SIGNER = Part("demo-signer", "Sam Ivanov", (Role.RELEASE_MANAGER,), "signs releases")
EXPERT = Part("demo-expert", "Dr Eva Chen", (Role.ANNOTATOR, Role.VIEWER), "labels cases")
CAST = (OWNER, APPROVER, SIGNER, EXPERT)


def accounts() -> dict[Part, User]:
    """The accounts, made on the first call together with their passwords; the sign-in file is written before anybody may sign in."""
    found = {part: User.objects.filter(username=part.username).first() for part in CAST}
    path = Path(settings.DATA_DIR) / SIGN_IN_FILE
    if not all(found.values()) or not path.exists():
        passwords = {part: secrets.token_urlsafe(9) for part in CAST}
        _write_sign_in(path, passwords)
        for part in CAST:
            user = found[part] or people.create_user(actor=SYSTEM, username=part.username, full_name=part.full_name)
            code = people.make_link(actor=SYSTEM, user=user)
            found[part] = people.use_link(code=code, password=passwords[part], full_name=part.full_name)
    return {part: user for part, user in found.items() if user is not None}


def _write_sign_in(path: Path, passwords: dict[Part, str]) -> None:
    lines = ["Sign in as one of:"]
    lines += [f"  {part.username:14} {password}   {part.full_name}, {part.does}" for part, password in passwords.items()]
    draft = path.with_suffix(".draft")
    draft.touch(mode=0o600)
    draft.write_text("\n".join(lines) + "\n", encoding="utf-8")
    draft.rename(path)
