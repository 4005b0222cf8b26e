"""What is said about the engine's findings: a sentence with its numbers for each code, and what to do. One page for reports and releases."""

from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from hardcases.web import formatting

JSON = dict[str, Any]


@dataclass(frozen=True)
class Words:
    """`text` holds the numbers of a finding by name, `of_class` the same where the finding is about one class; `cure` says what to do."""

    text: str
    cure: str
    of_class: str | None = None


FINDINGS = {
    "non_finite": Words(gettext_noop("%(rows)s answers are not finite numbers."), gettext_noop("Correct the model or its export.")),
    "out_of_range": Words(
        gettext_noop("Scores lie outside 0 to 1: from %(lowest)s to %(highest)s."),
        gettext_noop("They may be logits; put the softmax into the model."),
    ),
    "constant_output": Words(
        gettext_noop("The score is the same for every case."),
        gettext_noop("The model does not look at its input."),
        gettext_noop("The score of class %(class)s is the same for every case."),
    ),
    "constant_label": Words(gettext_noop("Every case got the same answer: %(class)s."), gettext_noop("Look at the threshold.")),
    "rounded_scores": Words(
        gettext_noop("Scores are rounded: %(distinct)s different values."),
        gettext_noop("Many cases tie. Send scores as they come out of the model."),
        gettext_noop("Scores of class %(class)s are rounded: %(distinct)s different values."),
    ),
    "tied_scores": Words(
        gettext_noop("Many scores of class %(class)s are equal, so that its AUC may be anything from %(auc_low)s to %(auc_high)s."),
        gettext_noop("Send scores as they come out of the model."),
    ),
    "saturated_scores": Words(gettext_noop("Many scores of class %(class)s are exactly 0 or 1."), gettext_noop("They may be clipped.")),
    "sums_off": Words(
        gettext_noop("The scores of %(rows)s cases do not add up to 1."),
        gettext_noop("A softmax may be missing, or classes were left out."),
    ),
    "cached_answers": Words(
        gettext_noop("%(rows)s of %(of)s different inputs share an answer."),
        gettext_noop("Look for a cache or a batch that is answered once."),
    ),
    "answers_in_a_row": Words(
        gettext_noop("%(rows)s cases in a row got the same answer, beginning with row %(first_row)s."),
        gettext_noop("The model may have been stuck."),
    ),
    "canary_changed": Words(
        gettext_noop("The same input was answered differently in %(answers)s attempts."),
        gettext_noop("Fix the seed, or switch random layers off."),
    ),
    "missing_predictions": Words(
        gettext_noop("%(images)s of %(of)s images have no prediction, the first of them %(first)s."),
        gettext_noop("Their objects count as missed. Predict them, if only with an empty list."),
    ),
    "beyond_the_limit": Words(
        gettext_noop("%(boxes)s boxes lie beyond the first %(limit)s of a class in an image, which are all that count."),
        gettext_noop("Raise the score from which boxes are kept."),
    ),
    "outside_image": Words(
        gettext_noop("%(boxes)s of %(of)s boxes lie outside their image."), gettext_noop("Check units and order of coordinates.")
    ),
    "same_answer": Words(
        gettext_noop("%(images)s of %(of)s images got exactly the same boxes."),
        gettext_noop("Look for a cache or a batch that is answered once."),
    ),
    "never_predicted": Words(
        gettext_noop("Class %(class)s has %(objects)s objects and not one box."),
        gettext_noop("Compare the class names of model and project."),
    ),
    "box_convention": Words(
        gettext_noop("Boxes fit much better if read as %(hypothesis)s: AP50 would be %(without_fault)s in place of %(value)s."),
        gettext_noop("Write boxes as x, y, width, height in pixels."),
    ),
    "class_names": Words(
        gettext_noop("Classes fit much better if renamed (%(hypothesis)s): AP50 would be %(without_fault)s in place of %(value)s."),
        gettext_noop("Compare the order of classes in model and project."),
    ),
}
HYPOTHESES = {
    "off_by_one": gettext_noop("Class numbers seem to begin at the wrong number"),
    "threshold_at_wrong_class": gettext_noop("The score is good, but its label seems to be cut on the wrong side"),
    "inverted_score": gettext_noop("High scores seem to mean low ones"),
    "rows_shifted": gettext_noop("Answers seem to have slipped by %(rows)s rows from row %(from_row)s on"),
    "class_permutation": gettext_noop("Class names seem to be in another order (%(mapping)s)"),
    "columns_permuted": gettext_noop("Score columns seem to be in another order (%(mapping)s)"),
    "scores_offset": gettext_noop("Scores rank well, but favour some classes: an input on another scale, or a lost bias"),
    "rounded_scores": gettext_noop("Scores were rounded to %(distinct)s values"),
    "percent": gettext_noop("Scores seem to be percentages"),
    "log_probabilities": gettext_noop("Scores seem to be logarithms of probabilities"),
    "logits": gettext_noop("Scores seem to be logits, before the softmax"),
    "double_softmax": gettext_noop("The softmax seems to have been applied twice"),
    "double_sigmoid": gettext_noop("The sigmoid seems to have been applied twice"),
}


def finding_sentence(finding: JSON) -> str:
    """What a finding says, with its numbers; its bare code where a report of an older version has others."""
    numbers = finding["numbers"]
    try:
        words = FINDINGS[finding["code"]]
        return _(words.of_class if words.of_class is not None and "class" in numbers else words.text) % _written(numbers)
    except KeyError:
        return str(finding["code"]).replace("_", " ")


def finding_cure(finding: JSON) -> str:
    """What to do about a finding."""
    words = FINDINGS.get(finding["code"])
    return _(words.cure) if words else ""


def diagnosis_sentence(diagnosis: JSON, metric: str) -> str:
    """Which fault would explain the figures, what the metric (as people call it) would be without it, and on how many cases that rests."""
    words = {
        "fault": _(HYPOTHESES[diagnosis["hypothesis"]]) % _written(diagnosis["numbers"]),
        "metric": metric,
        "value": formatting.number(diagnosis["value"]),
        "restored": formatting.number(diagnosis["restored"]),
        "low": formatting.number(diagnosis["low"]),
        "high": formatting.number(diagnosis["high"]),
        "n": formatting.count(diagnosis["n"]),
    }
    if diagnosis["restored"] is None:
        return _("%(fault)s. That cannot be undone: before it, %(metric)s was between %(low)s and %(high)s (%(n)s cases).") % words
    if diagnosis["value"] is None:
        return _("%(fault)s. Read so, %(metric)s is %(restored)s (%(low)s to %(high)s), on %(n)s cases.") % words
    return (
        _("%(fault)s. Without that, %(metric)s would be %(restored)s (%(low)s to %(high)s) in place of %(value)s, on %(n)s cases.") % words
    )


def _written(numbers: JSON) -> dict[str, str]:
    """Counts with separators, other numbers with three decimals, words as they are."""
    return {
        name: formatting.count(value) if isinstance(value, int) else str(value) if isinstance(value, str) else formatting.number(value)
        for name, value in numbers.items()
    }
