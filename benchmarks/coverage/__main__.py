"""Prints Markdown tables: the share of intervals that hold the truth (nominal 95 %), and beside it how many lie below and above it.

    OMP_NUM_THREADS=1 python -m benchmarks.coverage [--sets 2000] [--only intervals differences …] [--into docs/statistics/coverage.md]

Seeded; 2,000 sets leave ± 1 point. Tables of what draws every set by itself (boxes, runs, drift) stand on a part of the sets and say how many.
`--into` puts each part's tables into the page as soon as they are there, between its two comments.
"""

import argparse
import contextlib
import io
import time
from pathlib import Path

from benchmarks.coverage.binary import differences, intervals
from benchmarks.coverage.drifting import charts, distances, refusals, samples
from benchmarks.coverage.others import classes, detection, labels, numbers
from benchmarks.coverage.runs import joining, over_runs
from benchmarks.coverage.stressing import stress
from benchmarks.coverage.verdicts import verdicts

MODELS = (intervals, differences, classes, labels, numbers, detection, joining, over_runs, verdicts, stress)
PRODUCTION = (distances, samples, charts, refusals)
PARTS = {part.__name__: part for part in (*MODELS, *PRODUCTION)}


def put(page: Path, name: str, tables: str) -> None:
    """Between `<!-- name -->` and `<!-- end of name -->`."""
    start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
    before, found, rest = page.read_text().partition(start)
    _, ended, after = rest.partition(end)
    if not (found and ended):
        raise SystemExit(f"{page} has no place for {name!r}: it lies between the comments {start.strip()} and {end}")
    page.write_text(f"{before}{start}{tables.strip()}\n{end}{after}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=2000)
    parser.add_argument("--only", choices=PARTS, nargs="+", default=list(PARTS))
    parser.add_argument("--into", type=Path)
    given = parser.parse_args()
    for name in given.only:
        start, out = time.process_time(), io.StringIO()
        with contextlib.redirect_stdout(out):
            PARTS[name](given.sets)
        tables = (
            f"{out.getvalue()}\n{given.sets} sets each where the heading does not say otherwise, {time.process_time() - start:.0f} CPU s\n"
        )
        print(tables, flush=True)
        if given.into:
            put(given.into, name, tables)


if __name__ == "__main__":
    main()
