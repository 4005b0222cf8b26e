"""`manage.py demo`: the built-in story, end to end, on the installation that the environment names."""

from collections.abc import Callable
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from evaluation.demo import play, processes
from evaluation.demo.playbill import print_release
from evaluation.releases.models import Release
from hardcases.audit.models import AuditEvent
from hardcases.errors import Refusal

PRINTED_WIDTH = 132


class Command(BaseCommand):
    """Play the story; a second time it finds everything in place, changes nothing and says so."""

    help = "Plays the built-in story with the real parts: cases, labels, a frozen test set, models, runs in a worker, two releases."

    def handle(self, *_: Any, **__: Any) -> None:
        """Play, then print the two verdicts."""
        console = Console(highlight=False, soft_wrap=True)
        if not console.is_terminal:
            console.width = PRINTED_WIDTH
        call_command("migrate", verbosity=0, interactive=False)
        before = AuditEvent.objects.count()
        try:
            with Progress(
                TextColumn("{task.description:34}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=Console(stderr=True)
            ) as bars:
                releases = self._play(bars)
        except Refusal as refusal:
            raise CommandError(refusal.sentence) from refusal
        for release in releases:
            print_release(console, release)
        if AuditEvent.objects.count() == before:
            console.print("The demo is here already. Nothing was changed.")
        console.print("Look at it: make serve")

    def _play(self, bars: Progress) -> list[Release]:
        def bar(title: str) -> Callable[[int, int], None]:
            task = bars.add_task(title, total=None)
            return lambda done, total: bars.update(task, completed=done, total=total)

        project, cast = play.set_the_stage()
        missing = play.absent(project)
        over_http = missing[: play.OVER_HTTP]
        if over_http:
            with processes.web() as address:
                play.send_over_http(project, cast, address, over_http, bar("Cases over HTTP"))
            play.send_through_actions(project, cast, missing[play.OVER_HTTP :], bar("Cases through the same actions"))
        play.label(project, cast, bar("Labels"))
        version = play.freeze(project, cast)
        versions = play.register(project, cast, bar("Model versions"))
        with processes.worker():
            play.evaluate(project, cast, versions, version, bar("Shards evaluated by the worker"))
        return play.decide(project, cast, versions, version)
