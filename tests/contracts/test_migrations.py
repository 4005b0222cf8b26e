"""Models and migrations agree, and every guard is in the database."""

import pytest
from django.core.management import call_command
from django.db import connection

from evaluation.registry.guards import GUARDS as REGISTRY
from evaluation.releases.guards import GUARDS as RELEASES
from evaluation.runs.guards import GUARDS as RUNS
from hardcases.audit.guards import AUDIT_GUARDS, missing_guards
from hardcases.cases.guards import GUARDS as CASES
from hardcases.labels.guards import GUARDS as LABELS
from hardcases.testsets.guards import GUARDS as TEST_SETS

pytestmark = pytest.mark.django_db
ALL = [*AUDIT_GUARDS, *CASES, *LABELS, *TEST_SETS, *REGISTRY, *RUNS, *RELEASES]


def test_models_and_migrations_agree() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_every_guard_is_in_the_database() -> None:
    assert missing_guards(ALL, connection) == []
