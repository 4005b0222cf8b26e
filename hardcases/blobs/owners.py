"""Which columns name blobs. Every room enters its own when the apps are ready (`wiring`), so that backup, verification and the sweep for orphans know them all.

A column whose name ends with sha256 is entered either as one that `holds` a blob alive or as one that only `mentions` a digest. A test finds those that
somebody forgot, because a forgotten column would mean deleted evidence.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from django.db import models
from django.db.models import F, Q
from django.db.models.expressions import Combinable
from numpy.typing import NDArray

from hardcases.blobs.store import BlobStore, get_store


@dataclass(frozen=True)
class BlobOwner:
    """A table and its columns of digests (64 hex digits or NULL)."""

    model: type[models.Model]
    holds: tuple[str, ...]
    mentions: tuple[str, ...] = ()
    where: Q = field(default_factory=Q)
    called: Combinable | None = None

    def named(self) -> Iterator[tuple[str, str]]:
        """(which row and column, the digest) of every blob that this table holds, repeats included."""
        for column in self.holds:
            rows = self.model._default_manager.filter(self.where, **{f"{column}__isnull": False}).order_by()  # noqa: SLF001 - documented by Django
            for name, digest in rows.values_list(self.called or F("pk"), column).iterator(chunk_size=10_000):
                yield name if self.called else f"{self.model.__name__} {name} ({column})", digest

    def holds_any(self, digest: str) -> bool:
        """Whether a row holds this digest now."""
        return any(self.model._default_manager.filter(self.where, **{column: digest}).exists() for column in self.holds)  # noqa: SLF001 - documented by Django


BLOB_OWNERS: dict[type[models.Model], BlobOwner] = {}


def register_blobs(
    model: type[models.Model], *holds: str, mentions: tuple[str, ...] = (), where: Q | None = None, called: Combinable | None = None
) -> None:
    """Rows of `model` (all, or those of `where`) keep the blobs named in `holds`; `mentions` are digests of what is not in the store under that name.

    `called` gives the name by which people know a row, such as XR-1061.
    """
    BLOB_OWNERS[model] = BlobOwner(model, holds, mentions, where or Q(), called)


def named_blobs() -> Iterator[tuple[str, str]]:
    """(which row, the digest) of everything that must be in the store, repeats included."""
    for owner in BLOB_OWNERS.values():
        yield from owner.named()


def orphans(store: BlobStore, *, untouched_since: datetime) -> Iterator[str]:
    """Blobs that no row holds and nobody has written since then.

    Rows are read first and as 64-bit prefixes, 8 bytes a digest, so that a million cases need no memory to speak of; two digests with one prefix only mean
    that an orphan stays. Every finding is asked for again by its whole digest.
    """
    named = np.unique(np.fromiter((_prefix(digest) for _, digest in named_blobs()), dtype=np.uint64))
    for blob in store.iter_untouched_since(untouched_since):
        if not _contains(named, _prefix(blob.digest)) and not any(owner.holds_any(blob.digest) for owner in BLOB_OWNERS.values()):
            yield blob.digest


def forget_unheld(digests: Iterable[str], *, since: datetime) -> None:
    """Remove at once the files of digests that no row holds any more, unless they were written again since then. Called after the commit that let go of them."""
    for digest in digests:
        if not any(owner.holds_any(digest) for owner in BLOB_OWNERS.values()):
            get_store().delete_untouched(digest, since=since)


def _prefix(digest: str) -> int:
    return int(digest[:16], 16)


def _contains(ascending: NDArray[np.uint64], value: int) -> bool:
    place = int(np.searchsorted(ascending, np.uint64(value)))
    return place < ascending.size and int(ascending[place]) == value
