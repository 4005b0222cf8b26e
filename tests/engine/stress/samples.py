"""Inputs made of integers alone, the same everywhere, and the golden digests of what each perturbation makes of them.

`python -m tests.engine.stress.samples` writes the golden file again; do so only when a perturbation is changed on purpose.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from evaluation.engine.stress.images import IMAGES, codec_versions, perturb_image
from evaluation.engine.stress.raster import MODES
from evaluation.engine.stress.records import RECORDS, Field, perturb_record
from evaluation.engine.stress.text import TEXTS, perturb_text

GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "stress.json"
CASE = "c0" * 32
NOTE = """The patient is 61 years old and has no fever. It's likely that the nodule, measured at 12.5 mm, was not seen before.
"We have compared 1,200 images," she said; they don't match and nobody knows why. Follow-up in 6 weeks is recommended, if it is growing."""
SCHEMA = (
    Field(name="age", kind="number", low=0, high=120, whole=True),
    Field(name="crp", kind="number", low=0.0, high=500.0),
    Field(name="creatinine", kind="number", low=0.0, high=20.0),
    Field(name="site", kind="category", values=("north", "south", "clinic seven")),
    Field(name="sex", kind="category", values=("F", "M")),
    Field(name="seen", kind="date"),
    Field(name="taken", kind="date"),
    Field(name="smoker", kind="boolean"),
    Field(name="device", kind="text"),
)
RECORD: dict[str, Any] = {
    "age": 61,
    "crp": 12.5,
    "creatinine": 1.1,
    "site": "clinic seven",
    "sex": "F",
    "seen": "2026-01-31",
    "taken": "2026-01-30T10:15:00Z",
    "smoker": False,
    "device": "XR-7",
    "undeclared": "kept",
}


def picture(mode: str, height: int = 24, width: int = 17) -> Image.Image:
    """Slopes and edges, in any mode."""
    y, x = np.mgrid[:height, :width]
    planes = [(y * 7 + x * 3) % 256, (x * 11 + y) % 256, (x * y) % 256, 255 - (x + y) % 64]
    if mode == "1":
        return Image.fromarray(planes[0] > 127)
    if mode == "I;16":
        return Image.fromarray((planes[0] * 251 + planes[1]).astype(np.uint16))
    picked = {"L": planes[:1], "LA": [planes[0], planes[3]], "RGB": planes[:3], "RGBA": planes}[mode]
    made = np.stack(picked, axis=-1).astype(np.uint8)
    return Image.fromarray(made[:, :, 0] if mode == "L" else made)


def golden_pictures() -> dict[str, str]:
    """Per perturbation one digest over its outputs of every mode, size and severity."""
    made = {}
    for row in IMAGES:
        total = hashlib.sha256()
        for mode in MODES:
            for height, width in ((24, 17), (8, 8), (1, 5)):
                for severity in row.severities:
                    total.update(perturb_image(picture(mode, height, width), row.name, severity, case_digest=CASE, seed=7).digest.encode())
        made[row.name] = total.hexdigest()
    return made


def golden_texts() -> dict[str, list[str]]:
    return {row.name: [perturb_text(NOTE, row.name, s, case_digest=CASE, seed=7).digest for s in row.severities] for row in TEXTS}


def golden_records() -> dict[str, list[str]]:
    return {
        row.name: [perturb_record(RECORD, SCHEMA, row.name, s, case_digest=CASE, seed=7).digest for s in row.severities] for row in RECORDS
    }


if __name__ == "__main__":
    made = {"codec": codec_versions(), "images": golden_pictures(), "texts": golden_texts(), "records": golden_records()}
    GOLDEN.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
