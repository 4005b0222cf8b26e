"""`manage.py verify`: every stored file against its name, every frozen version against its digest, every group against its cases."""

from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from hardcases.blobs.owners import named_blobs
from hardcases.blobs.store import get_store
from hardcases.errors import Refusal
from hardcases.groups.verification import group_findings
from hardcases.testsets import verification
from hardcases.testsets.models import Version


class Command(BaseCommand):
    """Reads everything and changes nothing but missing snapshots, which it writes again."""

    help = "Verifies every stored file, every frozen version, what the versions pin, and the counts of groups. Exits with 1 and a list if something is wrong."

    def handle(self, *_: Any, **__: Any) -> None:
        """Print each finding, then the sum."""
        findings = 0
        for sentence in _all_findings():
            findings += 1
            self.stdout.write(sentence)
        if findings:
            raise CommandError(f"{findings:,} things are not as they were stored. They are listed above; nothing was changed.")
        versions = Version.objects.count()
        self.stdout.write(f"All files and {versions:,} frozen versions are as they were stored.")


def _all_findings() -> Iterator[str]:
    yield from _blob_findings()
    for version in Version.objects.select_related("test_set__project").order_by("pk"):
        yield from verification.version_findings(version)
    yield from verification.attribute_findings()
    yield from verification.label_findings()
    yield from group_findings()


def _blob_findings() -> Iterator[str]:
    store, stored = get_store(), set()
    for digest in store.iter_digests():
        stored.add(digest)
        try:
            store.verify(digest)
        except Refusal as refusal:
            yield refusal.sentence
    for row, digest in named_blobs():
        if digest not in stored:
            yield f"{row}: its file {digest[:12]}… is missing from the store."
