"""What changed for single objects and images when the baseline is replaced.

An object that the baseline found and the candidate misses is a negative flip; so is a false positive on an image that had none. The
negative flip rate is the share of the objects found by the baseline that are missed now.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from evaluation.engine.arrays import Bools, Ints, optional, tally
from evaluation.engine.compare import Flips
from evaluation.engine.detection.data import Detection
from evaluation.engine.detection.sampling import Sample
from evaluation.engine.detection.tables import Matched, matched
from evaluation.engine.figures import FlipFigures
from evaluation.engine.intervals import clustered_share, exact_upper


@dataclass(frozen=True, eq=False)
class ImageFlips:
    """Per image: objects newly missed and newly found, and whether it has false positives now and had none (or the other way)."""

    lost: Ints
    gained: Ints
    new_false_positive: Bools
    cleared_false_positive: Bools

    @property
    def negative(self) -> Bools:
        return (self.lost > 0) | self.new_false_positive


def flips_by_image(detection: Detection) -> ImageFlips:
    """Of the artefacts, at the operating point. Needs a baseline."""
    new, old = (matched(detection, predicted) for predicted in detection.artefacts)
    return _by_image(new, old)


def _by_image(new: Matched, old: Matched) -> ImageFlips:
    counted, image = new.truth.counted, new.truth.image
    lost, gained = (
        tally(image[counted & one.found & ~other.found], None, new.images).astype(np.int64) for one, other in ((old, new), (new, old))
    )
    ours, theirs = (tally(arm.single.image[arm.wrong], None, arm.images) > 0 for arm in (new, old))
    return ImageFlips(lost, gained, ours & ~theirs, theirs & ~ours)


def flip_entry(name: str, sample: Sample, figures: FlipFigures) -> dict[str, Any]:
    """One stratum's entry. Upper bound of the negative flip rate: Clopper–Pearson, one-sided 95 %, on the effective n of clusters."""
    lost, gained, n = int(figures.lost[-1]), int(figures.gained[-1]), int(figures.n[-1])
    new, old = sample.arms
    found = int((old.found & old.truth.counted).sum())
    missed = n - found
    flips = Flips(both_right=np.array(found - lost), lost=np.array(lost), gained=np.array(gained), both_wrong=np.array(missed - gained))
    images = _by_image(new, old)
    clean = sample.images - int((tally(old.single.image[old.wrong], None, old.images) > 0).sum())
    fresh = int(images.new_false_positive.sum())
    return {
        "stratum": name,
        "newly_wrong": lost,
        "newly_right": gained,
        "both_right": found - lost,
        "both_wrong": missed - gained,
        "n": n,
        "negative_flip_rate": lost / found if found else None,
        "negative_flip_rate_high": _rate_high(sample, lost, found) if found else None,
        "positive_flip_rate": gained / missed if missed else None,
        "trust_compatibility": optional(flips.trust_compatibility),
        "error_compatibility": optional(flips.error_compatibility),
        "p": optional(figures.p[-1]) if n else None,
        "p_exact": optional(figures.p_exact[-1]) if n else None,
        "images": sample.images,
        "images_without_false_positive": clean,
        "new_false_positive_images": fresh,
        "cleared_false_positive_images": int(images.cleared_false_positive.sum()),
        "negative_flips": lost + fresh,
    }


def _rate_high(sample: Sample, lost: int, found: int) -> float | None:
    new, old = sample.arms
    kept = old.found & old.truth.counted
    unit = sample.unit[old.truth.image]
    hits, sizes = (tally(unit[which], None, sample.units) for which in (kept & ~new.found, kept))
    share = clustered_share(hits, sizes, np.zeros(sample.units, dtype=np.int64), 1)
    effective = float(share.n_effective[0]) if share.clusters[0] < found else float(found)
    return optional(exact_upper(lost / found * effective, effective, 0.05))
