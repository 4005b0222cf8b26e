"""How models and their versions look in JSON. Reading a version's document is `documents.read_version`, which page, API and commands share."""

from typing import Any

from django.conf import settings
from rest_framework import serializers

from evaluation.registry.models import Model, ModelVersion, Replicate


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses fields it does not declare."""

    def to_internal_value(self, data: Any) -> Any:
        """The declared fields, after naming every other one."""
        if isinstance(data, dict) and (unknown := sorted(set(data) - set(self.fields))):
            raise serializers.ValidationError(dict.fromkeys(unknown, "This field is not known here."))
        return super().to_internal_value(data)


class ModelBody(StrictSerializer):
    slug = serializers.SlugField(max_length=64)
    name = serializers.CharField(max_length=150, required=False)


class ModelAnswer(serializers.Serializer[Any]):
    slug = serializers.CharField()
    name = serializers.CharField()
    url = serializers.CharField()
    production = serializers.CharField(allow_null=True)
    newest = serializers.CharField(allow_null=True)


class ReplicateAnswer(serializers.Serializer[Any]):
    replicate = serializers.IntegerField()
    seed = serializers.IntegerField(allow_null=True)
    adapter = serializers.JSONField()
    artefact_sha256 = serializers.CharField(allow_null=True)
    operating_threshold = serializers.FloatField(allow_null=True)
    intended_choices = serializers.JSONField()
    unintended_choices = serializers.JSONField()
    provenance = serializers.JSONField()
    training_digests_sha256 = serializers.CharField(allow_null=True)
    digest = serializers.CharField()
    registered_by = serializers.CharField()
    created_at = serializers.DateTimeField()


class VersionAnswer(serializers.Serializer[Any]):
    model = serializers.CharField()
    version = serializers.CharField()
    name = serializers.CharField()
    url = serializers.CharField()
    in_production = serializers.BooleanField()
    created_at = serializers.DateTimeField()
    replicates = ReplicateAnswer(many=True)


class VersionBody(serializers.Serializer[Any]):
    """The document of a model version, for the schema."""

    version = serializers.CharField()
    replicate = serializers.IntegerField(required=False, default=0)
    seed = serializers.IntegerField(required=False, allow_null=True)
    adapter = serializers.JSONField(required=False)
    operating_threshold = serializers.FloatField(required=False, allow_null=True)
    intended_choices = serializers.JSONField(required=False)
    unintended_choices = serializers.JSONField(required=False)
    provenance = serializers.JSONField(required=False)
    training_digests = serializers.ListField(child=serializers.CharField(), required=False)


def page_of(model: Model, version: str = "") -> str:
    """Address of a model's or a version's page."""
    tail = f"{version}/" if version else ""
    return f"{settings.PUBLIC_URL}/p/{model.project.slug}/models/{model.slug}/{tail}"


def show_model(model: Model, *, production: str | None, newest: str | None) -> dict[str, Any]:
    """One model with the names of what serves and of its newest version."""
    return {"slug": model.slug, "name": model.name, "url": page_of(model), "production": production, "newest": newest}


def show_replicate(row: Replicate) -> dict[str, Any]:
    """Everything registered about one replicate."""
    names = ("seed", "adapter", "artefact_sha256", "operating_threshold", "intended_choices", "unintended_choices", "provenance")
    return {
        "replicate": row.number,
        **{name: getattr(row, name) for name in names},
        "training_digests_sha256": row.training_digests_sha256,
        "digest": f"sha256:{row.digest}",
        "registered_by": row.registered_by_name,
        "created_at": row.created_at,
    }


def show_version(version: ModelVersion, *, in_production: bool) -> dict[str, Any]:
    """A version with its replicates."""
    return {
        "model": version.model.slug,
        "version": version.version,
        "name": str(version),
        "url": page_of(version.model, version.version),
        "in_production": in_production,
        "created_at": version.created_at,
        "replicates": [show_replicate(row) for row in version.replicates.all()],
    }
