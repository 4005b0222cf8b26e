"""Shapes of what is said about a large file, and how its upload is shown."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from hardcases.cases.serializers import REPORT, ReportBody
from hardcases.errors import Invalid
from hardcases.uploads.actions import IMPORT_LIMIT, Announced
from hardcases.uploads.models import PURPOSES, Upload
from hardcases.uploads.places import get_place
from hardcases.web.serializers import Digest, StrictSerializer, Whole
from hardcases.web.serializers import Text as Words


class UploadBody(StrictSerializer):
    """A file that will come in parts, with the fields of its case."""

    sha256 = Digest()
    size = Whole(min_value=1, max_value=4 * IMPORT_LIMIT)
    name = Words(required=False, allow_blank=True, max_length=255)
    purpose = serializers.ChoiceField(choices=PURPOSES, required=False)
    case = ReportBody(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """A file to import is no case yet."""
        if attrs.get("purpose") == "import" and attrs.get("case"):
            raise serializers.ValidationError({"case": ["A file that is imported has no case of its own; leave this out."]})
        return attrs


class NoBody(StrictSerializer):
    """Nothing, or an empty object."""


def announced(sent: Any) -> Announced:
    """A checked body as the action takes it. Raises ValidationError."""
    if not isinstance(sent, Mapping):
        raise Invalid("The body is not a JSON object. Nothing was stored. Send an object with sha256, size and name.")
    body = UploadBody().run_validation(sent)
    case: Mapping[str, Any] = sent.get("case") or {}
    return Announced(
        sha256=body["sha256"], size=body["size"], name=body.get("name", ""), purpose=body.get("purpose", "case"), said=dict(case)
    )


def fields_said(upload: Upload) -> Mapping[str, Any]:
    """The fields of the case, read once more."""
    body: Mapping[str, Any] = REPORT.run_validation(upload.said)
    return body


def show(upload: Upload) -> dict[str, Any]:
    """An upload: how to cut the file, where the parts go, and which are there."""
    place = get_place()
    addresses = place.addresses(upload) if upload.state == "open" else {}
    received = place.kept(upload)
    return {
        "id": str(upload.pk),
        "purpose": upload.purpose,
        "state": upload.state,
        "sha256": upload.sha256,
        "size": upload.size,
        "part_size": upload.part_size,
        "parts": [
            {"number": number, "size": upload.part_length(number)} | ({"url": addresses[number]} if number in addresses else {})
            for number in range(1, upload.parts + 1)
        ],
        "received": received,
    }
