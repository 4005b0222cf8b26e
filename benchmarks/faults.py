"""kill -9, again and again: `python -m benchmarks.faults runs [KILLS]`, `ledger [OPERATIONS]`, `parallel [ROUNDS]`; `--seed N`.

`runs`: each run is started over HTTP on an installation of its own and loses several workers, one after the other, each at a point drawn from a seeded generator (before
a shard's commit, before the end of the finalisation). The next worker takes over from the killed one, the last one ends the run, and what is stored is compared
with an undisturbed run. Prints what was lost, doubled and finalised twice.

`ledger`: clients send mixed operations (`tests.faults.ledger`) while web and worker processes are killed, then everything the clients were told is held against the
database and the files. `parallel`: nobody is killed, but the same picture comes fifty times at once.

TEST_ON=postgresql chooses the database; REDIS=1 uses Celery workers with a private Redis.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import track

from tests.builders.pictures import a_picture
from tests.faults import ledger as ledgers
from tests.faults.harness import until
from tests.faults.sites import Redis, Site, a_site

PLACES = ("runs.shard.before_commit", "runs.finalise.before_commit")  # in the order in which a run comes to them
KILLS_A_RUN = 3
AT_ONCE = 50  # equal uploads in one round
CLIENTS, KILL_EVERY = 6, 250  # of the ledger
AT_ONE_PLACE = 2  # a row that has stopped a third worker counts as poison, and rightly so (work.leases.MAX_ATTEMPTS)


@dataclass
class Tally:
    """What must be zero, except `kills`, `runs` and `finalised`."""

    kills: int = 0
    runs: int = 0
    lost: int = 0
    doubled: int = 0
    finalised: int = 0
    not_ended: int = 0
    other_numbers: int = 0


def stored(site: Site, number: int) -> tuple[int, int, str | None, int]:
    """(predictions, shards with more than one part, digest of the report, how often it says that it succeeded) of a run."""
    run, report = site.rows(f"SELECT id, report_sha256 FROM evaluation_run WHERE number = {number}")[0]
    predictions = site.value(f"SELECT coalesce(sum(predicted), 0) FROM evaluation_part WHERE run_id = {run}")
    doubled = len(site.rows(f"SELECT 1 FROM evaluation_part WHERE run_id = {run} GROUP BY replicate, step, shard HAVING count(*) > 1"))
    ends = site.value(
        f"SELECT count(*) FROM hardcases_auditevent WHERE object_type = 'run' AND object_id = '{run}' AND action = 'run.succeeded'"
    )
    return int(predictions), doubled, report, int(ends)


def one_run(site: Site, places: Sequence[str], tally: Tally, expected: tuple[int, int, str | None, int]) -> None:
    """Start, kill a worker at each of the places, let another one end it, count."""
    number = site.start_run()
    for place in sorted(places, key=PLACES.index):
        flag = site.folder / f"flag-{tally.kills}"
        victim = site.worker(HARDCASES_PAUSE_AT=f"{place}:{flag}")
        until(flag.exists, f"Reaching {place}")
        victim.kill()
        tally.kills += 1
    rescuer = site.worker()
    until(lambda: site.run_state(number) in {"succeeded", "failed"}, f"The end of run {number}", 180)
    rescuer.kill()
    predictions, doubled, report, ends = stored(site, number)
    tally.runs += 1
    tally.not_ended += site.run_state(number) != "succeeded"
    tally.lost += max(0, expected[0] - predictions)
    tally.doubled += doubled + max(0, predictions - expected[0])
    tally.finalised += ends
    tally.other_numbers += report != expected[2]


def runs(kills: int, seed: int) -> bool:
    """All kills; False if anything was lost, doubled or different."""
    draw, console, tally = random.Random(seed), Console(), Tally()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hardcases-faults-")))
        redis = stack.enter_context(Redis()) if os.environ.get("REDIS") == "1" else None
        site = stack.enter_context(a_site(folder / "site", redis_url=redis.url if redis else None))
        site.fill(every=4)
        site.web()
        if redis:
            site.beat()
        calm = site.worker()
        number = site.start_run()
        site.wait_for_run(number)
        calm.kill()
        expected = stored(site, number)
        start = time.monotonic()
        for killed in track(range(0, kills, KILLS_A_RUN), "kill -9", console=console):
            places = draw.sample(PLACES * AT_ONE_PLACE, min(KILLS_A_RUN, kills - killed))
            one_run(site, places, tally, expected)
        console.print(f"{tally.kills} kills in {tally.runs} runs in {time.monotonic() - start:.0f} s, {expected[0]:,} predictions a run")
    console.print(
        f"lost {tally.lost}   doubled {tally.doubled}   finalised {tally.finalised} of {tally.runs}   "
        f"not ended {tally.not_ended}   other numbers {tally.other_numbers}"
    )
    return tally.finalised == tally.runs and not (tally.lost or tally.doubled or tally.not_ended or tally.other_numbers)


def ledger(operations: int, seed: int) -> bool:
    """Mixed operations under kills of web and worker; False if the ledger and the product differ."""
    console = Console()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hardcases-faults-")))
        redis = stack.enter_context(Redis()) if os.environ.get("REDIS") == "1" else None
        site = stack.enter_context(a_site(folder / "site", redis_url=redis.url if redis else None))
        site.fill(every=4)
        if redis:
            site.beat()
        before, start = int(site.value("SELECT count(*) FROM hardcases_case")), time.monotonic()
        kept, kills = ledgers.run(site, operations=operations, clients=CLIENTS, kill_every=KILL_EVERY, seed=seed)
        seconds = time.monotonic() - start
        faults = list(ledgers.faults_of(site, kept))
        unknown = ledgers.created_since(site, before) - len(kept.contents)
    console.print(f"{kept.operations:,} operations, {len(kept.contents):,} contents, {kills} kills in {seconds:.0f} s")
    console.print(f"{kept.retried} requests sent again, {kept.replayed} of them answered from before, {unknown} cases nobody was told of")
    for fault in faults[:20]:
        console.print(fault)
    console.print(f"lost, doubled or torn: {len(faults)}")
    return not faults and not unknown


def parallel(rounds: int) -> bool:
    """The same picture fifty times at once, again and again, over HTTP; False if a round gave anything but one case with fifty sightings."""
    console, odd = Console(), 0
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="hardcases-faults-")))
        site = stack.enter_context(a_site(folder / "site"))
        site.fill(every=4)
        site.web()
        pool = stack.enter_context(ThreadPoolExecutor(AT_ONCE))
        statuses: Counter[int] = Counter()
        for number in track(range(rounds), "fifty at once", console=console):
            parts = {"file": ("same.png", a_picture(f"same {number}"))}
            answers = list(pool.map(lambda _, parts=parts: site.call("POST", "cases/", files=parts), range(AT_ONCE)))
            statuses.update(answer.status_code for answer in answers)
            sha256 = answers[0].json()["sha256"]
            found = site.rows(f"SELECT sightings_count FROM hardcases_case WHERE sha256 = '{sha256}'")
            odd += found != [(AT_ONCE,)] or sorted(answer.status_code for answer in answers) != [200] * (AT_ONCE - 1) + [201]
    console.print(f"{rounds} rounds of {AT_ONCE}: answers {dict(statuses)}, {odd} rounds with anything but one case")
    return not odd


def main() -> int:
    """Exit 1 if anything was lost, doubled or different."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("runs", "ledger", "parallel"))
    parser.add_argument("number", nargs="?", type=int)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    if asked.what == "parallel":
        return 0 if parallel(asked.number or 100) else 1
    sound = runs(asked.number or 50, asked.seed) if asked.what == "runs" else ledger(asked.number or 20_000, asked.seed)
    return 0 if sound else 1


if __name__ == "__main__":
    sys.exit(main())
