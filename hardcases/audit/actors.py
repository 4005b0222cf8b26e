"""Who acts. Every action takes an Actor, so that a page, the API, a worker and a command leave the same kind of trace."""

from dataclasses import dataclass, replace
from typing import Any, Literal, Self


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Somebody, or the system itself, with what the audit log needs to know about them.

    `user_id` is the person (for a token: the person who made it, whose rights bound it). `scopes` and `project_id` are set for tokens only: a token acts in
    one project with the scopes it was given and nothing else. `full_name` is the person's, where known: rows that people read carry `printed_name`, the log
    keeps `name`.
    """

    kind: Literal["person", "token", "system"]
    name: str
    full_name: str = ""
    user_id: int | None = None
    token_id: str | None = None
    scopes: frozenset[str] | None = None
    project_id: int | None = None
    request_id: str = ""
    address: str | None = None

    @property
    def printed_name(self) -> str:
        """The name as people read it."""
        return self.full_name or self.name

    @property
    def owner(self) -> str:
        """The key under which replies are remembered for this actor."""
        return f"token:{self.token_id}" if self.kind == "token" else f"user:{self.user_id}"

    def during(self, *, request_id: str, address: str | None) -> Self:
        """The same actor within a request."""
        return replace(self, request_id=request_id, address=address)

    def remembered(self) -> dict[str, Any]:
        """As JSON, for a job that goes on under the name of whoever asked for it."""
        return {**vars(self), "scopes": None if self.scopes is None else sorted(self.scopes)}

    @classmethod
    def recalled(cls, said: dict[str, Any]) -> Self:
        """From what `remembered` gave."""
        return cls(**{**said, "scopes": None if said["scopes"] is None else frozenset(said["scopes"])})


SYSTEM = Actor(kind="system", name="system")
