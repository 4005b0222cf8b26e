"""Cases of one cell of a comparison as cards of a gallery: the picture, what it is, and what both models said."""

from dataclasses import dataclass

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from evaluation.runs.material import FAILURES
from evaluation.runs.models import Run
from evaluation.runs.queries import Flip, Said, flips
from hardcases.cases.models import Case
from hardcases.web import formatting

WHY = {"refused": gettext_noop("refused"), "no_prediction": gettext_noop("no prediction")}
TINY = 64  # pictures up to this side are enlarged without smoothing


@dataclass(frozen=True, kw_only=True)
class Card:
    """What components/thumb.html shows. `said` is (model version, its answer in words, whether it is right), the baseline's first."""

    url: str
    key: str
    image_url: str | None
    text: str
    alt: str
    pixelated: bool
    note: str
    said: tuple[tuple[str, str, bool], ...]


def cards(run: Run, *, outcome: str = "newly_wrong", stratum: str = "all", offset: int = 0, limit: int = 60) -> list[Card]:
    """Cards of a page of the cell, the largest swing first. One query for the cases of all of them."""
    return cards_of(run, flips(run, outcome, stratum, offset=offset, limit=limit).rows)


def cards_of(run: Run, rows: list[Flip]) -> list[Card]:
    """The rows as cards."""
    cases = Case.objects.in_bulk([row.case_id for row in rows])
    return [_card(run, row, cases[row.case_id]) for row in rows if row.case_id in cases]


def _card(run: Run, row: Flip, case: Case) -> Card:
    slug = run.project.slug
    media = f"{reverse('api-case-media', args=[slug, row.key])}?as=thumbnail"
    answers = [(run.model_version.version, row.candidate)]
    if row.baseline is not None and run.baseline_version is not None:
        answers.insert(0, (run.baseline_version.version, row.baseline))
    said = tuple((name, said_in_words(answer), answer.right) for name, answer in answers)
    label = _("label %(label)s") % {"label": row.label}
    return Card(
        url=reverse("case-page", args=[slug, row.key]),
        key=row.key,
        image_url=media if case.media_state == "ready" else None,
        text=(case.text or "")[:400],
        alt=f"{row.key}: " + ", ".join([label, *(f"{name} {words}" for name, words, _right in said)]),
        pixelated=max(case.width or 0, case.height or 0) <= TINY,
        note=label,
        said=said,
    )


def said_in_words(said: Said) -> str:
    """ "8 (0.93)", or why there is no answer."""
    if said.label is None:
        return _(WHY.get(said.why) or FAILURES.get(said.why) or "no answer")
    return said.label if said.score is None else f"{said.label} ({formatting.number(said.score, 2)})"
