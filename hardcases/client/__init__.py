"""The Python client: `from hardcases.client import Client`. Talks HTTP only; needs httpx, and nothing of the server."""

from hardcases.client.batches import CaseItem
from hardcases.client.client import Client
from hardcases.client.reporter import Reporter
from hardcases.client.transport import NoAnswerError, ProblemError

__all__ = ["CaseItem", "Client", "NoAnswerError", "ProblemError", "Reporter"]
