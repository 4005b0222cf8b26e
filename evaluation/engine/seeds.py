"""Where randomness comes from: digests of the evidence, so that the same evidence gives the same bytes on any machine."""

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


def seed_from(manifest_digest: str, prediction_digests: Iterable[str]) -> bytes:
    """SHA-256 over the manifest digest, the sorted prediction digests and the word "bootstrap", one a line.

    No run id, metric, stratum, clock or host enters, and the order in which replicates were accepted does not matter.
    """
    lines = [manifest_digest, *sorted(prediction_digests), "bootstrap"]
    return hashlib.sha256("\n".join(lines).encode()).digest()


def half_of(unit: NDArray[np.int64], seed: bytes) -> NDArray[np.bool_]:
    """A random half of the units, as a mask over cases; `unit` (n,) are dense codes. What is fitted on one half is judged on the other."""
    return np.asarray((generator(seed).permutation(int(unit.max(initial=-1)) + 1) % 2 == 0)[unit])


def generator(seed: bytes) -> np.random.Generator:
    """A Philox generator keyed by 32 seed bytes (as from `seed_from`)."""
    return np.random.Generator(np.random.Philox(int.from_bytes(hashlib.sha256(seed).digest()[:16], "big")))
