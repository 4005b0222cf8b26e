"""A picture as 64 bits that stay nearly the same when it is scaled, brightened or saved anew: what near-duplicates are found by.

The picture becomes 32 × 32 grey values and its discrete cosine transform is taken; each of the 64 lowest frequencies but the mean says with one bit whether
it lies above their median. Source of the method: C. Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions" (2010), section 3.2.1.
"""

import numpy as np
from numpy.typing import NDArray

from hardcases.imaging.pictures import Source, pixels

SIDE = 32
BITS = 64
FLAT = 8.0  # grey levels of 256 between the 5th and the 95th percentile, below which there is nothing to compare
_ORDER = sorted(((row, column) for row in range(SIDE) for column in range(SIDE)), key=lambda place: (sum(place), place))[1 : BITS + 1]
_ROWS, _COLUMNS = np.array(_ORDER).T
_COSINES = np.cos(np.pi / SIDE * np.outer(np.arange(SIDE), np.arange(SIDE) + 0.5))  # DCT-II, but for a factor that all share
_COSINES[0] /= np.sqrt(2)


def picture_bits(source: Source) -> int | None:
    """The 64 bits of a picture as an integer from 0 to 2^64 − 1, None for one so flat that its bits would be noise. Raises as `pictures.inspect` does."""
    return bits_of(pixels(source, mode="L", size=(SIDE, SIDE))[:, :, 0])


def bits_of(grey: NDArray[np.uint8]) -> int | None:
    """The bits of 32 × 32 grey values; see `picture_bits`."""
    low, high = np.percentile(grey, [5, 95])
    if high - low < FLAT:
        return None
    frequencies = (_COSINES @ grey @ _COSINES.T)[_ROWS, _COLUMNS]
    above = frequencies > np.median(frequencies)
    return int.from_bytes(np.packbits(above).tobytes(), "big")
