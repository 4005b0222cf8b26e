"""How alike two inputs are, and what they are found by. Pure: the same input gives the same numbers in every process and on every machine.

A picture has 64 bits (`hardcases.imaging.fingerprints`); two are as alike as the share of bits that agree. A text or a record has 64 MinHash values: for each of
64 fixed permutations the least hash of its items, so that the share of equal values estimates the share of items that two have in common (A. Broder, "On the
resemblance and containment of documents", 1997).

Both are cut into five bands, and what is alike is looked for among those that share a band, which an index finds. Of pictures that differ in at most four of 64
bits at least one of five bands is equal: four differences cannot touch five bands. Of texts that have a share s of their items in common a band of four values is
equal with probability s⁴, so that they are found with probability 1 − (1 − s⁴)⁵: 0.93 at 0.8, 0.995 at 0.9, and always where nothing differs.
"""

import hashlib
import unicodedata
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BITS = 64
BANDS = 5
PERMUTATIONS = 64
ROWS = 4
SHINGLE = 5  # characters; spaces count, so that languages without them are served as well

# The least likeness at which two belong together, by what is compared. A tiny picture (its shorter side below 32 pixels) has too few pixels to tell strangers
# apart at four bits: it may differ in two.
LEAST = {"picture": 1 - 4 / BITS, "tiny": 1 - 2 / BITS, "text": 0.8, "record": 0.8}
TINY_SIDE = 32

_WIDTHS = [BITS // BANDS + (number < BITS % BANDS) for number in range(BANDS)]  # 13, 13, 13, 13, 12
_SHIFTS = [sum(_WIDTHS[number + 1 :]) for number in range(BANDS)]
_MASK = (1 << BITS) - 1


def _constants() -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Odd multipliers and summands of the permutations, from SHA-256, so that no library's generator decides them."""
    drawn = b"".join(hashlib.sha256(b"hardcases.groups.minhash:%d" % number).digest()[:16] for number in range(PERMUTATIONS))
    values = np.frombuffer(drawn, dtype="<u8").astype(np.uint64).reshape(PERMUTATIONS, 2)
    return values[:, 0] | np.uint64(1), values[:, 1]


_MULTIPLIERS, _SUMMANDS = _constants()
_POWERS = np.array([pow(1_099_511_628_211, power, 1 << BITS) for power in range(SHINGLE)], dtype=np.uint64)


@dataclass(frozen=True)
class Print:
    """The fingerprint of one input. `kind` is picture, tiny, text, record, or none where there is nothing to compare; `values` are 64 bits or 64 MinHash values."""

    kind: str
    bits: int | None = None
    minhash: bytes | None = None  # 64 little-endian numbers of 32 bits

    def bands(self) -> tuple[int, ...] | None:
        """Five numbers below 2^31, None where there is nothing to compare."""
        if self.bits is not None:
            return tuple((self.bits >> shift) & ((1 << width) - 1) for shift, width in zip(_SHIFTS, _WIDTHS, strict=True))
        if self.minhash is not None:
            size = 4 * ROWS
            return tuple(zlib.crc32(self.minhash[at : at + size]) & 0x7FFF_FFFF for at in range(0, BANDS * size, size))
        return None

    def likeness(self, others: Sequence[Any]) -> NDArray[np.float64]:
        """How alike each of `others` is, from 0 to 1: bits (signed or not) for a picture, bytes for a text or record."""
        if self.bits is not None:
            stored = np.array([other & _MASK for other in others], dtype=np.uint64)
            return np.asarray(1 - np.bitwise_count(stored ^ np.uint64(self.bits)) / BITS, dtype=np.float64)
        if self.minhash is None or not others:
            return np.zeros(len(others))
        table = np.frombuffer(b"".join(bytes(other) for other in others), dtype="<u4").reshape(-1, PERMUTATIONS)
        return np.asarray((table == np.frombuffer(self.minhash, dtype="<u4")).mean(axis=1), dtype=np.float64)


NOTHING = Print("none")


def of_picture(bits: int | None, *, shorter_side: int) -> Print:
    """The fingerprint of a picture from its 64 bits; None is a flat one, which is like nothing."""
    return NOTHING if bits is None else Print("tiny" if shorter_side < TINY_SIDE else "picture", bits=bits)


def of_text(text: str) -> Print:
    """The fingerprint of a text: its runs of five characters, without regard to case, width and the length of gaps."""
    plain = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    letters = np.frombuffer(plain.encode("utf-32-le", "replace"), dtype="<u4").astype(np.uint64)
    if letters.size == 0:
        return NOTHING
    if letters.size < SHINGLE:
        letters = np.pad(letters, (0, SHINGLE - letters.size))
    runs = np.lib.stride_tricks.sliding_window_view(letters, SHINGLE)
    return Print("text", minhash=_minhash((runs * _POWERS).sum(axis=1, dtype=np.uint64)))


def of_record(record: Mapping[str, Any]) -> Print:
    """The fingerprint of a record: its pairs of field and value. Two are alike where nearly all fields hold the same."""
    items = (f"{name}={value!r}" for name, value in record.items())
    return Print("record", minhash=_minhash(_hashed(items))) if record else NOTHING


def _hashed(items: Iterable[str]) -> NDArray[np.uint64]:
    digests = b"".join(hashlib.blake2b(item.encode("utf-8", "replace"), digest_size=8).digest() for item in items)
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)


def _minhash(items: NDArray[np.uint64]) -> bytes:
    """The least value of each permutation over at least one item. Items are mixed first (the finaliser of SplitMix64), since they may differ in few bits."""
    mixed = np.unique(items)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    least = (mixed[:, None] * _MULTIPLIERS + _SUMMANDS).min(axis=0) >> np.uint64(32)
    return bytes(least.astype("<u4").tobytes())


def signed(bits: int | None) -> int | None:
    """64 bits as the signed number that a database holds."""
    return None if bits is None else bits - (1 << BITS) if bits >> (BITS - 1) else bits
