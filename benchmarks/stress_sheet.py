"""The contact sheet of docs/statistics/stress.md: every perturbation of pictures at every severity on one drawn scene.

python -m benchmarks.stress_sheet [file]
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from evaluation.engine.stress.images import IMAGES, perturb_image
from evaluation.engine.stress.raster import ImagePerturbation

TILE, GAP, LABEL, BLOCKS = 56, 3, 104, 3
CASE = "0" * 64
COLOURS = 96  # a palette keeps the file small


def scene(mode: str = "RGB") -> Image.Image:
    """Shades, thin lines, letters, soft and hard edges, colours; drawn at four times the size."""
    size = TILE * 4
    y, x = np.mgrid[:size, :size]
    planes = np.stack([90 + x * 90 // size, 120 + y * 70 // size, 200 - x * 100 // size], axis=-1).astype(np.uint8)
    large = Image.fromarray(planes)
    draw = ImageDraw.Draw(large)
    draw.ellipse((20, 24, 120, 124), fill=(220, 60, 50), outline=(20, 20, 20), width=5)
    draw.ellipse((52, 56, 88, 92), fill=(250, 220, 90))
    draw.rectangle((132, 20, 208, 84), fill=(245, 245, 240), outline=(20, 20, 20), width=4)
    draw.text((139, 24), "R7", fill=(20, 20, 60), font=ImageFont.load_default(50))
    for i in range(8):
        draw.line((126 + 12 * i, 100, 112 + 12 * i, 204), fill=(20, 60, 40), width=2 + i // 2)
    for i in range(5):
        draw.rectangle((16 + 20 * i, 144, 36 + 20 * i, 204), fill=(i * 60, i * 60, i * 60))
    return large.resize((TILE, TILE), Image.Resampling.LANCZOS).convert(mode)


def tiles(row: ImagePerturbation) -> list[Image.Image]:
    """A 16-bit perturbation is shown on the scene's greys."""
    clean = scene("RGB")
    if row.needs == "16-bit":
        clean = Image.fromarray(np.asarray(scene("L")).astype(np.uint16) * 251)
    made = [perturb_image(clean, row.name, severity, case_digest=CASE).picture for severity in row.severities]
    return [Image.fromarray((np.asarray(tile) >> 8).astype(np.uint8)).convert("RGB") if tile.mode == "I;16" else tile for tile in made]


def sheet() -> Image.Image:
    """Blocks of rows; sizes other than the tile's are shown to one scale."""
    rows = -(-(len(IMAGES) + 1) // BLOCKS)
    width = LABEL + 5 * (TILE + GAP) + 4 * GAP
    out = Image.new("RGB", (BLOCKS * width, rows * (TILE + GAP) + GAP), "white")
    draw, font = ImageDraw.Draw(out), ImageFont.load_default(10)
    for place, row in enumerate((None, *IMAGES)):
        left, top = place // rows * width + GAP, place % rows * (TILE + GAP) + GAP
        name, *more = ("as it is" if row is None else row.name).split("_")
        lines = [name] if not more else [f"{name}_", "_".join(more)]
        draw.multiline_text((left, top + TILE // 2 - 7 * len(lines)), "\n".join(lines), fill="black", font=font)
        for i, tile in enumerate([scene()] if row is None else tiles(row)):
            if tile.width > TILE or tile.height > TILE:
                tile.thumbnail((TILE, TILE))
            corner = (left + LABEL + i * (TILE + GAP) + (TILE - tile.width) // 2, top + (TILE - tile.height) // 2)
            out.paste(tile, corner)
    return out


def main() -> None:
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "docs/statistics/stress.png")
    sheet().quantize(COLOURS, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).save(target, optimize=True)
    print(f"{target}: {target.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
