"""`manage.py work`: the one worker process of the embedded installation. No broker: its sweeper reads the database and runs the same Celery tasks."""

import gc
import signal
import threading
from typing import Any

import structlog
from django.core.management.base import BaseCommand, CommandParser
from django.db import close_old_connections

from hardcases.work.tasks import all_due

log = structlog.get_logger(__name__)
IDLE_SECONDS = 0.2
ROUND = 50  # tasks between two looks at the database
AFTER_FAILURE_SECONDS = 2.0  # what is due and fails at once is not tried in a circle


class Command(BaseCommand):
    """Sweep, do what is due, sleep a little when nothing is."""

    help = "Runs background work from the database, without a broker. One process is enough for a laptop; more may run side by side."

    def add_arguments(self, parser: CommandParser) -> None:
        """Options."""
        parser.add_argument("--until-idle", action="store_true", help="stop as soon as nothing is due")

    def handle(self, *_: Any, until_idle: bool, **__: Any) -> None:
        """Run until a signal asks to stop; the task in hand is finished first."""
        stop = threading.Event()
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, lambda *_: stop.set())
        # What is loaded now stays for good. Full collections walked through all of it again and again, which took a third of an import.
        gc.collect()
        gc.freeze()
        log.info("worker_ready")
        while not stop.is_set():
            close_old_connections()
            due = all_due()[:ROUND]  # then look again: a run that somebody starts now does not wait behind a thousand thumbnails
            failed = False
            for item in due:
                if stop.is_set():
                    return
                # apply() runs the task here, as a Celery worker would; eager failures are logged by Celery and the row's lease brings the work back.
                failed |= item.task.apply(kwargs=item.kwargs).failed()
            if not due and until_idle:
                return
            if failed or not due:
                stop.wait(IDLE_SECONDS if not failed else AFTER_FAILURE_SECONDS)
