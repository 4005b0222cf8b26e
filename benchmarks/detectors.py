"""How often the detectors cry wolf, and what they find: the figures of docs/statistics/sanity.md and drift.md. Seeded; about two minutes.

OMP_NUM_THREADS=1 python -m benchmarks.detectors [repetitions]
"""

import sys
from collections import Counter
from pathlib import Path

import numpy as np
import onnxruntime
from scipy import special
from sklearn.datasets import load_digits, load_sample_images

from evaluation.engine.arrays import Floats, Ints
from evaluation.engine.auc import auc_interval
from evaluation.engine.autopsy.inputs import fault_behind, input_autopsy
from evaluation.engine.autopsy.outputs import output_autopsy
from evaluation.engine.control import design, quiet_time, replay
from evaluation.engine.data import Task, arm
from evaluation.engine.drift.distances import independence, jensen_shannon, psi
from evaluation.engine.drift.twosample import FOLDS, classifier_test, deal_folds, directions, mmd
from evaluation.engine.ood import fit, statistics_of
from evaluation.engine.plain_auc import plain_auc

DATA = Path(__file__).parents[1] / "evaluation" / "demo" / "data"
TEN = Task(tuple("0123456789"))


def honest(rng: np.random.Generator) -> set[str]:
    """The autopsy of a model without fault: any skill, any shares of classes, biased or not, alone or in clusters."""
    classes, n = int(rng.integers(2, 11)), int(rng.integers(60, 400))
    clusters = rng.integers(0, n // 4, n) if rng.random() < 0.3 else np.arange(n)
    truth = rng.choice(classes, n, p=rng.dirichlet(np.full(classes, rng.choice([0.5, 5.0]))))
    raw = (
        rng.normal(0, 1, (n, classes))
        + rng.choice([0, 0.5, 2]) * np.eye(classes)[truth]
        + rng.choice([0, 1, 3]) * rng.normal(0, 1, classes)
    )
    given = special.softmax(raw + 1.5 * rng.normal(0, 1, (n, classes))[clusters], axis=1)
    task, scores = (Task(("no", "yes"), 1), given[:, 1]) if classes == 2 else (Task(tuple(str(k) for k in range(classes))), given)
    return {each.hypothesis for each in output_autopsy(task, truth, arm(task, n, given.argmax(axis=1), scores), clusters=clusters)}


def faulty(rng: np.random.Generator, n: int, skill: float) -> dict[str, tuple[Ints, Ints, Floats | None]]:
    """Truth, labels and scores of one model of ten classes under each fault."""
    truth = rng.integers(0, 10, n)
    raw = rng.normal(0, 1, (n, 10)) + skill * np.eye(10)[truth]
    given = special.softmax(raw, axis=1)
    labels, swap = given.argmax(axis=1), rng.permutation(10)
    shrunk = special.softmax(raw / 50 + np.eye(10)[3], axis=1)
    return {
        "class_permutation": (truth, swap[labels], None),
        "off_by_one": (truth, (labels + 1) % 10, None),
        "rows_shifted": (truth, np.roll(labels, 1), None),
        "scores_offset": (truth, shrunk.argmax(axis=1), shrunk),
        "logits": (truth, labels, raw),
        "double_softmax": (truth, labels, special.softmax(given, axis=1)),
    }


def autopsies(repetitions: int) -> None:
    rng = np.random.default_rng(0)
    accused = Counter(name for _ in range(repetitions) for name in honest(rng) or {"nobody"})
    print(f"autopsy of {repetitions} honest models: {dict(accused.most_common())}")
    for n, skill in ((60, 2.0), (200, 1.0), (200, 2.0)):
        found, right = Counter[str](), 0.0
        for _ in range(100):
            for name, (truth, labels, scores) in faulty(rng, n, skill).items():
                diagnoses = output_autopsy(TEN, truth, arm(TEN, n, labels, scores))
                found[name] += bool(diagnoses) and diagnoses[0].hypothesis == name
                right += float((labels == truth).mean()) / 100 if name == "logits" else 0
        print(f"  found first in 100 faulty models of ten classes, n = {n}, accuracy {right:.2f}: {dict(found)}")


def story() -> None:
    data = np.load(DATA / "postcode_hard.npz")
    home = data["stratum"] == "i.i.d. hold-out"
    pictures, digits = data["image"][home], data["digit"][home]
    session = onnxruntime.InferenceSession(DATA / "demo_v3_s0.onnx", providers=["CPUExecutionProvider"])

    def model(x: Floats) -> Floats:
        return session.run(None, {"input": np.asarray(x).reshape(len(x), 64).astype(np.float32)})[0].astype(np.float64)

    for name, fault in (("transposed", lambda x: x.swapaxes(1, 2)), ("scaled twice", lambda x: x / 255)):
        best = input_autopsy(lambda x, fault=fault: model(fault(x)), pictures, digits, classes=10)[0]
        stored = fault_behind(model, pictures, model(fault(pictures)))
        print(
            f"v3 served {name}: accuracy {best.value:.2f}, macro AUC {best.numbers['macro_auc']:.2f}, named {best.hypothesis}, restored "
            f"{best.restored:.2f} [{best.low:.2f}, {best.high:.2f}] n = {best.n}; from stored answers {[each.hypothesis for each in stored]}"
        )


def refusals() -> None:
    images = (load_digits().images / 16 * 255).round().astype(np.uint8)
    writer = np.arange(len(images)) * 13 // len(images)
    known, rng = np.flatnonzero(writer < 7), np.random.default_rng(0)
    held = np.sort(rng.permutation(known)[: known.size // 5])
    home, crops = np.setdiff1d(known, held), []
    for photo in load_sample_images().images:
        for _ in range(200):
            side = 8 * int(rng.integers(5, 40))
            top, left = rng.integers(0, photo.shape[0] - side), rng.integers(0, photo.shape[1] - side)
            crops.append(photo[top : top + side, left : left + side].mean(axis=2).reshape(8, side // 8, 8, side // 8).mean(axis=(1, 3)))
    for refuse in (0.01, 0.02, 0.05):
        detector = fit(statistics_of(images[home]), images[home], refuse=refuse)
        seen = [
            float(detector.refuses(statistics_of(x), x).mean())
            for x in (images[held], images[writer >= 7], np.round(crops), rng.integers(0, 256, (400, 8, 8)))
        ]
        print(
            f"refusals promised {refuse:.0%}: held-out {seen[0]:.1%}, new writers {seen[1]:.1%}, photo crops {seen[2]:.0%}, noise {seen[3]:.0%}"
        )


def coverage(repetitions: int) -> None:
    rng, p = np.random.default_rng(1), np.full(10, 0.1)
    for n, m, spread in ((200, 200, 0.0), (100, 100, 0.3), (2000, 500, 0.1), (1000, 1000, 0.6), (300, 300, 1.0)):
        q = p * np.exp(spread * np.linspace(-1.5, 1.5, 10))
        q /= q.sum()
        middle, pooled = (p + q) / 2, np.stack([n * p, m * q])
        expected = pooled.sum(axis=1, keepdims=True) * pooled.sum(axis=0) / (n + m)
        truth = (
            ((p - q) * np.log(p / q)).sum(),
            (special.rel_entr(p, middle).sum() + special.rel_entr(q, middle).sum()) ** 0.5 / (2 * np.log(2)) ** 0.5,
            (((pooled - expected) ** 2 / expected).sum() / (n + m)) ** 0.5,
        )
        hit = np.zeros(3)
        for _ in range(repetitions):
            table = [rng.multinomial(n, p), rng.multinomial(m, q)]
            found = [measure(table) for measure in (psi, jensen_shannon, independence)]
            hit += [each.low - 1e-9 <= value <= each.high + 1e-9 for each, value in zip(found, truth, strict=True)]
        shown = ", ".join(
            f"{name} {value:.3f} covered {share:.3f}"
            for name, value, share in zip(("PSI", "JS", "V"), truth, hit / repetitions, strict=True)
        )
        print(f"intervals, n = {n} and {m}, ten bins: {shown}")


def _delong_alone(ours: Floats, theirs: Floats) -> bool:
    """Does the cross-fitted AUC's interval cover .5 when the variance is DeLong's, summed over folds?"""
    new = np.repeat([False, True], [len(ours), len(theirs)])
    points = np.concatenate([ours, theirs])
    features, fold = np.concatenate([points, points**2], axis=1), deal_folds(new, None, b"drift")
    scores = np.empty(new.size)
    for each in range(FOLDS):
        here = fold == each
        scores[here] = features[here] @ directions(features[~here], new[None, ~here].astype(np.float64))[0]
    values, variances, smaller = plain_auc(scores, new, fold=fold)
    low, high, _ = auc_interval(values.mean(), variances.sum() / FOLDS**2, smaller.sum())
    return bool(low <= 0.5 <= high)


def vectors(repetitions: int) -> None:
    rng = np.random.default_rng(2)
    told, apart = [], []
    for _ in range(repetitions):
        ours, theirs = rng.normal(0, 1, (150, 6)), rng.normal(0, 1, (120, 6))
        told.append(classifier_test(ours, theirs, permutations=100).auc)
        apart.append(mmd(ours[:60], theirs[:60], permutations=99))
    covered = np.mean([each.low <= 0.5 <= each.high for each in told])
    alone = np.mean([_delong_alone(rng.normal(0, 1, (150, 6)), rng.normal(0, 1, (120, 6))) for _ in range(repetitions)])
    print(
        f"classifier test of equal samples: covered {covered:.3f} (by DeLong alone {alone:.3f}), p at most .05 in {np.mean([each.p <= 0.05 for each in told]):.3f}"
    )
    print(f"MMD of equal samples: p at most .05 in {np.mean([each.p <= 0.05 for each in apart]):.3f}")


def alerts(repetitions: int) -> None:
    rng = np.random.default_rng(3)
    for kind in ("cusum", "ewma"):
        chart = design(kind, 0, 1)
        line = [f"{kind} limit {chart.limit:.2f}, days to find one deviation {chart.arl(1):.1f}; alerts in 90 quiet days"]
        line.append(f"{np.mean([len(replay(chart, rng.normal(0, 1, 90))[0]) for _ in range(repetitions)]):.2f}")
        for days in (30, 60, 200):
            counts = [len(replay(design(kind, *quiet_time(rng.normal(0, 1, days))), rng.normal(0, 1, 90))[0]) for _ in range(repetitions)]
            line.append(f"quiet time of {days} days {np.mean(counts):.2f}")
        slow = []
        for _ in range(repetitions):
            noise, values = rng.normal(0, 0.75**0.5, 290), np.zeros(290)
            for day in range(1, 290):
                values[day] = 0.5 * values[day - 1] + noise[day]
            slow.append(len(replay(design(kind, *quiet_time(values[:200])), values[200:])[0]))
        line.append(f"days that resemble the day before (correlation .5) {np.mean(slow):.2f}")
        print(", ".join(line))


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    autopsies(2 * count)
    story()
    refusals()
    coverage(2 * count)
    vectors(count // 2)
    alerts(count // 4)
