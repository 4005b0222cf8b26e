"""The words beside an interval that may be too narrow."""

from typing import Any

import pytest

from evaluation.runs.cautions import caution_of


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"caution": "few_positives", "n": 200, "n_positive": 8}, "interval may be too narrow: 8 positive cases"),
        ({"caution": "few_positives", "n": 200, "n_positive": 199}, "interval may be too narrow: 1 negative case"),
        ({"caution": "few_positives", "n": 200, "n_positive": None}, "interval may be too narrow: few cases of a class"),
        ({"caution": "few_clusters", "n": 200, "clusters": 12}, "interval may be too narrow: 12 clusters"),
        ({"caution": "few_cases", "n": 30}, "interval may be too narrow: 30 cases"),
        ({"caution": "few_errors", "n": 200}, "interval may be too narrow: few wrong answers"),
        ({"caution": "approximate"}, "interval is approximate"),
        ({"caution": "too_high"}, "reads too high in small sets"),
        ({"caution": None}, ""),
        ({}, ""),
    ],
)
def test_words(entry: dict[str, Any], said: str) -> None:
    assert caution_of(entry) == said
