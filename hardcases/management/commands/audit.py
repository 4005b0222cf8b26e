"""`manage.py audit verify` and `manage.py audit seal`."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from hardcases.audit import sealing
from hardcases.audit.sealing import Head
from hardcases.projects.jobs import noted_heads


class Command(BaseCommand):
    """The audit log's chain."""

    help = "verify: walks the sealed chain, prints its head, exits 1 when an entry was changed, removed or cut off. seal: seals what waits."

    def add_arguments(self, parser: CommandParser) -> None:
        """Options."""
        parser.add_argument("verb", choices=["verify", "seal"])
        parser.add_argument(
            "--head", action="append", default=[], metavar="NUMBER:HASH", help="a head printed earlier, which the chain must still contain"
        )

    def handle(self, *_: Any, verb: str, head: list[str], **__: Any) -> None:
        """Do it."""
        if verb == "seal":
            self.stdout.write(f"{sealing.seal(thorough=True):,} entries sealed. Head {sealing.head()}")
            return
        try:
            known = tuple(Head.parse(text) for text in head)
        except ValueError as error:
            raise CommandError(f"{error}, as `audit verify` prints it.") from error
        report = sealing.verify((*noted_heads(), *known))
        for finding in report.findings:
            self.stderr.write(finding)
        if not report.intact:
            raise CommandError(f"The audit log is not intact: {len(report.findings)} findings in {report.entries:,} entries.")
        waiting = f", {report.unsealed:,} not sealed yet" if report.unsealed else ""
        self.stdout.write(f"{report.entries:,} entries intact{waiting}. Head {report.head}")
