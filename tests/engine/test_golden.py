"""Published and third-party values: every entry for what the engine implements is a test; an entry that nobody runs fails."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evaluation.engine.auc import auc_by_stratum
from evaluation.engine.calibration import reliability
from evaluation.engine.compare import mcnemar, newcombe, tango
from evaluation.engine.detection.froc import froc_points
from evaluation.engine.intervals import clopper_pearson, wilson
from evaluation.engine.probabilities import equal_width
from evaluation.engine.ranking import rank
from evaluation.engine.resample import bca, percentiles
from evaluation.engine.strata import Stratum, blocks

GOLDEN = json.loads((Path(__file__).parent.parent / "golden" / "golden.json").read_text())


def _mcnemar(entry: dict[str, Any]) -> tuple[float, float]:
    (_, b), (c, _) = entry["table"]
    mid, exact = mcnemar(b, c)
    return float(mid), float(exact)


def _newcombe(entry: dict[str, Any]) -> Any:
    (a, b), (c, d) = entry["table"]
    return newcombe(a, c, b, d)  # the published difference is (b - c)/n: b counts what ours calls gained


def _froc(entry: dict[str, Any]) -> list[float]:
    hits = [score for score in entry["lesion_scores"] if score > 0]  # 0 stands for a lesion that was not found
    return [float(froc_points(entry["false_positive_scores"], hits, entry["lesions"], entry["images"], entry["fp_per_image"]).mean())]


def _ece(entry: dict[str, Any]) -> list[float]:
    chance, happened = np.array(entry["score"]), np.array(entry["positive"], dtype=bool)
    bins = reliability(chance, happened, equal_width(chance, entry["bins"]), entry["bins"])
    return [float(bins.error(entry["norm"]))]


def _bootstrap(entry: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Draws of the mean, the mean, and the means with one value left out."""
    values = np.array(entry["values"])
    draws = values[np.random.default_rng(0).integers(0, values.size, (100_000, values.size))].mean(axis=1)
    return draws[None], values.mean(keepdims=True), ((values.sum() - values) / (values.size - 1))[None]


def _bca(entry: dict[str, Any]) -> list[float]:
    draws, mean, left_out = _bootstrap(entry)
    return [float(end[0]) for end in bca(draws, mean, left_out, np.ones(left_out.size, int))]


RUN: dict[str, Callable[[dict[str, Any]], Any]] = {
    "wilson_95": lambda x: wilson(x["k"], x["n"]),
    "clopper_pearson_95": lambda x: clopper_pearson(x["k"], x["n"]),
    "mcnemar_exact_p": lambda x: [_mcnemar(x)[1]],
    "mcnemar_mid_p": lambda x: [_mcnemar(x)[0]],
    "tango_difference_95": lambda x: tango(x["c"], x["b"], x["n"]),
    "newcombe_paired_difference_95": _newcombe,
    "froc_score": _froc,
    "expected_calibration_error": _ece,
    "bootstrap_mean_bca_95": _bca,
    "bootstrap_mean_percentile_95": lambda x: percentiles(_bootstrap(x)[0][0]),
}


@pytest.mark.parametrize("entry", [e for e in GOLDEN if e["name"] in RUN], ids=lambda e: f"{e['name']}-{e['input']}"[:80])
def test_equals_the_published_value(entry: dict[str, Any]) -> None:
    np.testing.assert_allclose(np.array(RUN[entry["name"]](entry["input"])), entry["expected"], rtol=0, atol=entry["tolerance"])


def test_rounding_to_integers_destroys_the_auc() -> None:
    rng = np.random.default_rng(5)
    positive = rng.random(20_000) < 0.05
    scores = 1 / (1 + np.exp(-(rng.normal(0, 1, positive.size) + 2.5 * positive - 4)))
    whole = blocks([Stratum("all", np.ones(positive.size, dtype=bool))], positive.size)[0]
    sharp, rounded = auc_by_stratum(rank(scores), positive, whole), auc_by_stratum(rank(np.round(scores)), positive, whole)
    assert sharp.value[0] > 0.93
    assert 0.5 < rounded.value[0] < 0.62
    assert 0.8 < rounded.tied_pairs[0] < 0.99
    assert rounded.value[0] - rounded.tied_pairs[0] / 2 <= sharp.value[0] <= rounded.value[0] + rounded.tied_pairs[0] / 2
