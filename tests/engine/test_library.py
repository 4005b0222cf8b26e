"""The engine as a library: its documented example runs where Django does not exist, and the first call does not take long."""

import re
import subprocess
import sys
from pathlib import Path

from evaluation import engine

ROOT = Path(__file__).parents[2]
WITHOUT_DJANGO = """
import resource, sys
for name in ("django", "rest_framework", "celery", "hardcases"):
    sys.modules[name] = None
"""


def test_the_documented_example_runs_without_django() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/statistics/library.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT_DJANGO + example], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert said[0].startswith("accuracy all 0.")
    assert said[2] in {"pass", "fail", "not_enough_evidence"}


def test_every_public_name_exists_and_is_documented() -> None:
    assert engine.__all__ == sorted(engine.__all__)
    for name in engine.__all__:
        assert hasattr(engine, name)
        if callable(getattr(engine, name)):
            assert getattr(engine, name).__doc__, name
