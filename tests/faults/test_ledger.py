"""A thousand mixed operations while web and worker processes are killed: nothing lost, nothing twice, nothing torn."""

import pytest

from tests.faults import ledger as ledgers
from tests.faults.sites import Site

pytestmark = [pytest.mark.services]

OPERATIONS, CLIENTS, KILL_EVERY = 1_000, 4, 120


def test_nothing_is_lost_doubled_or_torn(embedded: Site) -> None:
    before = int(embedded.value("SELECT count(*) FROM hardcases_case"))
    ledger, kills = ledgers.run(embedded, operations=OPERATIONS, clients=CLIENTS, kill_every=KILL_EVERY)
    assert list(ledgers.faults_of(embedded, ledger)) == []
    assert ledgers.created_since(embedded, before) == len(ledger.contents)
    assert ledger.operations >= OPERATIONS
    assert kills >= 5
    assert ledger.retried > 0
