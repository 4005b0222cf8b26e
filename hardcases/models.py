"""The schema of this app at a glance: every room's tables."""

from hardcases.audit.models import AuditEvent, AuditSeal
from hardcases.cases.models import BulkPart, Case, ExternalId, Sighting
from hardcases.labels.models import CurrentLabel, LabelRevision
from hardcases.projects.models import ApiToken, Attribute, Counter, Membership, Project, SignInLink, Team, TeamMembership, User
from hardcases.testsets.models import DraftChange, Entry, Erasure, PinnedAttributes, Snapshot, Stratum, TestSet, Touch, TreeNode, Version
from hardcases.transfers.models import Export, Import, ReportPart
from hardcases.web.models import IdempotencyReply
from hardcases.work.models import Job, OutboxEvent

__all__ = [
    "ApiToken",
    "Attribute",
    "AuditEvent",
    "AuditSeal",
    "BulkPart",
    "Case",
    "Counter",
    "CurrentLabel",
    "DraftChange",
    "Entry",
    "Erasure",
    "Export",
    "ExternalId",
    "IdempotencyReply",
    "Import",
    "Job",
    "LabelRevision",
    "Membership",
    "OutboxEvent",
    "PinnedAttributes",
    "Project",
    "ReportPart",
    "Sighting",
    "SignInLink",
    "Snapshot",
    "Stratum",
    "Team",
    "TeamMembership",
    "TestSet",
    "Touch",
    "TreeNode",
    "User",
    "Version",
]
