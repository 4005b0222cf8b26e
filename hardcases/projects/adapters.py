"""What allauth may do here: sign people in and out. Nobody registers themselves; accounts are made by invitation."""

from allauth.account.adapter import DefaultAccountAdapter
from django.http import HttpRequest


class ClosedAccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """Self-registration is off."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Never."""
        return False
