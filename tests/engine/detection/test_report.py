"""The report's entries, flips, missing images and evidence for checks."""

import json
from dataclasses import replace

import numpy as np
import pytest

from evaluation.engine.arrays import BadInput
from evaluation.engine.detection.data import Detection, Predictions, objects, predictions, scene
from evaluation.engine.detection.flips import flips_by_image
from evaluation.engine.detection.gather import gather_detection
from evaluation.engine.detection.metrics import NAMES, registry
from evaluation.engine.detection.report import detection_report
from evaluation.engine.entries import Entry
from evaluation.engine.gates import Check, Result, judge
from evaluation.engine.strata import Grouping, Stratum
from tests.engine.detection.scenes import SEED, Shape, detection, values

SITES = Grouping(["site=a", "site=b", "site=none"], np.arange(12) % 2)


def entry(found: Entry, metric: str, stratum: str = "all") -> Entry:
    return next(each for each in found["metrics"] if each["metric"] == metric and each["stratum"] == stratum)


def test_every_metric_in_every_stratum_as_json() -> None:
    found = detection(Shape(), 0, baselines=1)
    made = detection_report(found, [SITES], seed=SEED, resamples=40)
    again = detection_report(found, [SITES], seed=SEED, resamples=40)
    assert json.dumps(made, allow_nan=False) == json.dumps(again, allow_nan=False)
    names = [metric.id for metric in registry(found.scene.classes)]
    assert [(each["stratum"], each["metric"]) for each in made["metrics"]] == [
        (stratum, name) for stratum in ("all", "site=a", "site=b", "site=none") for name in names
    ]
    assert len(names) == len(NAMES) * 4
    for each in made["metrics"]:
        assert (each["value"] is None) == (each["undefined"] is not None)
        if each["value"] is not None and each["low"] is not None:
            assert each["method"]
    assert entry(made, "coco_ap", "site=none")["undefined"] == "no images"
    point = values(found).values[0]
    assert [entry(made, name)["value"] for name in NAMES] == [float(value) for value in point[:, -2]]
    recall, tallies = entry(made, "recall[c1]"), values(found).tallies[0]
    assert recall["denominator"] == recall["n_positive"] == tallies[2, 1]
    assert entry(made, "precision")["denominator"] == tallies[:2, -1].sum()
    assert entry(made, "froc")["value"] == pytest.approx(np.mean([p["sensitivity"] for p in entry(made, "froc")["points"]]))


def test_what_is_undefined_says_why() -> None:
    where = scene(range(3), ["x", "y"])
    truth = objects(where, [0], ["x"], [[0, 0, 10, 10]])
    made = detection_report(Detection(where, truth, [predictions(where, [], [], [], [])]), [], seed=SEED, resamples=20)
    reasons = {
        name: entry(made, name)["undefined"] for name in ("coco_ap", "coco_ap_large", "coco_ap[y]", "precision[x]", "f1[y]", "froc[y]")
    }
    assert reasons == {
        "coco_ap": None,
        "coco_ap_large": "no large object",
        "coco_ap[y]": "no object of y",
        "precision[x]": "no detection of x at the operating score",
        "f1[y]": "no object of y and no detection at the operating score",
        "froc[y]": "no object of y, or no image to count false positives on",
    }
    assert entry(made, "coco_ap")["value"] == entry(made, "recall")["value"] == 0
    assert entry(made, "fp_per_image")["high"] == 1  # three images without one: at most 3/3
    assert made["flips"] is None


def test_images_without_a_prediction_are_missed_and_named() -> None:
    where = scene(["a", "b", "c"], ["x"])
    truth = objects(where, ["a", "b"], ["x", "x"], [[0, 0, 10, 10]] * 2)
    said = predictions(where, ["a"], ["x"], [[0, 0, 10, 10]], [0.9], missing=["b"], invalid=["c"])
    made = detection_report(Detection(where, truth, [said]), [], seed=SEED, resamples=20)
    assert made["missing"] == [{"side": "candidate", "replicate": 0, "images": ["b", "c"]}]
    assert entry(made, "recall")["value"] == 0.5
    assert {each["code"]: each["severity"] for each in made["sanity"]} == {"missing_predictions": "warn", "non_finite": "error"}


def _flipped() -> Detection:
    where = scene(range(4), ["x"])
    box = [[0, 0, 10, 10]]
    truth = objects(where, [0, 1, 2], ["x"] * 3, box * 3)
    new = predictions(where, [1, 2, 0], ["x"] * 3, [*box, *box, [50, 50, 9, 9]], [0.9, 0.9, 0.8])
    old = predictions(where, [0, 1, 3], ["x"] * 3, [*box, *box, [50, 50, 9, 9]], [0.9, 0.9, 0.8])
    return Detection(where, truth, [new], [old])


def test_flips_of_objects_and_of_images() -> None:
    found = _flipped()
    flips = detection_report(found, [], seed=SEED, resamples=20)["flips"]
    expected = {"newly_wrong": 1, "newly_right": 1, "both_right": 1, "both_wrong": 0, "n": 3, "images": 4, "negative_flips": 2}
    expected |= {"new_false_positive_images": 1, "cleared_false_positive_images": 1, "images_without_false_positive": 3}
    assert {key: flips[key] for key in expected} == expected
    assert flips["negative_flip_rate"] == 0.5  # of the two objects the baseline found
    assert flips["positive_flip_rate"] == 1.0
    assert 0.5 < flips["negative_flip_rate_high"] < 1
    each = flips_by_image(found)
    assert each.negative.tolist() == [True, False, False, False]
    assert (each.lost.tolist(), each.gained.tolist()) == ([1, 0, 0, 0], [0, 0, 1, 0])


def test_several_replicates_show_their_mean_and_keep_the_artefact() -> None:
    found = detection(Shape(images=20, objects=80, detections=160), 1, runs=3, baselines=2)
    made = detection_report(found, [], seed=SEED, resamples=60)
    alone = detection_report(replace(found, candidate=found.candidate[:1], baseline=found.baseline[:1]), [], seed=SEED, resamples=60)
    for name in ("coco_ap", "recall", "fp_per_image", "froc"):
        ours, artefact = entry(made, name), entry(alone, name)
        assert ours["value"] == pytest.approx(np.mean(ours["replicates"]))
        assert ours["sd"] == pytest.approx(np.std(ours["replicates"], ddof=1))
        assert ours["artefact"] == {key: artefact[key] for key in ("value", "low", "high", "method", "difference")}
        assert ours["low"] < ours["value"] < ours["high"]
        assert ours["difference"]["value"] == pytest.approx(ours["value"] - ours["baseline"]["value"])
        assert ours["difference"]["low"] < ours["difference"]["value"] < ours["difference"]["high"]


def _in_another_order(found: Detection, seed: int) -> Detection:
    """The same images, objects and boxes, in another order; the clusters keep their images."""
    turn = np.random.default_rng(seed).permutation(found.scene.size)
    place = np.argsort(turn)
    where = replace(found.scene, images=tuple(found.scene.images[i] for i in turn))
    where = replace(where, clusters=None if found.scene.clusters is None else found.scene.clusters[turn])
    sides = [[replace(each, image=place[each.image]) for each in side] for side in (found.candidate, found.baseline)]
    return replace(found, scene=where, truth=replace(found.truth, image=place[found.truth.image]), candidate=sides[0], baseline=sides[1])


def _numbers(made: Entry) -> list[float | None]:
    sides = [each for entry in made["metrics"] for each in (entry, entry["difference"], entry["baseline"], entry.get("artefact")) if each]
    return [side.get(name) for side in sides for name in ("value", "low", "high", "p")]


@pytest.mark.parametrize("clusters", [0, 7])
@pytest.mark.parametrize("runs", [1, 2])
def test_the_order_of_images_changes_no_interval_and_no_p(clusters: int, runs: int) -> None:
    shape = Shape(images=20, objects=60, detections=120, ties=None)
    found = detection(shape, 5, runs=runs, baselines=1, clusters=clusters)
    made, again = (
        detection_report(each, [Stratum("most", np.isin(each.scene.images, range(15)))], seed=SEED, resamples=40)
        for each in (found, _in_another_order(found, 9))
    )
    assert _numbers(again) == pytest.approx(_numbers(made), abs=1e-9)
    (ours,), (theirs,) = (
        gather_detection(each, "f1", [Stratum("all", np.ones(20, dtype=bool))], seed=SEED, resamples=40)
        for each in (found, _in_another_order(found, 9))
    )
    assert ours.difference is not None
    assert theirs.difference is not None
    assert theirs.difference.bounds(0.05) == pytest.approx(ours.difference.bounds(0.05))


def test_runs_that_agree_say_what_one_run_says() -> None:
    found = detection(Shape(images=20, objects=80, detections=160, ties=None), 2, baselines=1)
    made = detection_report(replace(found, candidate=found.candidate * 3), [], seed=SEED, resamples=60)
    for each in made["metrics"]:
        for side, alone in ((each, each["artefact"]), (each["difference"], each["artefact"]["difference"])):
            assert (side is None) == (alone is None), each["metric"]
            for name in ("value", "low", "high") if side is not None else ():
                assert side[name] == (None if alone[name] is None else pytest.approx(alone[name], abs=1e-9)), (each["metric"], name)


def test_seeds_that_part_elsewhere_are_seen() -> None:
    """All runs find everything at home, and each another part of what is elsewhere."""
    where, box = scene(range(60), ["x"]), [[0, 0, 10, 10]]
    truth = objects(where, range(60), ["x"] * 60, box * 60)

    def finds(count: int, missed: int) -> Predictions:
        images = [*(i for i in range(30) if i != missed), *range(30, 30 + count)]
        return predictions(where, images, ["x"] * len(images), box * len(images), [0.9] * len(images))

    found = Detection(where, truth, [finds(count, number) for number, count in enumerate((6, 14, 22, 29, 10))])
    made = detection_report(found, [Grouping(["home", "away"], np.arange(60) // 30)], seed=SEED, resamples=20, home="home")["replicates"]
    away = next(row for row in made["strata"] if row["stratum"] == "away")
    assert (made["metric"], made["home"], away["n"]) == ("recall", "home", 30)
    assert away["values"] == pytest.approx([6 / 30, 14 / 30, 22 / 30, 29 / 30, 10 / 30])
    assert away["sd"] == pytest.approx(np.std(away["values"], ddof=1))
    assert away["underspecification"]["flagged"]
    assert "underspecification" not in next(row for row in made["strata"] if row["stratum"] == "home")


def test_checks_judge_the_evidence() -> None:
    found = detection(Shape(images=60, objects=240, detections=500, classes=2), 3, baselines=1)
    everything = [Stratum("all", np.ones(60, dtype=bool))]
    for name in ("coco_ap", "recall", "f1", "froc", "precision", "fp_per_image", "recall[c0]"):
        (evidence,) = gather_detection(found, name, everything, seed=SEED, resamples=60)
        assert evidence.undefined is None
        assert evidence.difference is not None
        low, high = evidence.difference.bounds(0.05)
        assert low < evidence.difference.estimate < high
        generous, harsh = (Check(name="c", kind="no_regression", margin=margin) for margin in (20.0 if "fp" in name else 0.9, 1e-6))
        assert judge(generous, [evidence]).result is Result.PASS
        assert judge(harsh, [evidence]).result is Result.NOT_ENOUGH or evidence.difference.estimate > 0
        assert (evidence.level is None) == (name == "coco_ap")  # no floor stands on an AP
        if name != "fp_per_image":
            with pytest.raises(BadInput, match="5 percent are"):
                judge(Check(name="c", kind="no_regression", margin=5), [evidence])
    (shares,) = gather_detection(found, "recall", everything, seed=SEED, resamples=60)
    assert judge(Check(name="f", kind="floor", floor=0.01), [shares]).result is Result.PASS
    assert judge(Check(name="f", kind="floor", floor=0.99), [shares]).result is Result.FAIL


def test_fewer_false_positives_are_better() -> None:
    found = _flipped()
    clean = replace(found, candidate=[predictions(found.scene, [0], ["x"], [[0, 0, 10, 10]], [0.9])])
    (evidence,) = gather_detection(clean, "fp_per_image", [Stratum("all", np.ones(4, dtype=bool))], seed=SEED, resamples=60)
    assert evidence.difference is not None
    assert evidence.difference.estimate == 0.25


def test_what_cannot_be_judged_says_why() -> None:
    found = detection(Shape(objects=12, classes=6, crowd=0), 1, baselines=1)
    strata = [Stratum("all", np.ones(12, dtype=bool)), Stratum("empty", np.zeros(12, dtype=bool))]
    whole, empty = gather_detection(found, "coco_ap", strata, seed=SEED, resamples=20)
    assert (whole.undefined, empty.undefined) == ("no class has at least 10 objects", "no images")
    with pytest.raises(BadInput, match="there is no metric 'coco_app' here; there are coco_ap,"):
        gather_detection(found, "coco_app", strata, seed=SEED)
