"""The Celery application. The database is the truth: no result backend, no chords, and a broker only where REDIS_URL names one."""

import gc
import os

from celery import Celery, bootsteps

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


class Settled(bootsteps.StartStopStep):
    """What a worker has loaded before its processes are forked stays for good: they share it, and their full collections need not walk through it."""

    def __init__(self, worker: object, **options: object) -> None:
        super().__init__(worker, **options)
        gc.collect()
        gc.freeze()


app.steps["worker"].add(Settled)
