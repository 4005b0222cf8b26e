"""The picture as a radiologist's display would show it: eight bits, by the window that the file names.

Stored values go through the modality's scale, then through the first window or table of the file; MONOCHROME1 is shown with its darkest value bright. Where the
file names no window, values of up to eight bits are shown as they are, and deeper ones from the 0.5th to the 99.5th percentile of the frame.

Sources: DICOM PS3.3, sections C.7.6.3 (pixels, palettes), C.11.1 (modality), C.11.2 (windows and tables).
"""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from hardcases.imaging.dicom import tags
from hardcases.imaging.dicom.elements import Damaged, Element
from hardcases.imaging.dicom.frames import Values, frame
from hardcases.imaging.dicom.header import Header, Pixels

Floats = NDArray[np.float64]
PERCENTILES = (0.5, 99.5)
_SAMPLE = 1_000_000  # values from which the percentiles of a float picture are taken
_CHUNK = 1 << 20


def picture(pixels: Pixels) -> Image.Image:
    """Frame 0 as L or RGB. Raises Damaged and UnsupportedMedia; decoders raise what they like."""
    values = frame(pixels)
    if pixels.photometric == "PALETTE COLOR":
        return _coloured(pixels, values)
    if pixels.samples == 1:
        return Image.fromarray(_grey(pixels, values))
    plain = np.ascontiguousarray(_eight_bits(values, pixels.stored))
    decoded = pixels.header.syntax in tags.JPEG or pixels.photometric in {"YBR_RCT", "YBR_ICT"}
    if pixels.photometric.startswith("YBR") and not decoded:
        return Image.fromarray(plain, "YCbCr").convert("RGB")
    return Image.fromarray(plain)


def check(pixels: Pixels) -> None:
    """Whether the tables that the picture is shown through are there. Raises Damaged."""
    if pixels.photometric == "PALETTE COLOR":
        _palettes(pixels)
    elif pixels.samples == 1:
        _through(pixels.header, _scaled(pixels.header, np.zeros(1)))


def window(header: Header) -> tuple[float, float] | None:
    """(centre, width) of the first window, where it is one; words that are no window do not stop a picture."""
    try:
        centre, width = (header.numbers(header.find(tag)) for tag in (tags.WINDOW_CENTER, tags.WINDOW_WIDTH))
    except Damaged:
        return None
    if not centre or not width or not (math.isfinite(centre[0]) and math.isfinite(width[0])):
        return None
    least = 1 if _function(header) == "LINEAR" else 0
    return (centre[0], width[0]) if width[0] >= least and width[0] > 0 else None


def _function(header: Header) -> str:
    """What the window does. LINEAR counts in whole steps and would leave black and white of a float picture from 0 to 1: writers of such mean LINEAR_EXACT."""
    said = header.text(tags.WINDOW_FUNCTION) or "LINEAR"
    return "LINEAR_EXACT" if said == "LINEAR" and not header.first.keys().isdisjoint({tags.FLOATS, tags.DOUBLES}) else said


def _eight_bits(values: Values, stored: int) -> NDArray[np.uint8]:
    if values.dtype.itemsize == 1:
        return values.view(np.uint8) if values.dtype.kind == "i" else values
    return (values >> (stored - 8) if stored > 8 else values).astype(np.uint8)


# --- Palettes -------------------------------------------------------------------------------------------------------------------------------------


def _coloured(pixels: Pixels, values: Values) -> Image.Image:
    table, first = _palettes(pixels)
    return Image.fromarray(table[np.clip(values.astype(np.int64) - first, 0, len(table) - 1)])


def _palettes(pixels: Pixels) -> tuple[NDArray[np.uint8], int]:
    """The three palettes side by side, and the stored value of their first entry. Raises Damaged."""
    columns, first = zip(*(_palette(pixels, *pair) for pair in zip(tags.PALETTE_DESCRIPTORS, tags.PALETTES, strict=True)), strict=True)
    if len({len(column) for column in columns}) > 1 or len(set(first)) > 1:
        raise Damaged("its three palettes have different lengths")
    return np.stack(columns, axis=1), first[0]


def _palette(pixels: Pixels, descriptor_tag: int, data_tag: int) -> tuple[NDArray[np.uint8], int]:
    header = pixels.header
    data = header.find(data_tag)
    descriptor = header.numbers(header.find(descriptor_tag), signed=pixels.signed)
    if data is None or len(descriptor) != 3:
        raise Damaged(
            "it has no palette, or one in segments, which we do not read", "Send it in colours of its own (RGB), or with whole palettes."
        )
    entries, first, bits = int(descriptor[0]) % 65_536 or 65_536, int(descriptor[1]), int(descriptor[2])
    table = _entries(header, data, entries, bits)
    return _eight_bits(table, 16 if bits == 16 and table.max() > 255 else 8).astype(np.uint8), first


def _entries(header: Header, data: Element, entries: int, bits: int) -> NDArray[np.uint16]:
    """The entries of a table: bytes, or words of which the lower bits count. Raises Damaged."""
    raw = header.raw(data)
    if len(raw) < entries:
        raise Damaged(f"a table in it has {len(raw):,} bytes for {entries:,} entries")
    if len(raw) < 2 * entries:
        raw = raw[: len(raw) // 2 * 2]
        whole = np.frombuffer(raw, np.uint8) if header.encoding.little else np.frombuffer(raw, "<u2").byteswap().view(np.uint8)
        return whole[:entries].astype(np.uint16)
    values = np.frombuffer(raw[: 2 * entries], "<u2" if header.encoding.little else ">u2").astype(np.uint16)
    return values if bits >= 16 or bits < 1 else values & np.uint16((1 << bits) - 1)


# --- Shades of grey -------------------------------------------------------------------------------------------------------------------------------


def _grey(pixels: Pixels, values: Values) -> NDArray[np.uint8]:
    if pixels.real or pixels.allocated == 32:
        return _grey_deep(pixels, values)
    # Few values are possible: each is taken through scale and window once, and the picture looks its pixels up.
    low, high = (-(1 << (pixels.stored - 1)), (1 << (pixels.stored - 1)) - 1) if pixels.signed else (0, (1 << pixels.stored) - 1)
    low, high = min(low, int(values.min())), max(high, int(values.max()))
    possible = np.arange(low, high + 1, dtype=np.float64)
    scaled = _scaled(pixels.header, possible)
    shown = _through(pixels.header, scaled)
    if shown is None:
        counts = None if pixels.stored <= 8 else _counts(pixels, values, low, high)
        shown = _stretched(scaled, *_range(scaled, counts))
    table = np.rint(shown * 255).astype(np.uint8)
    table = 255 - table if pixels.photometric == "MONOCHROME1" else table
    flat, out = values.reshape(-1), np.empty(values.size, np.uint8)
    for at in range(0, flat.size, _CHUNK):
        out[at : at + _CHUNK] = table[flat[at : at + _CHUNK].astype(np.int32) - low]
    return out.reshape(values.shape)


def _grey_deep(pixels: Pixels, values: Values) -> NDArray[np.uint8]:
    """32 bits and floats: in pieces, since no table holds their values."""
    flat = values.reshape(-1)
    shown = np.empty(flat.size, np.uint8)
    header = pixels.header
    sample = _scaled(header, flat[:: max(1, flat.size // _SAMPLE)].astype(np.float64))
    sample = sample[np.isfinite(sample)]
    low, high = np.percentile(sample, PERCENTILES) if sample.size else (0.0, 0.0)
    for at in range(0, flat.size, _CHUNK):
        scaled = _scaled(header, flat[at : at + _CHUNK].astype(np.float64))
        part = _through(header, scaled)
        part = _stretched(scaled, float(low), float(high)) if part is None else part
        shown[at : at + _CHUNK] = np.rint(np.nan_to_num(part, nan=0.0) * 255).astype(np.uint8)
    shown = 255 - shown if pixels.photometric == "MONOCHROME1" else shown
    return shown.reshape(values.shape)


def _scaled(header: Header, values: Floats) -> Floats:
    """Stored values in the unit of the modality."""
    table = header.sequence(tags.MODALITY_LUT)
    if table:
        return _looked_up(header, table, values)[0]
    slope, intercept = (header.numbers(header.find(tag)) for tag in (tags.SLOPE, tags.INTERCEPT))
    with np.errstate(all="ignore"):  # a scale beyond all numbers counts as none
        scaled = values * (slope[0] if slope and slope[0] else 1.0) + (intercept[0] if intercept else 0.0)
    return scaled if np.isfinite(scaled[:1]).all() else values


def _through(header: Header, values: Floats) -> Floats | None:
    """From 0 to 1 through the file's first table, else its first window; None where it names none."""
    table = header.sequence(tags.VOI_LUT)
    if table:
        found, bits = _looked_up(header, table, values)
        return np.clip(found / ((1 << bits) - 1), 0.0, 1.0)
    named = window(header)
    if named is None:
        return None
    centre, width = named
    match _function(header):
        case "SIGMOID":
            return np.asarray(1 / (1 + np.exp(np.clip(-4 * (values - centre) / width, -700, 700))))
        case "LINEAR_EXACT":
            return np.clip((values - centre) / width + 0.5, 0.0, 1.0)
        case _ if width == 1:
            return (values > centre - 0.5).astype(np.float64)
        case _:
            return np.clip((values - (centre - 0.5)) / (width - 1) + 0.5, 0.0, 1.0)


def _looked_up(header: Header, table: Mapping[int, Element], values: Floats) -> tuple[Floats, int]:
    """(values of the table, its bits). What lies beyond it takes its first or last entry. Raises Damaged."""
    signed = bool(values.size) and float(values.min()) < 0
    descriptor, data = header.numbers(table.get(tags.LUT_DESCRIPTOR), signed=signed), table.get(tags.LUT_DATA)
    if data is None or len(descriptor) != 3 or not 1 <= descriptor[2] <= 16:
        raise Damaged("a table in it is not complete")
    entries, first, bits = int(descriptor[0]) % 65_536 or 65_536, int(descriptor[1]), int(descriptor[2])
    found = _entries(header, data, entries, bits)
    return found[np.clip(values - first, 0, entries - 1).astype(np.int64)].astype(np.float64), bits


def _counts(pixels: Pixels, values: Values, low: int, high: int) -> NDArray[np.int64]:
    """How often each possible value occurs, without those that pad the picture."""
    counts, flat = np.zeros(high - low + 1, np.int64), values.reshape(-1)
    for at in range(0, flat.size, _CHUNK):
        counts += np.bincount(flat[at : at + _CHUNK].astype(np.int32) - low, minlength=len(counts))
    header = pixels.header
    padding = header.numbers(header.find(tags.PADDING_VALUE), signed=pixels.signed)
    limit = header.numbers(header.find(tags.PADDING_LIMIT), signed=pixels.signed)
    if padding:
        ends = sorted((int(padding[0]), int((limit or padding)[0])))
        kept = counts.copy()
        kept[max(0, ends[0] - low) : max(0, ends[1] - low + 1)] = 0
        counts = kept if kept.any() else counts
    return counts


def _range(scaled: Floats, counts: NDArray[np.int64] | None) -> tuple[float, float]:
    """The values between which the picture is shown."""
    if counts is None:
        return float(scaled.min()), float(scaled.max())
    places = np.searchsorted(np.cumsum(counts), np.array(PERCENTILES) / 100 * counts.sum(), side="left")
    ends = scaled[np.minimum(places, len(scaled) - 1)]
    return float(ends.min()), float(ends.max())


def _stretched(values: Floats, low: float, high: float) -> Floats:
    if not math.isfinite(high - low) or high <= low:
        return np.full(values.shape, 0.5) if high > 0 else np.zeros(values.shape)
    return np.clip((values - low) / (high - low), 0.0, 1.0)
