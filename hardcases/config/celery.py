"""The Celery application. The database is the truth: no result backend, no chords, and a broker only where REDIS_URL names one."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "hardcases.config.settings")

app = Celery("hardcases")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(
    [
        "hardcases.work",
        "hardcases.audit",
        "hardcases.cases",
        "hardcases.uploads",
        "hardcases.testsets",
        "evaluation.runs",
        "evaluation.releases",
    ],
    related_name="tasks",
)
