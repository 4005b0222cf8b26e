"""Forgetting an upload, as its owner and the sweep do it."""

import contextlib

from hardcases.errors import Refusal
from hardcases.uploads.models import Upload
from hardcases.uploads.places import get_place


def cancel(*, upload: Upload) -> None:
    """Forget an upload and its parts."""
    Upload.objects.filter(pk=upload.pk).delete()
    discard(upload)


def discard(upload: Upload) -> None:
    """Remove the parts. A place that is away keeps them until the sweep comes by."""
    with contextlib.suppress(Refusal):
        get_place().discard(upload)
