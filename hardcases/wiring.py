"""What upper rooms hand to lower ones, in one place: each room's handlers are entered here, once, when the apps are ready."""

from hardcases.cases import sweeps as cases
from hardcases.cases.actions import on_erase
from hardcases.cases.queries import QUERY_TERMS
from hardcases.testsets import jobs as test_sets
from hardcases.testsets.erasure import erase_case as erase_from_test_sets
from hardcases.testsets.queries import stratum_term
from hardcases.work.registry import register_job, register_sweep


def connect() -> None:
    """Register the handlers of the rooms of this app. Running it twice changes nothing."""
    register_sweep("cases", cases.sweep)
    QUERY_TERMS["stratum"] = stratum_term
    register_job(test_sets.FREEZE, test_sets.freeze_large)
    register_job(test_sets.SNAPSHOT, test_sets.write_snapshot)
    on_erase(erase_from_test_sets)
