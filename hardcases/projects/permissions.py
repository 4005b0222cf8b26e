"""The one table of permissions: what each role may do, and which token scope covers it. Pure: no rows, no request."""

from enum import StrEnum


class Role(StrEnum):
    """What a person is in a project; they may be several."""

    VIEWER = "viewer"
    ANNOTATOR = "annotator"
    CURATOR = "curator"
    ENGINEER = "engineer"
    RELEASE_MANAGER = "release_manager"
    AUDITOR = "auditor"
    ADMIN = "admin"


class Scope(StrEnum):
    """What a token may do. Scopes do not imply each other."""

    REPORT = "report"
    READ = "read"
    CURATE = "curate"
    RUN = "run"
    ADMIN = "admin"


class Can(StrEnum):
    """Everything that is asked of `access.can`, by name."""

    VIEW = "view"  # the project, its test sets, models, runs, releases, policies
    VIEW_CASES = "view_cases"
    VIEW_ORIGINAL = "view_original"  # the received bytes, with whatever metadata they carry
    REPORT = "report"
    TRIAGE = "triage"
    ERASE = "erase"
    LABEL = "label"
    CURATE = "curate"  # drafts, strata, freezing
    IMPORT = "import"  # files of cases and labels
    EXPORT = "export"  # have files made of cases and labels
    RUN = "run"  # register model versions, start runs
    MARK_PRODUCTION = "mark_production"
    PROPOSE_POLICY = "propose_policy"
    APPROVE_POLICY = "approve_policy"
    OPEN_RELEASE = "open_release"
    SIGN = "sign"  # sign, reject, accept too few cases
    VIEW_AUDIT = "view_audit"
    MANAGE = "manage"  # members, classes, attributes
    OWN_TOKENS = "own_tokens"


class InTeam(StrEnum):
    """What is asked of `access.team_for`. A team's people have its default role in its projects; who they are is said by those who manage it."""

    SEE = "see"  # every member
    MANAGE = "manage"  # its name, its default role, its people


_EVERYBODY = frozenset(Role)
_SEES = _EVERYBODY - {Role.ANNOTATOR}

ROLES: dict[Can, frozenset[Role]] = {
    Can.VIEW: _SEES,
    Can.VIEW_CASES: _EVERYBODY,
    Can.VIEW_ORIGINAL: frozenset({Role.CURATOR, Role.ENGINEER, Role.ADMIN}),
    Can.REPORT: frozenset({Role.CURATOR, Role.ENGINEER, Role.ADMIN}),
    Can.TRIAGE: frozenset({Role.CURATOR, Role.ADMIN}),
    Can.ERASE: frozenset({Role.ADMIN}),
    Can.LABEL: frozenset({Role.ANNOTATOR, Role.CURATOR, Role.ENGINEER, Role.ADMIN}),
    Can.CURATE: frozenset({Role.CURATOR, Role.ADMIN}),
    Can.IMPORT: frozenset({Role.CURATOR, Role.ADMIN}),
    Can.EXPORT: frozenset({Role.CURATOR, Role.ENGINEER, Role.RELEASE_MANAGER, Role.AUDITOR, Role.ADMIN}),
    Can.RUN: frozenset({Role.ENGINEER, Role.RELEASE_MANAGER, Role.ADMIN}),
    Can.MARK_PRODUCTION: frozenset({Role.RELEASE_MANAGER, Role.ADMIN}),
    Can.PROPOSE_POLICY: frozenset({Role.ENGINEER, Role.RELEASE_MANAGER, Role.ADMIN}),
    Can.APPROVE_POLICY: frozenset({Role.RELEASE_MANAGER}),
    Can.OPEN_RELEASE: frozenset({Role.ENGINEER, Role.RELEASE_MANAGER, Role.ADMIN}),
    Can.SIGN: frozenset({Role.RELEASE_MANAGER}),
    Can.VIEW_AUDIT: frozenset({Role.AUDITOR, Role.RELEASE_MANAGER, Role.ADMIN}),
    Can.MANAGE: frozenset({Role.ADMIN}),
    Can.OWN_TOKENS: _EVERYBODY,
}

# None: no token may, whatever its scopes.
SCOPES: dict[Can, Scope | None] = {
    Can.VIEW: Scope.READ,
    Can.VIEW_CASES: Scope.READ,
    Can.VIEW_ORIGINAL: Scope.READ,
    Can.REPORT: Scope.REPORT,
    Can.TRIAGE: Scope.CURATE,
    Can.ERASE: Scope.ADMIN,
    Can.LABEL: Scope.CURATE,
    Can.CURATE: Scope.CURATE,
    Can.IMPORT: Scope.CURATE,
    Can.EXPORT: Scope.CURATE,
    Can.RUN: Scope.RUN,
    Can.MARK_PRODUCTION: Scope.RUN,
    Can.PROPOSE_POLICY: Scope.ADMIN,
    Can.APPROVE_POLICY: None,
    Can.OPEN_RELEASE: Scope.RUN,
    Can.SIGN: None,
    Can.VIEW_AUDIT: Scope.READ,
    Can.MANAGE: Scope.ADMIN,
    Can.OWN_TOKENS: None,
}


def allowed(permission: Can, roles: frozenset[Role]) -> bool:
    """Whether any of `roles` has the permission."""
    return not roles.isdisjoint(ROLES[permission])


# What each permission lets somebody do, to follow "may" in a sentence.
PURPOSES: dict[Can, str] = {
    Can.VIEW: "look at this project",
    Can.VIEW_CASES: "look at its cases",
    Can.VIEW_ORIGINAL: "download files as they were received",
    Can.REPORT: "send cases",
    Can.TRIAGE: "decide about cases",
    Can.ERASE: "erase cases",
    Can.LABEL: "label cases",
    Can.CURATE: "change test sets",
    Can.IMPORT: "import cases and labels",
    Can.EXPORT: "export cases and labels",
    Can.RUN: "register models and start runs",
    Can.MARK_PRODUCTION: "say what is in production",
    Can.PROPOSE_POLICY: "propose policies",
    Can.APPROVE_POLICY: "approve policies",
    Can.OPEN_RELEASE: "open releases",
    Can.SIGN: "sign or reject releases",
    Can.VIEW_AUDIT: "read the audit log",
    Can.MANAGE: "change the project and its people",
    Can.OWN_TOKENS: "make tokens",
}
