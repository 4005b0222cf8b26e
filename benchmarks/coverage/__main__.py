"""Prints Markdown tables: the share of intervals that hold the truth (nominal 95 %), and beside it how many lie below and above it.

    OMP_NUM_THREADS=1 python -m benchmarks.coverage [--sets 2000] [--only intervals|differences|...]

Seeded; 2,000 sets leave ± 1 point. Parts that draw every set by itself (detection, regression) take a part of the sets and say how many.
"""

import argparse
import time

from benchmarks.coverage.binary import differences, intervals
from benchmarks.coverage.others import classes, detection, labels, numbers
from benchmarks.coverage.runs import joining, over_runs
from benchmarks.coverage.verdicts import verdicts

PARTS = {part.__name__: part for part in (intervals, differences, classes, labels, numbers, detection, joining, over_runs, verdicts)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=2000)
    parser.add_argument("--only", choices=PARTS, nargs="+", default=list(PARTS))
    given = parser.parse_args()
    for name in given.only:
        start = time.process_time()
        PARTS[name](given.sets)
        print(f"\n{given.sets} sets each, {time.process_time() - start:.0f} CPU s", flush=True)


if __name__ == "__main__":
    main()
