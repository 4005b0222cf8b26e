"""Uploads that mean harm: each is answered with a sentence or shown, soon, within bounded memory, and through the API with 4xx or 201."""

import contextlib
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hardcases.cases.models import Case
from hardcases.errors import Refusal
from hardcases.imaging import pictures
from hardcases.imaging.metadata import CannotStrip, strip
from tests.builders import hostile_pictures
from tests.builders.http import Api
from tests.builders.people import a_project

ROOT = Path(__file__).resolve().parents[3]
UPLOADS = hostile_pictures.uploads()
SECONDS = 5.0  # of the processor, which is far more than any of them takes: against work without end
MOST_MEMORY = 700  # megabytes of a process that shows a picture as large as the limits allow; a decoded WebP is held three times

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # in production Pillow's are off, see pictures.py


def outcome(data: bytes) -> Refusal | None:
    """The refusal at the door, or None where it was let in, and then it is shown too."""
    try:
        pictures.inspect(data)
    except Refusal as refusal:
        return refusal
    pictures.copies(data)
    return None


def test_there_are_enough_of_them() -> None:
    assert len(UPLOADS) >= 200


@pytest.mark.parametrize("name", UPLOADS)
def test_it_is_refused_with_a_sentence_or_shown(name: str) -> None:
    data, began = UPLOADS[name], time.process_time()
    refusal = outcome(data)
    if len(data) < 100_000:
        with contextlib.suppress(CannotStrip, Refusal):
            strip(data)
    assert time.process_time() - began < SECONDS
    if refusal is not None:
        assert refusal.status in {415, 422}
        assert "Nothing was stored" in refusal.sentence
        assert refusal.sentence.endswith(".")
    if "renamed" in name or " cut at " in name:
        assert refusal is not None


@pytest.mark.django_db
def test_the_api_answers_each() -> None:
    api = Api(a_project())
    wrong = {}
    for name, data in UPLOADS.items():
        began = time.process_time()
        answer = api.upload(data, name=f"{name}.png")
        spent = time.process_time() - began
        sound = answer.status_code in {200, 201} or (400 <= answer.status_code < 500 and answer.json()["detail"].endswith("."))
        if not sound or spent > SECONDS:
            wrong[name] = (answer.status_code, spent, answer.content[:200])
    assert wrong == {}
    assert {case.media_state for case in Case.objects.all()} == {"pending"}


def test_bombs_stay_within_bounded_memory() -> None:
    """In a process of its own, which the kernel measures."""
    code = "from tests.builders.hostile_pictures import set_off; set_off()"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]
    memory, longest = done.stdout.split()
    assert int(memory) < MOST_MEMORY
    assert float(longest) < SECONDS


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("PNG with a chunk of four gigabytes", "cut off or damaged"),
        ("PNG with a zeroed middle", "its own sums"),
        ("PNG palette that is missing", "palette is missing"),
        ("JPEG of a million comments", "200,000 parts"),
        ("JPEG of ten thousand scans", "scans"),
        ("GIF of two thousand frames", "frames"),
        ("GIF of a million empty blocks", "blocks"),
        ("TIFF of a million directories", "frames"),
        ("TIFF whose directory leads to itself", "lead back to each other"),
        ("TIFF whose two directories lead to each other", "lead back to each other"),
        ("DICOM of a flood of elements", "more than 100,000 elements"),
        ("DICOM of a flood of items", "more than 100,000 elements"),
        ("DICOM nested ten thousand deep", "nested more than 32 deep"),
        ("DICOM that begins a program", "begin a program"),
        ("DICOM with a palette that is missing", "no palette"),
    ],
)
def test_it_is_refused_for_the_right_reason(name: str, said: str) -> None:
    with pytest.raises(Refusal, match=said):
        pictures.inspect(UPLOADS[name])
