"""Uploads that mean harm, or were broken on their way: made here in code, by name. Nothing here is taken from elsewhere."""

import contextlib
import io
import struct
import sys
import time
import zlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

from hardcases.errors import Refusal
from hardcases.imaging import pictures
from tests.builders.dicom import GREY, a_dicom, deflated, encapsulated, shipped
from tests.builders.tiff import a_tiff

RLE, JPEG, J2K, DEFLATED = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.1.99"
NOISE = Image.fromarray(np.random.default_rng(5).integers(0, 256, (60, 80, 3), dtype=np.uint8))
Named = Iterator[tuple[str, bytes]]


def saved(kind: str, image: Image.Image = NOISE, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG of these chunks, with right sums."""
    body = b"".join(struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks)
    return b"\x89PNG\r\n\x1a\n" + body


def ihdr(width: int, height: int, depth: int = 8, colour: int = 0, *rest: int) -> tuple[bytes, bytes]:
    return b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, *(rest or (0, 0, 0)))


ROWS, END = (b"IDAT", zlib.compress(b"\0")), (b"IEND", b"")


@cache
def whole() -> dict[str, bytes]:
    """One good file of each kind."""
    made = {kind: saved(kind) for kind in ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF")}
    made |= {"DICOM": a_dicom(), "DICOM deflated": a_dicom(syntax=DEFLATED)}
    names = {
        "RLE": "MR_small_RLE.dcm",
        "J2K": "MR_small_jp2klossless.dcm",
        "JPEG": "SC_rgb_jpeg_dcmtk.dcm",
        "implicit": "MR_small_implicit.dcm",
    }
    return made | {f"DICOM {name}": shipped(file) for name, file in names.items()}


def broken() -> Named:
    """Cut, zeroed, repeated and swapped."""
    kinds = list(whole().items())
    for index, (name, data) in enumerate(kinds):
        for share in (0.03, 0.3, 0.6, 0.97):
            yield f"{name} cut at {share}", data[: int(len(data) * share)]
        yield f"{name} with a zeroed middle", data[: len(data) // 3] + bytes(len(data) // 3) + data[len(data) // 3 * 2 :]
        yield f"{name} with every byte twice", b"".join(bytes([byte, byte]) for byte in data[:600])
        other = kinds[(index + 1) % len(kinds)][1]
        yield f"{name} with another's beginning", other[:140] + data[140:]


def odd_pngs() -> Named:
    for width, height in ((0, 5), (5, 0), (2**31 - 1, 2**31 - 1), (100_000, 1), (1, 100_000), (2**32 - 1, 1)):
        yield f"PNG of {width} × {height}", png(ihdr(width, height), ROWS, END)
    good = (b"IDAT", zlib.compress(b"\0" + bytes(4)))
    yield "PNG without pixels", png(ihdr(4, 1), END)
    yield "PNG without a head", png(good, END)
    yield "PNG with two heads", png(ihdr(4, 1), ihdr(60_000, 60_000), good, END)
    yield "PNG of 3 bits", png(ihdr(4, 1, 3), good, END)
    yield "PNG of colour 5", png(ihdr(4, 1, 8, 5), good, END)
    yield "PNG palette that is missing", png(ihdr(4, 1, 8, 3), good, END)
    yield "PNG of another compression", png(ihdr(4, 1, 8, 0, 7, 7, 7), good, END)
    yield "PNG with a chunk of four gigabytes", png(ihdr(4, 1)) + b"\xff\xff\xff\xffIDATxx"
    yield "PNG with a wrong sum", png(ihdr(4, 1), good, END).replace(b"IDAT", b"IDAT\0", 1)
    yield "PNG of a million empty chunks", png(ihdr(4, 1), *[(b"IDAT", b"")] * 100_000, good, END)
    yield "PNG with a flood of frames", png(ihdr(4, 1), (b"acTL", struct.pack(">II", 2**31 - 1, 0)), good, END)
    text = PngImagePlugin.PngInfo()
    text.add_text("flood", "x" * 50_000_000, zip=True)
    yield "PNG with a flood of text", saved("PNG", pnginfo=text)
    yield "PNG with a flood as profile", png(ihdr(4, 1), (b"iCCP", b"x\0\0" + zlib.compress(bytes(60_000_000))), good, END)
    yield "PNG interlaced and cut", png(ihdr(400, 400, 8, 0, 0, 0, 1), good, END)
    yield "PNG with a ZIP behind it", saved("PNG") + b"PK\x03\x04" + bytes(200)


def odd_tiffs() -> Named:
    base = a_tiff(GREY)
    first = struct.unpack_from("<I", base, 4)[0]
    count = struct.unpack_from("<H", base, first)[0]

    def patched(tag: int, value: int, data: bytes = base) -> bytes:
        out = bytearray(data)
        for index in range(count):
            at = first + 2 + 12 * index
            if struct.unpack_from("<H", out, at)[0] == tag:
                struct.pack_into("<HII", out, at + 2, 4, 1, value)
        return bytes(out)

    loop = bytearray(base)
    struct.pack_into("<I", loop, first + 2 + 12 * count, first)
    yield "TIFF whose directory leads to itself", bytes(loop)
    two = bytearray(base + struct.pack("<HI", 0, first))
    struct.pack_into("<I", two, first + 2 + 12 * count, len(base))
    yield "TIFF whose two directories lead to each other", bytes(two)
    yield "TIFF whose EXIF is its own directory", a_tiff(GREY, t34665=[first % 65_536])
    yield "TIFF whose child is its own directory", a_tiff(GREY, t330=[first % 65_536] * 3)
    yield (
        "TIFF of a million directories",
        base[:4] + struct.pack("<I", 8) + b"".join(struct.pack("<HI", 0, 8 + 6 * index) for index in range(1, 1_000_000)),
    )
    for tag, value in (
        *(
            (256, 0),
            (257, 0),
            (256, 2**32 - 1),
            (257, 2**31),
            (256, 40_000),
            (257, 3_000_000_000),
            (273, 2**32 - 2),
            (279, 2**32 - 1),
            (279, 0),
        ),
        *(
            (258, 0),
            (258, 9),
            (258, 64),
            (259, 5),
            (259, 6),
            (259, 7),
            (259, 34_712),
            (259, 50_001),
            (262, 99),
            (277, 0),
            (277, 500),
            (278, 0),
        ),
        *((284, 9), (339, 17)),
    ):
        yield f"TIFF whose tag {tag} is {value}", patched(tag, value)
    yield (
        "TIFF with tiles of 2 × 10⁹",
        a_tiff(GREY, tile=16).replace(struct.pack("<HHII", 322, 4, 1, 16), struct.pack("<HHII", 322, 4, 1, 2**31 - 16)),
    )
    yield (
        "TIFF with tiles of nought",
        a_tiff(GREY, tile=16).replace(struct.pack("<HHII", 322, 4, 1, 16), struct.pack("<HHII", 322, 4, 1, 0)),
    )
    yield "TIFF with 65,535 entries that are not there", base[:first] + b"\xff\xff" + base[first + 2 :]
    yield "TIFF with a directory behind its end", b"II*\0" + struct.pack("<I", 2**31)
    yield "TIFF of big offsets that lie", b"II+\0" + struct.pack("<HHQ", 8, 0, 2**63) + bytes(64)
    yield "TIFF deflated that is none", a_tiff(GREY, deflate=True)[:9] + bytes(40) + a_tiff(GREY, deflate=True)[49:]


def odd_others() -> Named:
    for width, height in ((0, 8), (8, 0), (-8, 8), (2**31 - 1, 2**31 - 1), (8, -(2**31)), (40_000, 1)):
        head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
        yield f"BMP of {width} × {height}", b"BM" + struct.pack("<IHHI", 54 + 300, 0, 0, 54) + head + bytes(300)
    bitmap = bytearray(saved("BMP"))
    for at, value in ((14, 3), (14, 2**31), (28, 7), (30, 1), (30, 9), (10, 2**32 - 1), (46, 2**31)):
        out = bytearray(bitmap)
        struct.pack_into("<I", out, at, value)
        yield f"BMP whose word at {at} is {value}", bytes(out)
    jpeg = saved("JPEG")
    at = jpeg.index(b"\xff\xc0")
    for height, width in ((0, 0), (65_535, 65_535), (0, 80), (60, 0)):
        yield f"JPEG of {width} × {height}", jpeg[: at + 5] + struct.pack(">HH", height, width) + jpeg[at + 9 :]
    yield "JPEG of nothing but markers", b"\xff\xd8" + b"\xff\xe0\0\2" * 50_000 + b"\xff\xd9"
    yield "JPEG whose segment is shorter than its length", b"\xff\xd8\xff\xe1\xff\xff" + b"Exif\0\0"
    yield "JPEG without tables", jpeg[:2] + jpeg[at:]
    scan = saved("JPEG", NOISE.resize((1_200, 1_200)), progressive=True)
    parts = scan.split(b"\xff\xda")
    yield "JPEG of a million comments", scan[:2] + b"\xff\xfe\x00\x02" * 1_000_000 + scan[2:]
    yield "JPEG of ten thousand scans", scan[:-2] + (b"\xff\xda" + parts[-1][:40]) * 10_000 + b"\xff\xd9"
    gif = saved("GIF")
    yield "GIF of 65,535 × 65,535", gif[:6] + b"\xff\xff\xff\xff" + gif[10:]
    yield "GIF of nought", gif[:6] + bytes(4) + gif[10:]
    frame = gif.index(b",\0\0\0\0P\0")
    yield "GIF whose frame lies outside", gif[: frame + 1] + b"\xff\x7f\xff\x7f" + gif[frame + 5 :]
    yield "GIF whose frame is huge", gif[: frame + 5] + b"\xff\xff\xff\xff" + gif[frame + 9 :]
    yield "GIF with endless extensions", gif[:frame] + b"!\xfe\xff" + b"x" * 255 + (b"\xff" + b"x" * 255) * 2_000
    yield "GIF of two thousand frames", gif[:frame] + gif[frame:-1] * 2_000 + b";"
    yield "GIF of a million empty blocks", gif[: frame + 11] + b"\1x" * 1_200_000 + b"\0;"
    webp = saved("WEBP")
    yield "WebP whose size lies", webp[:4] + b"\xff\xff\xff\xff" + webp[8:]
    yield "WebP of 16 million a side", b"RIFF" + struct.pack("<I", 22) + b"WEBPVP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + b"\xff" * 6
    yield "WebP of nothing", b"RIFF\x04\0\0\0WEBP"


def odd_dicoms() -> Named:
    def element(group: int, number: int, vr: bytes, value: bytes, size: int | None = None) -> bytes:
        length = len(value) if size is None else size
        head = struct.pack("<HH", group, number) + vr
        return head + (struct.pack("<HI", 0, length) if vr in {b"OW", b"OB", b"SQ", b"UN", b"UT"} else struct.pack("<H", length)) + value

    start = a_dicom()
    meta = start[: 132 + 12 + int.from_bytes(start[140:144], "little")]
    yield "DICOM of nothing but its beginning", bytes(128) + b"DICM"
    yield "DICOM of nothing behind its head", meta
    yield "DICOM that begins a program", b"MZ" + start[2:]
    yield "DICOM that begins a GIF", b"GIF89a=1;" + start[9:]
    for name, elements in {
        "no rows": {"Rows": None},
        "rows of nought": {"Rows": 0},
        "65,535 rows": {"Rows": 65_535},
        "65,535 rows and columns": {"Rows": 65_535, "Columns": 65_535},
        "frames of nought below": {"NumberOfFrames": -1},
        "two billion frames": {"NumberOfFrames": 2**31 - 1},
        "999 frames that are not there": {"NumberOfFrames": 999},
        "64 samples": {"SamplesPerPixel": 64},
        "7 bits in 7": {"BitsAllocated": 7, "BitsStored": 7},
        "more bits than there are": {"BitsStored": 40},
        "no bits": {"BitsStored": 0},
        "a high bit beyond": {"HighBit": 60},
        "colours that are none": {"PhotometricInterpretation": "OCTARINE"},
        "a palette that is missing": {"PhotometricInterpretation": "PALETTE COLOR"},
        "halved colours of grey": {"PhotometricInterpretation": "YBR_FULL_422", "SamplesPerPixel": 3},
        "no pixels": {"PixelData": None},
        "pixels of no bytes": {"PixelData": b""},
        "a window of nothing": {"WindowCenter": 1, "WindowWidth": 0},
        "a slope of nothing": {"RescaleSlope": 0, "RescaleIntercept": 5},
        "an endless scale": {"RescaleSlope": "1e308", "RescaleIntercept": "1e308"},
    }.items():
        yield f"DICOM with {name}", a_dicom(**elements)
    tail = start[len(meta) :]
    yield "DICOM with a value of four gigabytes", meta + element(8, 0x60, b"UN", b"CT", 2**32 - 2) + tail
    yield (
        "DICOM nested ten thousand deep",
        meta + (element(8, 0x1140, b"SQ", b"", 2**32 - 1) + b"\xfe\xff\x00\xe0\xff\xff\xff\xff") * 10_000,
    )
    yield "DICOM of a flood of elements", meta + element(8, 0x60, b"CS", b"") * 150_000 + tail
    yield "DICOM of a flood of items", meta + element(8, 0x1140, b"SQ", b"\xfe\xff\x00\xe0\0\0\0\0" * 150_000) + tail
    yield "DICOM of unknown sequences in each other", meta + element(8, 0x1140, b"UN", b"\xfe\xff\x00\xe0" * 50_000) + tail
    yield "DICOM with a lookup table of nothing", meta + element(0x28, 0x3010, b"SQ", b"\xfe\xff\x00\xe0\0\0\0\0") + tail
    yield "DICOM whose representations are none", meta + tail.replace(b"CS", b"\0\1").replace(b"US", b"zz")
    yield "DICOM of an unknown transfer syntax", a_dicom().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.113619.5.2\0\0")
    yield "DICOM that says it is compressed and is not", a_dicom().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.5\0")
    small: dict[str, Any] = {"values": np.zeros((16, 16), np.uint8)}
    yield "DICOM of empty fragments", encapsulated(b"\0\0", J2K, **small)
    yield "DICOM of run lengths that lead outside", encapsulated(struct.pack("<16I", 1, 2**31, *[0] * 14), RLE, **small)
    yield "DICOM of fifteen planes of nothing", encapsulated(struct.pack("<16I", 15, *[64] * 15), RLE, **small)
    yield (
        "DICOM with a large JPEG for a small picture",
        encapsulated(saved("JPEG", NOISE.convert("L").resize((4_000, 4_000))), JPEG, **small),
    )
    stream = shipped("MR_small_jp2klossless.dcm")
    at = stream.index(b"\xff\x51")
    yield "DICOM whose JPEG 2000 is larger than it says", stream[: at + 6] + struct.pack(">II", 2**31, 2**31) + stream[at + 14 :]
    yield "DICOM whose JPEG 2000 has four thousand tiles", stream[: at + 22] + struct.pack(">II", 1, 1) + stream[at + 30 :]
    yield "DICOM whose JPEG 2000 has tiles of nought", stream[: at + 22] + bytes(8) + stream[at + 30 :]
    yield "DICOM deflated of nothing", deflated(b"")
    yield "DICOM deflated of noise", deflated(np.random.default_rng(2).bytes(5_000))


def not_pictures() -> Named:
    for name, data in {
        "nothing": b"",
        "a byte": b"\x89",
        "noughts": bytes(5_000),
        "a script": b"#!/bin/sh\nrm -rf /\n",
        "a program": b"MZ\x90\0" + bytes(400),
        "another program": b"\x7fELF\x02\x01\x01" + bytes(400),
        "a drawing": b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><image href="file:///etc/passwd"/></svg>',
        "entities": b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><svg>&b;</svg>',
        "a page": b"<!DOCTYPE html><script>alert(1)</script>",
        "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(%pipe%id) (r) file\n",
        "binary PostScript": b"\xc5\xd0\xd3\xc6" + bytes(400),
        "a PDF": b"%PDF-1.7\n1 0 obj << /OpenAction << /S /JavaScript >> >>\n",
        "a PDF with a picture in it": b"%PDF-1.7\n" + saved("JPEG"),
        "an icon": b"\0\0\1\0\1\0" + bytes(400),
        "a cursor": b"\0\0\2\0\1\0" + bytes(400),
        "an archive": b"PK\3\4" + bytes(400),
        "a gzip": b"\x1f\x8b\x08" + bytes(400),
        "a HEIC": b"\0\0\0\x1cftypheic" + bytes(400),
        "an AVIF": b"\0\0\0\x1cftypavif" + bytes(400),
        "a film": b"\0\0\0\x1cftypisom" + bytes(400),
        "bare JPEG 2000": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(400),
        "a Photoshop file": b"8BPS\0\1" + bytes(400),
        "FITS": b"SIMPLE  =                    T" + bytes(400),
        "a metafile": b"\xd7\xcd\xc6\x9a" + bytes(400),
        "words": "Ein Bild sagt mehr als tausend Wörter.".encode() * 100,
        "GIF words": b"GIF89a/*" + b"x" * 200 + b"*/=1;alert(1)",
        "a pickle": b"\x80\x04cos\nsystem\n(S'id'\ntR.",
    }.items():
        yield f"{name}, renamed", data


def bombs() -> Named:
    """Small files that unpack to as much as the limits allow, or to more."""
    nearly = 7_000
    rows = zlib.compress(bytes((nearly + 1) * nearly), 9)
    yield "PNG of 49 million pixels", png(ihdr(nearly, nearly), (b"IDAT", rows), END)
    yield "PNG that unpacks to more than it says", png(ihdr(16, 16), (b"IDAT", rows), END)
    yield "GIF of 25 million pixels", saved("GIF", Image.new("L", (5_000, 5_000)))
    yield "TIFF of 25 million pixels", saved("TIFF", Image.new("L", (5_000, 5_000)), compression="tiff_adobe_deflate")
    yield "TIFF that unpacks to more than it says", a_tiff(GREY, deflate=True)[:8] + zlib.compress(bytes(100_000_000)) + a_tiff(GREY)
    yield "WebP of 25 million pixels", saved("WEBP", Image.new("L", (5_000, 5_000)), lossless=True, quality=0, method=0)
    yield "DICOM that unpacks to a flood", deflated(bytes(170_000_000))
    run = struct.pack("<16I", 1, 64, *[0] * 14) + bytes([129, 7]) * (nearly * nearly // 128 + 1)
    yield (
        "DICOM of 49 million pixels in run lengths",
        encapsulated(run, RLE, values=np.zeros((4, 4), np.uint8), Rows=nearly, Columns=nearly),
    )
    yield "DICOM of run lengths beyond its picture", encapsulated(run, RLE, values=np.zeros((16, 16), np.uint8))


def uploads() -> dict[str, bytes]:
    """All but the bombs, by name."""
    return dict(pair for make in (broken, odd_pngs, odd_tiffs, odd_others, odd_dicoms, not_pictures) for pair in make())


def set_off() -> None:
    """Look at every bomb, show what may be shown, and print the most memory that was taken, in megabytes, and the most time of the processor, in seconds."""
    longest = 0.0
    for _, data in bombs():
        began = time.process_time()
        with contextlib.suppress(Refusal):
            pictures.inspect(data)
            pictures.copies(data)
        longest = max(longest, time.process_time() - began)
    status = Path("/proc/self/status").read_text(encoding="ascii")  # ru_maxrss would begin with what the process that started this one had
    memory = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    sys.stdout.write(f"{memory // 1024} {longest}\n")
