"""The bytes of a case for somebody who may see them: what was received, or the copies made for people."""

from dataclasses import dataclass
from io import BytesIO
from typing import IO

from hardcases.blobs.store import BlobDamaged, BlobMissing, get_store
from hardcases.cases.jobs import make_again
from hardcases.cases.models import Case
from hardcases.errors import Conflict, NotFound
from hardcases.imaging.formats import HEAD, PNG, detect


class NotReady(Conflict):
    code, title = "not_ready", "The picture is still being made"


@dataclass(frozen=True)
class Media:
    """An open file with what a browser must be told about it. `own_image`: we encoded it ourselves, so it may be shown in place."""

    file: IO[bytes]
    media_type: str
    name: str
    digest: str
    own_image: bool


def open_media(case: Case, version: str) -> Media:
    """`version` is original, display or thumbnail. A text or record is shown as it was received: there is nothing hidden in it.

    Raises NotReady (409), NotFound, and what the store says about missing or damaged bytes of an original; a copy is then made again.
    """
    if case.state == "erased":
        raise NotFound(f"{case.key} was erased for good; there are no bytes any more.")
    if version == "original" or case.kind != "image":
        file = get_store().open(case.stored_sha256, size=case.size if case.stored_sha256 == case.sha256 else None)
        return Media(file, case.media_type, case.file_name or case.key, case.stored_sha256, own_image=False)
    digest = case.thumbnail_sha256 if version == "thumbnail" else case.display_sha256
    if digest is None:
        raise _not_there(case)
    try:
        data = get_store().read(digest)
    except (BlobMissing, BlobDamaged) as error:
        make_again(case)
        raise NotReady(f"The picture of {case.key} is being made again. Ask again in a few seconds.", retry_after=2) from error
    return Media(BytesIO(data), (detect(data[:HEAD]) or PNG).media_type, case.key, digest, own_image=True)


def _not_there(case: Case) -> NotFound | NotReady:
    if case.media_state == "failed":
        return NotFound(f"No copy of {case.key} can be shown: {case.media_failure} The original is kept.")
    return NotReady(f"The picture of {case.key} is still being made. Ask again in a few seconds.", retry_after=2)
