"""Strict serializers: what a body may hold is listed, and everything else in it is named in the refusal."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers
from rest_framework.fields import empty

_HEX = frozenset("0123456789abcdef")


class StrictSerializer(serializers.Serializer[Any]):
    """A serializer that refuses fields it does not know, each by name, instead of dropping them."""

    def run_validation(self, data: Any = empty) -> Any:
        """Validate; unknown fields join the other findings."""
        unknown = sorted(set(data) - set(self.fields)) if isinstance(data, Mapping) else []
        found: dict[str, Any] = {name: ["This field is not known here; it may be misspelt."] for name in unknown}
        try:
            value = super().run_validation(data)
        except serializers.ValidationError as error:
            if not isinstance(error.detail, dict):
                raise
            raise serializers.ValidationError(found | error.detail) from error
        if found:
            raise serializers.ValidationError(found)
        return value


class Text(serializers.CharField):
    """A JSON string, taken as it is: numbers are not turned into text and spaces are not cut off."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**({"trim_whitespace": False} | kwargs))

    def to_internal_value(self, data: Any) -> str:
        """Refuse what is not a string."""
        if not isinstance(data, str):
            raise serializers.ValidationError("This must be a string, in quotes.")
        return super().to_internal_value(data)


class Digest(Text):
    """A SHA-256 as 64 lower-case hex digits."""

    def to_internal_value(self, data: Any) -> str:
        """Refuse everything else: a digest in another form would only ever be unknown."""
        digest = super().to_internal_value(data)
        if len(digest) != 64 or not set(digest) <= _HEX:
            raise serializers.ValidationError("This must be a SHA-256: 64 hex digits in lower case.")
        return digest


class Number(serializers.FloatField):
    """A finite JSON number, returned as it was written: 18 stays 18."""

    def to_internal_value(self, data: Any) -> Any:
        """Refuse strings and booleans."""
        if isinstance(data, bool) or not isinstance(data, (int, float)):
            raise serializers.ValidationError("This must be a number, without quotes.")
        return data


class Whole(serializers.IntegerField):
    """A JSON number without a fraction."""

    def to_internal_value(self, data: Any) -> int:
        """Refuse strings, booleans and fractions."""
        if isinstance(data, bool) or not isinstance(data, int):
            raise serializers.ValidationError("This must be a whole number, without quotes.")
        return int(super().to_internal_value(data))


class Flag(serializers.BooleanField):
    """true or false, nothing that looks like it."""

    def to_internal_value(self, data: Any) -> bool:
        """Refuse 0, 1, "yes" and so on."""
        if not isinstance(data, bool):
            raise serializers.ValidationError("This must be true or false.")
        return data
