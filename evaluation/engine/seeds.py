"""Where randomness comes from: digests of the evidence, so that the same evidence gives the same bytes on any machine."""

import hashlib
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from evaluation.engine.arrays import BadInput


def seed_from(manifest_digest: str, prediction_digests: Iterable[str]) -> bytes:
    """SHA-256 over the manifest digest, the sorted prediction digests and the word "bootstrap", one a line.

    No run id, metric, stratum, clock or host enters, and the order in which replicates were accepted does not matter.
    """
    digests = [prediction_digests] if isinstance(prediction_digests, str) else list(prediction_digests)
    if not all(isinstance(each, str) for each in (manifest_digest, *digests)):
        raise BadInput("digests are text: one of the cases, and a list of those of the predictions")
    lines = [manifest_digest, *sorted(digests), "bootstrap"]
    return hashlib.sha256("\n".join(lines).encode()).digest()


def checked(seed: bytes) -> None:
    """Raises BadInput for a seed that is no bytes."""
    if not isinstance(seed, bytes):
        raise BadInput(f'a seed is bytes, as `seed_from` makes them or b"mine", not {type(seed).__name__}')


def half_of(unit: NDArray[np.int64], seed: bytes) -> NDArray[np.bool_]:
    """A random half of the units, as a mask over cases; `unit` (n,) are dense codes. What is fitted on one half is judged on the other."""
    return np.asarray((generator(seed).permutation(int(unit.max(initial=-1)) + 1) % 2 == 0)[unit])


def generator(seed: bytes) -> np.random.Generator:
    """A Philox generator keyed by seed bytes (as from `seed_from`)."""
    checked(seed)
    return np.random.Generator(np.random.Philox(int.from_bytes(hashlib.sha256(seed).digest()[:16], "big")))
