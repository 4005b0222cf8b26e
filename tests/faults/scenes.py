"""Fills an installation from outside, in a process of its own: `python -m tests.faults.scenes EVERY` prints what was made as JSON."""

import json
import os
import sys
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hardcases.config.settings")
django.setup()

from tests.builders import http, people  # noqa: E402
from tests.builders import runs as build  # noqa: E402


def a_run_to_start(every: int) -> dict[str, Any]:
    """A postcode project with a frozen version (every n-th demo case) and a model of two replicates."""
    project = build.postcode_project()
    version = build.postcode_version(project, every=every)
    model = build.a_model(project, "postcode")
    replicate = build.demo_replicate(model, "v2", 0)
    build.demo_replicate(model, "v2", 1)
    return {
        "project": project.slug,
        "project_id": project.pk,
        "token": http.a_token(project, maker=people.a_member(project, *people.Role)),
        "test_set": str(version),
        "classes": project.classes,
        "cases": version.cases,
        "model": str(replicate.model_version),
        "replicates": 2,
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(a_run_to_start(int(sys.argv[1]))) + "\n")
