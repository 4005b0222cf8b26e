"""`make test`: the whole suite on SQLite, then everything that touches rows again on PostgreSQL, with a real Redis and a real browser.

What is missing is skipped with a loud line; REQUIRE_SERVICES=1 and REQUIRE_BROWSER=1 make it an error instead.
"""

import os
import subprocess
import sys
import time
from contextlib import ExitStack

from tests import services


def _missing(what: str, cure: str, *, required: str) -> None:
    line = f"{what} was not found: {cure}"
    if os.environ.get(required) == "1":
        sys.exit(f"{line}\n{required}=1 does not let its tests be skipped.")
    print(f"\n*** NOT TESTED. {line} ***\n", flush=True)


def _suite(name: str, environment: dict[str, str], arguments: list[str]) -> int:
    print(f"\n=== {name} ===", flush=True)
    start = time.monotonic()
    workers = os.environ.get("TEST_WORKERS") or str(min(os.cpu_count() or 1, 8))
    command = [sys.executable, "-m", "pytest", "-q", "-n", workers, "--dist", "loadgroup", *arguments]
    code = subprocess.run(command, env=os.environ | environment, check=False).returncode
    print(f"=== {name}: exit {code} in {time.monotonic() - start:.0f} s ===", flush=True)
    return code


def main() -> int:
    """Run both suites; the exit code is that of the first that failed."""
    with ExitStack() as stack:
        environment: dict[str, str] = {}
        database, broker, browser = services.postgresql(stack), services.redis_server(stack), services.chromium()
        if broker:
            environment["TEST_REDIS_URL"] = broker
        else:
            _missing("Redis", "apt-get install redis-server, or set TEST_REDIS_URL.", required="REQUIRE_SERVICES")
        if browser:
            environment["CHROMIUM"] = browser
        else:
            _missing("Chromium", "apt-get install chromium, or set CHROMIUM.", required="REQUIRE_BROWSER")
        if database:
            environment["TEST_DATABASE_URL"] = database
        else:
            _missing("PostgreSQL", "apt-get install postgresql, or set TEST_DATABASE_URL.", required="REQUIRE_SERVICES")
        code = _suite("SQLite", environment, sys.argv[1:])
        if code or not database:
            return code
        return _suite("PostgreSQL", environment | {"TEST_ON": "postgresql"}, sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
