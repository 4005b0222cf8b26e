"""What stored answers to reports (`Idempotency-Key`) still say about a case that is erased."""

from typing import Any

from django.urls import reverse

from hardcases.cases.models import Case
from hardcases.web.idempotency import rewrite_replies

FORGOTTEN = "This concerned a case that was erased since."


def forget(case: Case) -> None:
    """Take the values that were set aside, and sentences that quote its external id, out of every stored answer. The answers keep their shape.

    Call it with the project's cases locked: an answer that is being written at this moment is then seen.
    """
    page = reverse("case-page", args=[case.project.slug, case.key])

    def without(answer: Any) -> Any:
        if isinstance(answer, dict):
            for item in answer.get("results", [answer]):
                _forget_item(item, case.key, page)
        return answer

    rewrite_replies(containing=f'"key": "{case.key}"', rewrite=without)


def _forget_item(item: dict[str, Any], key: str, page: str) -> None:
    if item.get("key") == key and str(item.get("url", "")).endswith(page):
        item["quarantine"] = []
    problem = item.get("problem")
    if isinstance(problem, dict) and problem.get("key") == key:
        problem["detail"] = FORGOTTEN
