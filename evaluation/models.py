"""The schema of this app at a glance: every room's tables."""

from evaluation.registry.models import Model, ModelVersion, ProductionMark, Replicate, TrainingDigest
from evaluation.releases.models import Acceptance, Policy, PolicyVersion, Release, SignOff
from evaluation.runs.models import Part, Run, Shard

__all__ = [
    "Acceptance",
    "Model",
    "ModelVersion",
    "Part",
    "Policy",
    "PolicyVersion",
    "ProductionMark",
    "Release",
    "Replicate",
    "Run",
    "Shard",
    "SignOff",
    "TrainingDigest",
]
