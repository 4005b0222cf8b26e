"""How each result and state looks: icon, word and class, in one table for every page.

Failed, too few cases, not run and an error of ours are four different things: no two of them share an icon, a word or a class.
"""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

# Strokes on a 16 × 16 grid, drawn with the colour of the text around them; some have a filled part as well.
ICONS = {
    "check": "M3 8.5l3.4 3.4L13 4.8",
    "cross": "M4 4l8 8M12 4l-8 8",
    "half": "M8 2.4a5.6 5.6 0 1 0 0 11.2a5.6 5.6 0 1 0 0-11.2",
    "ring": "M8 2.4a5.6 5.6 0 1 0 0 11.2a5.6 5.6 0 1 0 0-11.2M5 8h6",
    "turn": "M13 8a5 5 0 1 1-1.6-3.7M13 2.4v3h-3",
    "flag": "M4 14V2h8l-2 3 2 3H4",
    "warn": "M8 2l6.5 11.5h-13zM8 6.5v3.2M8 11v1.2",
    "gear": (
        "M8 5.4a2.6 2.6 0 1 0 0 5.2a2.6 2.6 0 1 0 0-5.2M8 1.6v2.2M8 12.2v2.2M1.6 8h2.2M12.2 8h2.2"
        "M3.5 3.5L5 5M11 11l1.5 1.5M3.5 12.5L5 11M11 5l1.5-1.5"
    ),
    "clock": "M8 2.4a5.6 5.6 0 1 0 0 11.2a5.6 5.6 0 1 0 0-11.2M8 4.8V8l2.4 1.6",
    "tray": "M2.4 9V13h11.2V9M2.4 9h3.2l1 1.8h2.8l1-1.8h3.2M2.4 9L4.4 3h7.2l2 6",
    "lock": "M4 7.4h8V13.4H4zM5.6 7.4V5.4a2.4 2.4 0 0 1 4.8 0v2",
    "pencil": "M3 13l.8-3L10.6 3.2l2.2 2.2L6 12.2z",
    "seal": (
        "M8 1.8l1.6 1.3 2-.1.6 2 1.7 1.1-.7 1.9.7 1.9-1.7 1.1-.6 2-2-.1L8 14.2l-1.6-1.3-2 .1-.6-2-1.7-1.1.7-1.9-.7-1.9 1.7-1.1.6-2 2 .1z"
        "M5.8 8l1.6 1.7 2.8-3.2"
    ),
    "dash": "M3.6 8h8.8",
}
FILLED_PARTS = {"half": "M8 2.4a5.6 5.6 0 0 1 0 11.2z"}


@dataclass(frozen=True)
class Look:
    """The class of a chip or verdict (see components.css), the name of its icon, and its word."""

    css: str
    icon: str
    word: str | Promise


_LOOKS = {
    # Results of checks
    "pass": Look("passed", "check", _("Passed")),
    "fail": Look("failed", "cross", _("Failed")),
    "not_enough_evidence": Look("open", "half", _("Too few cases")),
    "not_run": Look("idle", "ring", _("Not run")),
    "error": Look("error", "gear", _("Error")),
    "waived": Look("waived", "flag", _("Waived")),
    # Work
    "queued": Look("idle", "clock", _("Queued")),
    "running": Look("running", "turn", _("Running")),
    "finalising": Look("running", "turn", _("Finalising")),
    "succeeded": Look("passed", "check", _("Succeeded")),
    "partial": Look("warn", "warn", _("Partial")),
    "failed": Look("error", "gear", _("Run failed")),
    "cancelled": Look("idle", "dash", _("Cancelled")),
    # Cases and groups
    "inbox": Look("open", "tray", _("Inbox")),
    "new": Look("open", "tray", _("New")),
    "growing": Look("warn", "warn", _("Growing")),
    "came_back": Look("warn", "warn", _("Came back")),
    "decided": Look("passed", "check", _("Decided")),
    "merged": Look("idle", "dash", _("Merged")),
    "empty": Look("idle", "dash", _("Empty")),
    "accepted": Look("passed", "check", _("Accepted")),
    "declined": Look("idle", "dash", _("Declined")),
    "snoozed": Look("idle", "clock", _("Snoozed")),
    "quarantined": Look("warn", "warn", _("Quarantined")),
    "leak": Look("warn", "warn", _("Training data")),
    "erased": Look("idle", "dash", _("Erased")),
    # Test sets
    "draft": Look("open", "pencil", _("Draft")),
    "frozen": Look("idle", "lock", _("Frozen")),
    # Releases and what they wait for
    "checking": Look("running", "turn", _("Checking")),
    "needs_review": Look("open", "half", _("Needs review")),
    "ready_to_sign": Look("passed", "check", _("Ready to sign")),
    "not_ready": Look("failed", "cross", _("Not ready to sign")),
    "signed": Look("passed", "seal", _("Signed")),
    "rejected": Look("failed", "cross", _("Rejected")),
    "withdrawn": Look("idle", "dash", _("Withdrawn")),
    "superseded": Look("idle", "dash", _("Superseded")),
    "waiting": Look("open", "clock", _("Waiting")),
    "done": Look("passed", "check", _("Done")),
    "open": Look("failed", "cross", _("Open")),
}


def look(code: str) -> Look:
    """The look of a code. A code this table does not know is shown as it is, in the plainest dress, rather than hidden."""
    return _LOOKS.get(code) or Look("idle", "dash", code)
