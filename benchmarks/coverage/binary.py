"""Two classes: intervals of one model and of the difference of two."""

from dataclasses import replace

import numpy as np

from benchmarks.coverage.worlds import WORLDS, World, drawn, entries, row, table


def intervals(sets: int) -> None:
    """One model: do the intervals hold the population's value?"""
    lines: dict[str, list[str]] = {}
    for number, world in enumerate(WORLDS):
        found = entries(*drawn(world, sets, np.random.default_rng(number)))
        for metric, truth in world.truth().items():
            cell = row([(e["low"], e["high"]) for e in found[metric]], truth) if metric in found else "not computed"
            lines.setdefault(metric, []).append(cell)
    table("Intervals of one number: coverage in percent (interval below / above the truth)", [world.name for world in WORLDS], lines)


def differences(sets: int) -> None:
    """Two models on the same cases: do the intervals hold the true difference, and how often is p ≤ .05 where there is none?"""
    lines: dict[str, list[str]] = {}
    few_others = replace(WORLDS[3], prevalence=1 - WORLDS[3].prevalence)
    chosen = [(world, 1.6) for world in (WORLDS[1], WORLDS[2], WORLDS[3], few_others, WORLDS[5])]
    for number, (world, second) in enumerate(chosen):
        other = World(n=world.n, prevalence=world.prevalence, separation=second).truth()
        apart = entries(*drawn(world, sets, np.random.default_rng(100 + number), second=second))
        equal = entries(*drawn(world, sets, np.random.default_rng(200 + number), second=world.separation))
        for metric, truth in world.truth().items():
            if metric not in apart:
                continue
            gaps = [e["difference"] for e in apart[metric]]
            cell = row([(None, None) if gap is None else (gap["low"], gap["high"]) for gap in gaps], truth - other[metric])
            p = [e["difference"]["p"] for e in equal[metric] if e["difference"] and e["difference"]["p"] is not None]
            lines.setdefault(metric, []).append(f"{cell}; p ≤ .05: {100 * np.mean(np.array(p) <= 0.05):.1f} %")
    table("Differences on the same cases: coverage, and how often equal models have p ≤ .05", [world.name for world, _ in chosen], lines)
