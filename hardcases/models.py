"""The schema of this app at a glance: every room's tables."""

from hardcases.audit.models import AuditEvent, AuditSeal
from hardcases.cases.models import BulkPart, Case, ExternalId, Refused, Sighting
from hardcases.groups.models import ActCase, Fingerprint, Group, GroupAct, GroupDay, Separation
from hardcases.labels.models import CurrentLabel, LabelRevision
from hardcases.projects.models import ApiToken, Attribute, Counter, Membership, Project, RateUse, SignInLink, Team, TeamMembership, User
from hardcases.repairs.models import RepairRule
from hardcases.sampling.models import LeftOut, SamplingRule, SamplingTally
from hardcases.testsets.models import DraftChange, Entry, Erasure, PinnedAttributes, Snapshot, Stratum, TestSet, Touch, TreeNode, Version
from hardcases.transfers.models import Export, Import, ReportPart
from hardcases.uploads.models import Upload
from hardcases.web.models import IdempotencyReply
from hardcases.work.models import Job, OutboxEvent

__all__ = [
    "ActCase",
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
    "Fingerprint",
    "Group",
    "GroupAct",
    "GroupDay",
    "IdempotencyReply",
    "Import",
    "Job",
    "LabelRevision",
    "LeftOut",
    "Membership",
    "OutboxEvent",
    "PinnedAttributes",
    "Project",
    "RateUse",
    "Refused",
    "RepairRule",
    "ReportPart",
    "SamplingRule",
    "SamplingTally",
    "Separation",
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
