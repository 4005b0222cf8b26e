"""Refusals: what the product answers when it will not do what it was asked.

A refusal is part of the product, not an accident. It carries an HTTP status, a stable code (the end of the problem type ``urn:hardcases:<code>``) and a
sentence that says what happened, what happened to the data and what to do. Rooms define their own refusals beside the actions that raise them; the edge
(`hardcases.web`) turns any of them into problem+json or a page.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Detail:
    """One finding inside a refusal: a JSON pointer to the value (RFC 6901) and a sentence about it."""

    pointer: str
    detail: str


class Refusal(Exception):  # noqa: N818 - a refusal is an answer, not an error of ours
    """Base of every deliberate 4xx (and 503/507) answer. Subclasses set `status`, `code` and `title`."""

    status = 422
    code = "invalid"
    title = "The request cannot be carried out"

    def __init__(self, sentence: str, *, errors: Sequence[Detail] = (), extra: dict[str, object] | None = None, retry_after: int | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.errors = tuple(errors)
        self.extra = extra or {}
        self.retry_after = retry_after


class BadRequest(Refusal):
    status, code, title = 400, "bad_request", "The request could not be read"


class Forbidden(Refusal):
    status, code, title = 403, "forbidden", "You may not do this"


class NotFound(Refusal):
    status, code, title = 404, "not_found", "There is nothing here for you"


class Conflict(Refusal):
    status, code, title = 409, "conflict", "This conflicts with what is stored"


class TooLarge(Refusal):
    status, code, title = 413, "too_large", "The request is larger than the limit"


class UnsupportedMedia(Refusal):
    status, code, title = 415, "unsupported_media", "This kind of file is not accepted"


class Invalid(Refusal):
    status, code, title = 422, "invalid", "The content breaks a rule"


class Unavailable(Refusal):
    status, code, title = 503, "unavailable", "The service is briefly unavailable"


class StorageFull(Refusal):
    status, code, title = 507, "storage_full", "There is no room left to store this"
