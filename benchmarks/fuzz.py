"""Requests made up from the published schema, sent to every operation: `python -m benchmarks.fuzz [--examples 20000]`.

Runs `tests/contracts/test_fuzz.py` with many more examples than `make test` does, on SQLite and, with TEST_ON=postgresql, on PostgreSQL. Exit 1 with the requests that
were answered with a 5xx, not as a problem, or after more than three seconds of processor time.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """Run it; pytest's exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=20_000)
    asked = parser.parse_args()
    command = [sys.executable, "-m", "pytest", "-n0", "-q", "tests/contracts/test_fuzz.py"]
    return subprocess.run(command, cwd=ROOT, env=os.environ | {"FUZZ": str(asked.examples)}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
