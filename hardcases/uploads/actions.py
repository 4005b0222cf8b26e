"""What a client does with a large file: announce it, send its parts, confirm or cancel it."""

import base64
import binascii
import contextlib
import hashlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO, Any

from django.db import transaction
from django.db.models import Count, Q, Sum
from django.db.models.functions import Now
from django.utils import timezone

from hardcases.audit.actors import Actor
from hardcases.blobs.backends import full_disk_as_refusal
from hardcases.blobs.store import get_store
from hardcases.cases import actions as cases
from hardcases.cases import content as contents
from hardcases.cases.content import FILE_LIMIT, File, Taken
from hardcases.cases.steps import Fields, Reported
from hardcases.errors import BadRequest, Conflict, Invalid, NotFound, TooLarge
from hardcases.projects.access import require
from hardcases.projects.models import Project
from hardcases.projects.permissions import Can
from hardcases.projects.steps import next_numbers
from hardcases.sampling.models import LeftOut
from hardcases.uploads.access import GONE
from hardcases.uploads.models import Upload
from hardcases.uploads.places import get_place
from hardcases.uploads.steps import cancel, discard
from hardcases.web.problems import TooManyRequests
from hardcases.work import pause

PART_SIZE = 8 * 1024 * 1024  # S3 takes no part under 5 MiB but the last
IMPORT_LIMIT = 2_000_000_000
LIMITS = {"case": FILE_LIMIT, "import": IMPORT_LIMIT}
UNDER_WAY, UNDER_WAY_IN_PROJECT = 8_000_000_000, 32_000_000_000
MANY, MANY_IN_PROJECT = 200, 1_000
TOUCH_EVERY = timedelta(hours=1)
CHUNK = 1 << 20


class WrongPart(Invalid):
    code, title = "wrong_part", "This is not the part that was announced"


class DigestDiffers(Invalid):
    code, title = "digest_differs", "The file is not the one that was announced"


@dataclass(frozen=True, kw_only=True)
class Announced:
    """What a client says about a file before it sends it. `said` are the fields of its case as they were sent."""

    sha256: str
    size: int
    name: str
    purpose: str
    said: dict[str, Any]


def announce(*, actor: Actor, project: Project, announced: Announced) -> Upload:
    """Open an upload. Raises TooLarge, TooManyRequests beyond the quotas of what is under way, StorageFull. Follow it with `begin`."""
    limit = LIMITS[announced.purpose]
    if announced.size > limit:
        raise TooLarge(f"The file has {announced.size:,} bytes; the limit is {limit:,}. Nothing was stored. Send a smaller file.")
    if announced.purpose == "import":
        require(actor, Can.CURATE, project)
    get_store().check_space()
    with transaction.atomic():
        next_numbers(project, "upload", 0)  # a lock: two that announce at once are counted one after the other
        _refuse_beyond_quota(actor, project, announced.size)
        return Upload.objects.create(project=project, owner=actor.owner, part_size=PART_SIZE, **vars(announced))


def _refuse_beyond_quota(actor: Actor, project: Project, size: int) -> None:
    mine = Q(owner=actor.owner)
    held = Upload.objects.filter(project=project).aggregate(
        bytes=Sum("size", default=0), many=Count("pk"), my_bytes=Sum("size", filter=mine, default=0), my_many=Count("pk", filter=mine)
    )
    if held["my_bytes"] + size > UNDER_WAY or held["my_many"] >= MANY:
        whose = "you have"
    elif held["bytes"] + size > UNDER_WAY_IN_PROJECT or held["many"] >= MANY_IN_PROJECT:
        whose = "this project has"
    else:
        return
    raise TooManyRequests(
        f"With this file {whose} too much under way at once. Nothing was stored. Confirm or cancel other uploads first, or wait.",
        retry_after=60,
    )


def begin(upload: Upload) -> None:
    """Make room for the parts where they will lie, once. Not within a transaction: a bucket is asked over the network."""
    if upload.remote_id:
        return
    place = get_place()
    name = place.begin(upload)
    if not Upload.objects.filter(pk=upload.pk, remote_id="").update(remote_id=name):
        place.abandon(upload, name)
        upload.refresh_from_db(fields=["remote_id"])
        return
    upload.remote_id = name


def touch(upload: Upload) -> None:
    """Somebody still works at it; written at most once an hour."""
    if timezone.now() - upload.touched_at > TOUCH_EVERY:
        Upload.objects.filter(pk=upload.pk).update(touched_at=Now())


def put_part(*, upload: Upload, number: int, stream: IO[bytes], length: int, content_digest: str | None = None) -> None:
    """Keep one part; sending it again replaces it. Raises WrongPart, BadRequest, StorageFull; then what was there is still there."""
    if upload.state != "open":
        raise Conflict("This file was confirmed and takes no more parts. Nothing was changed.")
    if not 1 <= number <= upload.parts:
        raise WrongPart(f"This file has the parts 1 to {upload.parts}; there is no part {number}. Nothing was changed.")
    expected = upload.part_length(number)
    if length != expected:
        raise WrongPart(
            f"Part {number} has {expected:,} bytes; {length:,} were announced. Nothing was changed. Cut the file as the answer said."
        )
    wanted = _sha256_in(content_digest)
    get_store().check_space()
    begin(upload)
    place = get_place()
    with _received(place.scratch(upload), stream, expected) as (path, found, size):
        if size != expected:
            raise WrongPart(f"Part {number} broke off after {size:,} of {expected:,} bytes. Nothing was changed. Send it again.")
        if wanted is not None and wanted != found:
            raise WrongPart(
                f"Part {number} was damaged on its way: its digest is not that of Content-Digest. Nothing was changed. Send it again."
            )
        pause.point("uploads.part.before_keep")
        place.keep(upload, number, path)
    touch(upload)
    if not Upload.objects.filter(pk=upload.pk).exists():  # cancelled meanwhile: then the part must not stay
        place.discard(upload)
        raise NotFound(GONE)


@contextlib.contextmanager
def _received(folder: Path, stream: IO[bytes], limit: int) -> Iterator[tuple[Path, bytes, int]]:
    """(temp file, SHA-256, size) of what came, at most one byte more than `limit`; the file is gone afterwards unless it was moved."""
    descriptor, name = tempfile.mkstemp(dir=folder, prefix="receiving-")
    path = Path(name)
    try:
        digest, size = hashlib.sha256(), 0
        with full_disk_as_refusal(), os.fdopen(descriptor, "wb") as file:
            while size <= limit and (chunk := stream.read(min(CHUNK, limit + 1 - size))):
                size += len(chunk)
                digest.update(chunk)
                file.write(chunk)
        yield path, digest.digest(), size
    finally:
        path.unlink(missing_ok=True)


def _sha256_in(content_digest: str | None) -> bytes | None:
    """The SHA-256 in a Content-Digest (RFC 9530); None where there is none. Other algorithms are passed over, as the standard says."""
    for member in (content_digest or "").split(","):
        name, _, value = member.strip().partition("=")
        if name == "sha-256":
            try:
                found = base64.b64decode(value.strip().removeprefix(":").removesuffix(":"), validate=True)
            except binascii.Error:
                found = b""
            if len(found) != 32:
                raise BadRequest("Content-Digest does not hold a SHA-256 in the form sha-256=:…:. Nothing was changed. Correct or omit it.")
            return found
    return None


def take_in(*, upload: Upload) -> Taken:
    """Hash the whole file, compare it with what was announced, and take it in like any other. Not within a transaction.

    Raises Incomplete, DigestDiffers (then no part is kept), and whatever a file is refused for. Repeating it does no harm.
    """
    _check_digest(upload)
    with _gone_as_not_found(), get_place().open(upload) as whole:
        taken = contents.take_one(upload.project, File(whole, upload.name))
    if taken.sha256 != upload.sha256:
        raise Conflict("A part was sent again while the file was being confirmed. Nothing was stored. Confirm it once more.")
    return taken


def _check_digest(upload: Upload) -> None:
    begin(upload)
    found = hashlib.sha256()
    with _gone_as_not_found(), get_place().open(upload) as whole:
        while chunk := whole.read(CHUNK):
            found.update(chunk)
    if found.hexdigest() == upload.sha256:
        return
    discard(upload)
    Upload.objects.filter(pk=upload.pk).update(remote_id="")
    raise DigestDiffers(
        f"The parts make a file whose SHA-256 is {found.hexdigest()[:12]}…, not {upload.sha256[:12]}… as announced. "
        "None of them is kept. Send all parts again, or cancel."
    )


@contextlib.contextmanager
def _gone_as_not_found() -> Iterator[None]:
    """Another confirmation was quicker, or a cancellation: the parts went while they were being read."""
    try:
        yield
    except FileNotFoundError as error:
        raise NotFound(GONE) from error


def file_case(*, actor: Actor, upload: Upload, taken: Taken, fields: Fields) -> Reported | LeftOut:
    """File the case of a whole file and forget the upload. Call it within the transaction that stores the answer, and `discard` afterwards."""
    if not Upload.objects.filter(pk=upload.pk, state="open").delete()[0]:
        raise NotFound(GONE)
    outcome = cases.receive_case(actor=actor, project=upload.project, content=taken, fields=fields)
    pause.point("uploads.confirm.before_commit")
    return outcome


def finish_import(*, upload: Upload) -> Upload:
    """A file that another room will read is whole. Doing it again changes nothing."""
    if upload.state == "open":
        _check_digest(upload)
        Upload.objects.filter(pk=upload.pk, state="open").update(state="finished", touched_at=Now())
        upload.state = "finished"
    return upload


@contextlib.contextmanager
def handed_over(upload: Upload) -> Iterator[IO[bytes]]:
    """The bytes of a finished file, for the room that reads it; they were compared with their digest. Forgotten when the block ends well."""
    with get_place().open(upload) as whole:
        yield whole
    cancel(upload=upload)
