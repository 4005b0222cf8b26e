"""COCO figures of many strata beside pycocotools, faster-coco-eval and hotcoco: one run, one thread, CPU seconds, equal values.

    make oracles && OMP_NUM_THREADS=1 RAYON_NUM_THREADS=1 .make/oracles/bin/python -m benchmarks.detection [images] [--all]

1. The twelve COCO numbers of 50 strata, matching included, from data that every side has loaded already: strata that are random fifths of
   the images; "all" and five attributes of ten values; strata that do not overlap. hotcoco slices; faster-coco-eval and pycocotools have to
   be run again on every stratum: some are timed and counted for all; with --all every one is.
2. Resamples: CPU seconds per draw of everything that a report draws, beside one run of faster-coco-eval.
"""

import contextlib
import io
import os
import resource
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import faster_coco_eval
import hotcoco
import numpy as np
from numpy.typing import NDArray
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from evaluation.engine.detection.accumulate import Layout, area_of
from evaluation.engine.detection.data import Detection, objects, predictions, scene
from evaluation.engine.detection.matching import match
from evaluation.engine.detection.sampling import Sample
from evaluation.engine.detection.tables import AREAS, MOST, THRESHOLDS, matched, mean_of, parts
from evaluation.engine.strata import Block

CLASSES = 80
HOTCOCO = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
Ints, Floats = NDArray[np.int64], NDArray[np.float64]


def evaluation(images: int, seed: int = 0) -> Detection:
    """About seven objects and twenty detections an image, of which six in ten lie near an object; one object in a hundred is a crowd."""
    rng = np.random.default_rng(seed)
    count, said = images * 7, images * 20
    kinds = rng.integers(0, CLASSES, (images, 3))
    image = rng.integers(0, images, count)
    label = kinds[image, rng.integers(0, 3, count)]
    size = np.exp(rng.uniform(np.log(8), np.log(300), (count, 2)))
    boxes = np.concatenate([rng.uniform(0, 500, (count, 2)), size], axis=1)
    of, near = rng.integers(0, count, said), rng.random(said) < 0.6
    found = boxes[of] + rng.normal(0, 0.12, (said, 4)) * np.tile(size[of], 2)
    found[:, 2:] = np.abs(found[:, 2:]) + 1
    noise = np.concatenate([rng.uniform(0, 500, (said, 2)), np.exp(rng.uniform(2, 5.5, (said, 2)))], axis=1)
    found = np.where(near[:, None], found, noise)
    kind = np.where(near | (rng.random(said) < 0.5), label[of], rng.integers(0, CLASSES, said))
    scores = np.clip(rng.normal(0.3 + 0.3 * near, 0.2), 0.001, 0.999)
    where = scene(range(1, images + 1), range(1, CLASSES + 1))
    truth = objects(where, image + 1, label + 1, boxes, crowd=rng.random(count) < 0.01)
    return Detection(where, truth, [predictions(where, image[of] + 1, kind + 1, found, scores)])


def ours(found: Detection, block: Block) -> Floats:
    """The twelve numbers (strata, 12) from matching to means."""
    matches = match(found.truth, found.candidate[0], THRESHOLDS, AREAS, MOST[-1])
    return np.concatenate([twelve(Layout.of(found.truth, matches, strata, CLASSES)) for strata, _ in parts(block, matches)])


def twelve(layout: Layout) -> Floats:
    areas = [area_of(layout, area, MOST if area == 0 else MOST[-1:]) for area in range(len(AREAS))]
    every = areas[0].precision[0]
    precision = [every.mean(axis=0), every[0], every[5], *(area.precision[0].mean(axis=0) for area in areas[1:])]
    recall = [*areas[0].recall[:, 0].mean(axis=1), *(area.recall[-1, 0].mean(axis=0) for area in areas[1:])]
    return np.stack([mean_of(row) for row in (*precision, *recall)], axis=1)


def as_json(found: Detection) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    truth, said = found.truth, found.candidate[0]
    rows = zip(truth.image.tolist(), truth.label.tolist(), truth.boxes.tolist(), truth.areas.tolist(), truth.crowd.tolist(), strict=True)
    dataset = {
        "info": {},
        "images": [{"id": i + 1, "width": 1000, "height": 1000, "file_name": f"{i}.png"} for i in range(found.scene.size)],
        "categories": [{"id": k + 1, "name": str(k)} for k in range(CLASSES)],
        "annotations": [
            {"id": n, "image_id": i + 1, "category_id": k + 1, "bbox": box, "area": area, "iscrowd": int(crowd)}
            for n, (i, k, box, area, crowd) in enumerate(rows, 1)
        ],
    }
    lines = zip(said.image.tolist(), said.label.tolist(), said.boxes.tolist(), said.scores.tolist(), strict=True)
    return dataset, [{"image_id": i + 1, "category_id": k + 1, "bbox": box, "score": score} for i, k, box, score in lines]


def quiet(work: Callable[[], Any]) -> Any:
    with contextlib.redirect_stdout(io.StringIO()):
        return work()


def seconds(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    out = quiet(work)
    return time.process_time() - start, out


def best(work: Callable[[], Any]) -> tuple[float, Any]:
    """The fastest of three: the first also pays for pages of memory."""
    return min((seconds(work) for _ in range(3)), key=lambda each: each[0])


def rerun(make: Any, gt: Any, dt: Any, images: Sequence[int]) -> Floats:
    """One peer on the images of one stratum."""
    run = make(gt, dt, "bbox")
    run.params.imgIds = list(images)
    run.evaluate()
    run.accumulate()
    run.summarize()
    return np.asarray(run.stats[:12], dtype=np.float64)


def sliced(dataset: dict[str, Any], results: list[dict[str, Any]], slices: dict[str, list[int]]) -> tuple[float, Floats]:
    gt = quiet(lambda: hotcoco.COCO(dataset))
    dt = quiet(lambda: gt.load_res(results))

    def work() -> Any:
        run = hotcoco.COCOeval(gt, dt, "bbox")
        run.evaluate()
        return run.slice_by(slices)

    took, out = best(work)
    return took, np.array([[out[name][key] for key in HOTCOCO] for name in slices])


def report_line(name: str, took: float, mine: float, worst: float) -> None:
    print(f"{name:<34}{took:>10.3f} s{took / mine:>10.1f} ×    largest difference {worst:.1e}")


def worst(one: Floats, other: Floats) -> float:
    return float(np.nanmax(np.abs(np.where(np.isnan(one), -1.0, one) - other)))


def block_of(found: Detection, members: list[Ints]) -> Block:
    """All strata as one block, in order."""
    rows, codes = np.concatenate(members), np.repeat(np.arange(len(members)), [each.size for each in members])
    return Block(tuple(map(str, range(len(members)))), rows, codes, found.scene.size, None, repeated=True)


def compare(found: Detection, members: list[Ints], again: Sequence[int], times: float, peers: dict[str, Any], json: Any) -> None:
    """`again`: the strata on which peers that know no strata are timed; `times`: how often those count."""
    block = block_of(found, members)
    mine, values = best(lambda: ours(found, block))
    print(f"{'ours':<34}{mine:>10.3f} s")
    hot, sliced_values = sliced(*json, {f"s{i}": (m + 1).tolist() for i, m in enumerate(members)})
    report_line("hotcoco, slice_by", hot, mine, worst(values, sliced_values))
    for name, (make, gt, dt) in peers.items():
        took, difference = 0.0, 0.0
        for stratum in again:
            one, out = seconds(partial(rerun, make, gt, dt, (members[stratum] + 1).tolist()))
            took, difference = took + one, max(difference, worst(values[stratum], out))
        report_line(f"{name}, {len(again)} of {len(members)} reruns", took * times, mine, difference)


def resampling(found: Detection, fast: Any) -> None:
    """Cost of a draw: all metrics of one model on all images."""
    arm = matched(found, found.candidate[0])
    sample = Sample(found, [arm], np.arange(found.scene.size), seed=b"benchmark", resamples=40)
    mine = seconds(lambda: sample.drawn)[0] / 40
    once = seconds(lambda: rerun(*fast, range(1, found.scene.size + 1)))[0]
    print(f"\none resample of all metrics: {mine * 1000:.1f} ms; one run of faster-coco-eval: {once * 1000:.0f} ms, {once / mine:.0f} ×")


def main() -> None:
    numbers = [int(each) for each in sys.argv[1:] if each.isdigit()]
    images = numbers[0] if numbers else 5000
    found = evaluation(images)
    start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rng = np.random.default_rng(1)
    everything = np.arange(images)
    attributes = [rng.integers(0, 10, images) for _ in range(5)]
    overlapping = [everything, *(np.flatnonzero(values == value) for values in attributes for value in range(10))]
    first, _ = seconds(lambda: ours(found, block_of(found, [everything])))
    print(
        f"{images} images, {found.truth.image.size} objects, {found.candidate[0].image.size} detections, {os.cpu_count()} cores, one used"
    )
    print(
        f"first call, all images: {first:.3f} s; memory for it {(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start) / 1024:.0f} MB"
    )
    json = as_json(found)
    slow, quick = (quiet(lambda make=make: make()) for make in (COCO, faster_coco_eval.COCO))
    peers: dict[str, Any] = {}
    for name, gt, make in (("faster-coco-eval", quick, faster_coco_eval.COCOeval_faster), ("pycocotools", slow, COCOeval)):
        gt.dataset = json[0]
        quiet(gt.createIndex)
        peers[name] = (make, gt, quiet(lambda gt=gt: gt.loadRes([dict(row) for row in json[1]])))
    whole = "--all" in sys.argv
    print("\n50 strata, each a random fifth of the images")
    fifths = [np.flatnonzero(rng.random(images) < 0.2) for _ in range(50)]
    compare(found, fifths, range(50) if whole else range(5), 1.0 if whole else 10.0, peers, json)
    print("\nall and 50 strata of five attributes")
    compare(found, overlapping, range(51) if whole else range(1, 11), 1.0 if whole else 6.0, peers, json)
    print("\n50 strata without overlap")
    places = rng.integers(0, 50, images)
    compare(
        found,
        [np.flatnonzero(places == place) for place in range(50)],
        range(50) if whole else range(10),
        1.0 if whole else 5.0,
        peers,
        json,
    )
    resampling(found, peers["faster-coco-eval"])


if __name__ == "__main__":
    main()
