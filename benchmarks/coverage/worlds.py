"""Simulated sets with known truth, and the table that says how often intervals hold it.

Every simulated set is one stratum of one big comparison, so that a single report gives all intervals. Scores are normal with a known separation; cases of a
cluster share a part of theirs (`icc`).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import integrate, special, stats

from evaluation.engine.data import Comparison, Task, arm
from evaluation.engine.entries import Entry
from evaluation.engine.probabilities import equal_width
from evaluation.engine.report import comparison_of, report
from evaluation.engine.strata import Grouping

TASK = Task(("negative", "positive"), 1)
SEED = b"coverage"
Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class World:
    """What cases are drawn from: `n` in a set, the share of positives, the separation of their scores (d'), clusters of `size` cases."""

    n: int
    prevalence: float = 0.3
    separation: float = 2.0
    size: int = 1
    icc: float = 0.0
    sharpness: float = 1.3  # logits are so many times too steep: something for the calibration error to see

    @property
    def name(self) -> str:
        grouped = f", clusters of {self.size}, icc {self.icc:g}" if self.size > 1 else ""
        return f"n {self.n}, {self.prevalence:.0%} positive, AUC {self.auc:.3f}{grouped}"

    @property
    def auc(self) -> float:
        return float(stats.norm.cdf(self.separation / 2**0.5))

    def probability(self, latent: Floats) -> Floats:
        """The model's answer: its posterior, made too steep. One half of it is the operating threshold."""
        return special.expit(self.sharpness * (special.logit(self.prevalence) + self.separation * latent - self.separation**2 / 2))

    @property
    def cut(self) -> float:
        """The latent value at the threshold."""
        return self.separation / 2 - float(special.logit(self.prevalence)) / self.separation

    def truth(self) -> dict[str, float]:
        """What each metric is in the population."""
        share, cut, d = self.prevalence, self.cut, self.separation
        sens, spec = float(stats.norm.sf(cut - d)), float(stats.norm.cdf(cut))
        tp, fp, fn, tn = share * sens, (1 - share) * (1 - spec), share * (1 - sens), (1 - share) * spec
        cross = (tp + fp) * (tp + fn) * (tn + fp) * (tn + fn)
        return {
            "accuracy": tp + tn,
            "balanced_accuracy": (sens + spec) / 2,
            "sensitivity": sens,
            "specificity": spec,
            "ppv": tp / (tp + fp),
            "npv": tn / (tn + fn),
            "f1": 2 * tp / (2 * tp + fp + fn),
            "mcc": (tp * tn - fp * fn) / cross**0.5,
            "roc_auc": self.auc,
            "average_precision": self._mean(lambda x: share * stats.norm.sf(x - d) / self._called(x), positive=1),
            "ece": self._calibration_error(),
            "ece_debiased": self._calibration_error(),
            "brier": self._over_truth(lambda p, y: (p - y) ** 2),
            "log_loss": self._over_truth(lambda p, y: -np.log(np.clip(np.where(y, p, 1 - p), 1e-15, 1))),
        }

    def _calibration_error(self) -> float:
        """Mean over the bins of probability, weighted by their cases, of |mean probability - share of positives|: sums over a fine grid of latent values."""
        x = np.linspace(-9.0, 9.0 + self.separation, 400_001)
        ours, others = self.prevalence * stats.norm.pdf(x - self.separation), (1 - self.prevalence) * stats.norm.pdf(x)
        chance = self.probability(x)
        return float(np.abs(np.bincount(equal_width(chance), chance * (ours + others) - ours)).sum() * (x[1] - x[0]))

    def _called(self, x: float) -> float:
        return float(self.prevalence * stats.norm.sf(x - self.separation) + (1 - self.prevalence) * stats.norm.sf(x))

    def _mean(self, value: Callable[[float], float], *, positive: int) -> float:
        centre = self.separation * positive
        return float(integrate.quad(lambda x: value(x) * stats.norm.pdf(x - centre), centre - 9, centre + 9, limit=200)[0])

    def _over_truth(self, loss: Callable[[Floats, int], Floats]) -> float:
        parts = [(self.prevalence, 1), (1 - self.prevalence, 0)]
        return sum(share * self._mean(lambda x, y=y: float(loss(self.probability(np.array(x)), y)), positive=y) for share, y in parts)  # type: ignore[misc]


def drawn(
    world: World, sets: int, rng: np.random.Generator, *, second: float | None = None, shared: float = 0.6
) -> tuple[Comparison, Grouping]:
    """`sets` sets as strata of one comparison; with `second` a baseline of that separation whose latent scores correlate by `shared`."""
    rows = sets * world.n
    group = np.arange(rows) // world.size
    truth = (rng.random(rows) < world.prevalence).astype(np.int64)
    common = world.icc**0.5 * rng.normal(size=group[-1] + 1)[group] + (1 - world.icc) ** 0.5 * rng.normal(size=rows)
    arms = []
    for separation in [world.separation] if second is None else [world.separation, second]:
        own = World(n=world.n, prevalence=world.prevalence, separation=separation, sharpness=world.sharpness)
        noise = common if second is None else shared**0.5 * common + (1 - shared) ** 0.5 * rng.normal(size=rows)
        scores = own.probability(noise + separation * truth)
        arms.append(arm(TASK, rows, (scores >= 0.5).astype(np.int64), scores))
    found = comparison_of(TASK, truth, arms[:1], arms[1:], group if world.size > 1 else None)
    return found, Grouping([f"set={i}" for i in range(sets)], np.repeat(np.arange(sets), world.n))


def entries(found: Comparison, sets: Grouping) -> dict[str, list[Entry]]:
    """The report's entries by metric, without those of "all"."""
    out: dict[str, list[Entry]] = {}
    for entry in report(found, [sets], seed=SEED)["metrics"]:
        if entry["stratum"] != "all":
            out.setdefault(entry["metric"], []).append(entry)
    return out


def row(bounds: list[tuple[float | None, float | None]], truth: float) -> str:
    """`coverage (below / above)` in percent of the sets where there is an interval, and how often there is none."""
    known = np.array([pair for pair in bounds if None not in pair], dtype=np.float64)
    if not known.size:
        return "none"
    below, above = float((known[:, 1] < truth).mean()), float((known[:, 0] > truth).mean())
    missing = 1 - len(known) / len(bounds)
    return f"{100 * (1 - below - above):.1f} ({100 * below:.1f} / {100 * above:.1f})" + (
        f", none in {100 * missing:.0f} %" if missing > 0.005 else ""
    )


WORLDS = [
    World(n=20, prevalence=0.5, separation=2.5),
    World(n=50),
    World(n=200),
    World(n=200, prevalence=0.05),
    World(n=200, separation=4.0),
    World(n=240, size=12, icc=0.4),
    World(n=600, size=10, icc=0.4),
]


def table(title: str, head: list[str], lines: dict[str, list[str]]) -> None:
    print(f"\n### {title}\n\n| | {' | '.join(head)} |\n|---|{'---|' * len(head)}")
    for name, cells in lines.items():
        print(f"| {name} | {' | '.join(cells)} |")
