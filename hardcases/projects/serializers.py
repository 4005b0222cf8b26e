"""The shapes of this room's part of the API."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers

from hardcases.projects import documents
from hardcases.projects.models import ATTRIBUTE_TYPES, LEAKS, TASKS
from hardcases.web.serializers import Flag, Number, StrictSerializer, Text


class AttributeSerializer(StrictSerializer):
    """One declared attribute."""

    name = Text(max_length=128)
    type = serializers.ChoiceField(choices=ATTRIBUTE_TYPES)
    values = serializers.ListField(child=Text(max_length=256), required=False, allow_null=True)
    bins = serializers.ListField(child=Number(), required=False, allow_null=True)


class DicomSerializer(StrictSerializer):
    """What becomes of DICOM headers: `attributes` names the attribute that each tag fills."""

    attributes = serializers.DictField(child=Text(max_length=128), required=False)
    identifiers = serializers.ChoiceField(choices=documents.IDENTIFIERS, required=False)
    pseudonyms = serializers.ListField(child=Text(max_length=64), required=False, max_length=50)


class ProjectSerializer(StrictSerializer):
    """The project document. `document()` applies the rules that need more than one field."""

    slug = Text(max_length=64)
    name = Text(max_length=150)
    team = Text(max_length=64, required=False, allow_null=True)
    task = serializers.ChoiceField(choices=TASKS)
    key_prefix = Text(max_length=8)
    classes = serializers.ListField(child=Text(max_length=128), required=False)
    positive_class = Text(max_length=128, required=False, allow_null=True)
    attributes = AttributeSerializer(many=True, required=False)
    cluster_attribute = Text(max_length=128, required=False, allow_null=True)
    strip_metadata = Flag(required=False)
    leaks = serializers.ChoiceField(choices=LEAKS, required=False)
    dicom = DicomSerializer(required=False)

    def document(self) -> documents.ProjectDocument:
        """The whole document. Raises ValidationError for its shape and Invalid for its rules."""
        self.is_valid(raise_exception=True)
        return documents.read(self.validated_data)

    @classmethod
    def document_over(cls, before: documents.ProjectDocument, changes: Any) -> documents.ProjectDocument:
        """The document that results from putting these fields over `before` (PATCH). What is inside a field is whole or refused, so it is read whole."""
        return cls(data=before.as_json() | dict(changes) if isinstance(changes, Mapping) else changes).document()


class JobSerializer(serializers.Serializer[Any]):
    """Long work: `done` of `total`, and what came of it."""

    id = serializers.CharField()
    kind = serializers.CharField()
    state = serializers.ChoiceField(choices=("queued", "running", "done", "failed", "cancelled"))
    done = serializers.IntegerField()
    total = serializers.IntegerField(allow_null=True)
    result = serializers.JSONField(allow_null=True)
    errors = serializers.SerializerMethodField()  # type: ignore[assignment]  # the contract's name; REST framework takes fields out of the class
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)

    def get_errors(self, job: Any) -> list[Any]:
        """Findings of the job, and the sentence why it failed, if it did."""
        return [*job.errors, *([{"pointer": "", "detail": job.failure}] if job.failure else [])]


class MemberSerializer(serializers.Serializer[Any]):
    """Somebody in the project."""

    username = serializers.CharField(source="user.username")
    name = serializers.CharField(source="user.printed_name")
    roles = serializers.ListField(child=serializers.CharField())
    through_team = serializers.CharField(allow_blank=True)


class MemberListSerializer(serializers.Serializer[Any]):
    """Everybody in the project, on one page."""

    results = MemberSerializer(many=True)
    next = serializers.CharField(allow_null=True)


class ProjectListSerializer(serializers.Serializer[Any]):
    """A page of projects."""

    results = ProjectSerializer(many=True)
    next = serializers.CharField(allow_null=True)


class WhoAmISerializer(serializers.Serializer[Any]):
    """Who the server takes the caller for. `project`, `scopes` and `expires_at` are null for a person in the browser."""

    kind = serializers.ChoiceField(choices=("person", "token"))
    user = serializers.CharField()
    project = serializers.CharField(allow_null=True)
    scopes = serializers.ListField(child=serializers.CharField(), allow_null=True)
    expires_at = serializers.DateTimeField(allow_null=True)
