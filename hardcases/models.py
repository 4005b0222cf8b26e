"""The schema of this app at a glance: every room's tables."""

from hardcases.audit.models import AuditEvent, AuditSeal
from hardcases.cases.models import Case, ExternalId, Refused, Sighting
from hardcases.labels.models import CurrentLabel, LabelRevision
from hardcases.projects.models import ApiToken, Attribute, Counter, Membership, Project, RateUse, SignInLink, Team, TeamMembership, User
from hardcases.testsets.models import DraftChange, Entry, Erasure, PinnedAttributes, Snapshot, Stratum, TestSet, Touch, TreeNode, Version
from hardcases.uploads.models import Upload
from hardcases.web.models import IdempotencyReply
from hardcases.work.models import Job, OutboxEvent

__all__ = [
    "ApiToken",
    "Attribute",
    "AuditEvent",
    "AuditSeal",
    "Case",
    "Counter",
    "CurrentLabel",
    "DraftChange",
    "Entry",
    "Erasure",
    "ExternalId",
    "IdempotencyReply",
    "Job",
    "LabelRevision",
    "Membership",
    "OutboxEvent",
    "PinnedAttributes",
    "Project",
    "RateUse",
    "Refused",
    "Sighting",
    "SignInLink",
    "Snapshot",
    "Stratum",
    "Team",
    "TeamMembership",
    "TestSet",
    "Touch",
    "TreeNode",
    "Upload",
    "User",
    "Version",
]
