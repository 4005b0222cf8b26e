"""The report's figures weighed back to production: from the chance with which the door kept each case, which never changes once a case is there."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from evaluation.engine.arrays import Floats
from evaluation.engine.weighting import weighted_entries
from evaluation.runs.material import Material
from hardcases.testsets import snapshots
from hardcases.testsets.snapshots import Members
from hardcases.web.json_edge import canonical

Report = dict[str, Any]


def weighted(material: Material, entries: Sequence[Report]) -> Report | None:
    """`production` of a report, with the set's own figure of replicate 0 (from `entries`) beside each; None where every case was kept for certain.

    Where no chance is known there is nothing to say of a stratum, and only the whole set says so. Checks never look here.
    """
    chances = snapshots.chances(material.run.test_set_version)
    known = int((~np.isnan(chances)).sum())
    if (chances == 1).all():
        return None
    plain = {(entry["metric"], entry["stratum"]): entry.get("artefact") or entry for entry in entries}
    found = weighted_entries(material.comparison, material.strata if known else [], chances)
    return {
        "weights": weights_digest(material.cases, chances),
        "known": known,
        "unknown": chances.size - known,
        "entries": [entry | {"plain": _plain(plain[entry["metric"], entry["stratum"]])} for entry in found],
    }


def _plain(entry: Report) -> Report:
    return {name: entry[name] for name in ("value", "low", "high", "method")}


def weights_digest(cases: Members, chances: Floats) -> str:
    """SHA-256 over a line for each case, in the order of their numbers: its key, a space, its chance as RFC 8785 writes it, `null` where nobody knows it."""
    written = {chance: canonical(chance).decode() for chance in np.unique(chances[~np.isnan(chances)]).tolist()}
    digest = hashlib.sha256()
    for number, chance in zip(cases.numbers.tolist(), chances.tolist(), strict=True):
        digest.update(f"{cases.key_prefix}-{number} {written.get(chance, 'null')}\n".encode())
    return digest.hexdigest()
