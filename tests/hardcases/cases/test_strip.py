"""Projects that keep pictures without metadata: what is stored, what is recognised again, what is refused."""

import hashlib
import struct

import numpy as np
import pytest
from PIL import Image

from hardcases.blobs.store import get_store
from hardcases.cases.models import Case
from tests.builders.cases import a_picture
from tests.builders.http import Api, problem
from tests.builders.people import a_project
from tests.builders.tiff import a_tiff

pytestmark = pytest.mark.django_db
NAME = "Patient Jane Roe"
PIXELS = np.arange(64, dtype=np.uint8).reshape(8, 8)


@pytest.fixture
def api() -> Api:
    return Api(a_project(strip_metadata=True))


def _picture(kind: str = "JPEG") -> bytes:
    exif = Image.Exif()
    exif[0x010E], exif[0x0112] = NAME, 6
    return a_picture(size=(64, 32), kind=kind, exif=exif)


def test_the_received_digest_names_the_case_and_the_words_are_not_stored(api: Api) -> None:
    sent = _picture()
    body = api.upload(sent).json()
    case = Case.objects.get()
    assert body["sha256"] == case.sha256 == hashlib.sha256(sent).hexdigest()
    assert case.stored_sha256 != case.sha256
    assert not get_store().exists(case.sha256)
    kept = get_store().read(case.stored_sha256)
    assert NAME.encode() in sent
    assert NAME.encode() not in kept
    assert (case.width, case.height) == (32, 64), "the orientation stays"


def test_the_same_file_again_is_a_sighting_and_repairs_a_lost_blob(api: Api) -> None:
    assert api.upload(_picture()).status_code == 201
    case = Case.objects.get()
    get_store().delete(case.stored_sha256)
    again = api.upload(_picture())
    assert (again.status_code, again.json()["duplicate"]) == (200, True)
    assert NAME.encode() not in get_store().read(case.stored_sha256)
    assert not get_store().exists(case.sha256)


def test_a_picture_without_metadata_is_stored_as_it_is(api: Api) -> None:
    sent = a_picture(kind="PNG")
    api.upload(sent)
    assert Case.objects.get().stored_sha256 == hashlib.sha256(sent).hexdigest()


@pytest.mark.filterwarnings("ignore::UserWarning")  # in production Pillow's are off
def test_what_cannot_be_taken_out_is_refused_and_nothing_is_kept(api: Api) -> None:
    place = len(a_tiff(PIXELS, t34665=1))
    words = struct.pack("<HHHIII", 1, 0x9286, 7, 1_000, 2**31, 0)  # a comment of the camera that lies outside the file
    whole = a_tiff(PIXELS, t34665=place) + words
    refused = problem(api.upload(whole), 422)
    assert "metadata" in refused["detail"]
    assert not Case.objects.exists()


def test_other_projects_keep_what_was_sent() -> None:
    Api(a_project()).upload(_picture())
    case = Case.objects.get()
    assert case.stored_sha256 == case.sha256
    assert NAME.encode() in get_store().read(case.sha256)
