"""The built-in story: a postcode reader that looks excellent on its held-out digits and sags in production.

2,822 pictures of 8 × 8 grey pixels in sixteen strata: the held-out fifth of the writers seen in training, six new writers, and nine
scanner faults of 200 pictures each. `cases` yields them as PNG files with what a production service would send beside them; the
`*_document` functions give the JSON of the public API for everything else, so that the demo, the tests and a reader with curl all speak
the same language. Pure but for reading the two kinds of file in `data/`.

Source of the pictures: the digits of scikit-learn (UCI "Optical Recognition of Handwritten Digits"), equal thirteenths of the data taken
as writers; the models are what `train.py` makes.
"""

import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

DATA = Path(__file__).parent / "data"
PROJECT = "postcode"
TEST_SET = "postcode-hard"
MODEL = "postcode-reader"
CLASSES = tuple(str(digit) for digit in range(10))
FAULTS = ("grey paper", "low contrast", "faded ink", "noise", "blur", "rotated +10", "rotated -10", "shifted 1 px", "jpeg quality 10")
NEW_WRITERS = tuple(str(writer) for writer in range(8, 14))
SITES = ("harbour", "hillside", "riverside", "station")
SEEDS = (0, 1, 2, 3, 4)
_HELD_OUT = "i.i.d. hold-out"
_FIRST_SCAN = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)

Document = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class DemoCase:
    """One picture as production would send it. `label` is the true digit, `stratum` the slug of the one named stratum it belongs to."""

    external_id: str
    file_name: str
    png: bytes
    label: str
    stratum: str
    captured_at: str
    reason: str
    source: str
    attributes: dict[str, str]
    tags: tuple[str, ...] = ()

    def document(self) -> Document:
        """The `case` part of `POST /projects/{p}/cases/`."""
        return {
            "external_id": self.external_id,
            "captured_at": self.captured_at,
            "reason": self.reason,
            "source": self.source,
            "attributes": dict(self.attributes),
            "tags": list(self.tags),
        }


@dataclass(frozen=True, kw_only=True)
class DemoModelVersion:
    """One replicate of one model version: `document` for `POST …/models/{m}/versions/`, `artefact` the ONNX file of its part `model`."""

    version: str
    replicate: int
    artefact: Path
    document: Document


@dataclass(frozen=True)
class Pictures:
    """The arrays of the story, one entry a case: image uint8 (n, 8, 8), digit int64, writer int64 (1–13), source int64, stratum str."""

    image: npt.NDArray[np.uint8]
    digit: npt.NDArray[np.int64]
    writer: npt.NDArray[np.int64]
    source: npt.NDArray[np.int64]
    stratum: npt.NDArray[np.str_]


def load() -> Pictures:
    """The shipped arrays, in their fixed order."""
    with np.load(DATA / "postcode_hard.npz", allow_pickle=False) as stored:
        return Pictures(stored["image"], stored["digit"], stored["writer"], stored["source"], stored["stratum"])


def png(image: npt.NDArray[np.uint8]) -> bytes:
    """The picture (h, w) uint8 as an 8-bit greyscale PNG without metadata: equal pixels give equal bytes under one Pillow."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG", compress_level=9)
    return file.getvalue()


def slug_of(stratum: str) -> str:
    """`rotated +10` → `rotated-plus-10`; `new writer 8` → `new-writer-8`; the hold-out → `iid-hold-out`."""
    if stratum == _HELD_OUT:
        return "iid-hold-out"
    if stratum == "shifted 1 px":
        return "shifted-1px"
    return stratum.replace("+", "plus ").replace(" -", " minus ").replace(" ", "-")


def cases() -> Iterator[DemoCase]:
    """The 2,822 cases in their fixed order. No two share their bytes; `attributes["source"]` is the digit a picture was made from (the
    cluster).
    """
    pictures = load()
    for index, (image, digit, writer, source, stratum) in enumerate(
        zip(pictures.image, pictures.digit, pictures.writer, pictures.source, pictures.stratum, strict=True)
    ):
        fault = str(stratum) if str(stratum) in FAULTS else "none"
        held_out = str(stratum) == _HELD_OUT
        site = "laboratory" if held_out else SITES[int(source) % len(SITES)]
        yield DemoCase(
            external_id=f"scan-{index:04d}",
            file_name=f"scan-{index:04d}.png",
            png=png(image),
            label=str(digit),
            stratum=slug_of(str(stratum)),
            captured_at=(_FIRST_SCAN + timedelta(minutes=61 * index)).strftime("%Y-%m-%dT%H:%M:%SZ"),
            reason="held_out" if held_out else "sorted_to_the_wrong_office",
            source=site,
            attributes={
                "writer": str(writer),
                "fault": fault,
                "site": site,
                "split": "iid" if held_out else "production",
                "source": f"digit-{int(source):04d}",
            },
        )


def project_document() -> Document:
    """`POST /projects/`: ten classes, five attributes, clustered by the digit each picture was made from."""
    return {
        "slug": PROJECT,
        "name": "Postcode reader",
        "team": "mail",
        "task": "classification",
        "key_prefix": "PC",
        "classes": list(CLASSES),
        "attributes": [
            {"name": "writer", "type": "category", "values": [str(writer) for writer in range(1, 14)]},
            {"name": "fault", "type": "category", "values": ["none", *FAULTS]},
            {"name": "site", "type": "category", "values": ["laboratory", *SITES]},
            {"name": "split", "type": "category", "values": ["iid", "production"]},
            {"name": "source", "type": "text"},
        ],
        "cluster_attribute": "source",
    }


def strata_documents() -> list[Document]:
    """The sixteen named strata, each a query of the query language; together they hold every case exactly once."""
    hold_out: Document = {"slug": "iid-hold-out", "name": "Held-out digits of known writers", "q": "split:iid"}
    writers: list[Document] = [{"slug": f"new-writer-{w}", "name": f"New writer {w}", "q": f"writer:{w} fault:none"} for w in NEW_WRITERS]
    faults: list[Document] = [
        {"slug": slug_of(f), "name": f.capitalize(), "q": f'fault:"{f}"' if " " in f else f"fault:{f}"} for f in FAULTS
    ]
    return [{**stratum, "minimum": 50} for stratum in [hold_out, *writers, *faults]]


def test_set_document() -> Document:
    """`POST …/test-sets/`."""
    return {
        "slug": TEST_SET,
        "purpose": "Digits that the postcode reader meets in production: new writers and bad scans, beside the held-out digits.",
    }


def policy_document() -> Document:
    """`POST …/policies/`: no regression overall, no proven loss on any of the sixteen strata, sane scores, every case answered."""
    return {
        "slug": "postcode-release",
        "min_n": 50,
        "min_clusters": 30,
        "missing": "wrong",
        "checks": [
            {
                "name": "No regression overall",
                "kind": "no_regression",
                "metric": "accuracy",
                "stratum": "all",
                "margin": 0.02,
                "alpha": 0.05,
                "role": "gating",
            },
            {
                "name": "No proven loss on any stratum",
                "kind": "no_proven_loss",
                "metric": "accuracy",
                "stratum": "stratum:*",
                "eps": 0.03,
                "alpha": 0.05,
                "role": "guard",
            },
            {"name": "Scores are sane", "kind": "sanity", "role": "gating"},
            {"name": "Every case is answered", "kind": "coverage", "floor": 1.0, "role": "gating"},
        ],
    }


def model_document() -> Document:
    """`POST …/models/`."""
    return {"slug": MODEL, "name": "Postcode reader"}


_ARCHITECTURE = {"v1": "logistic regression", "v2": "multilayer perceptron, 64-128-10", "v3": "multilayer perceptron, 64-128-10"}
_AUGMENTATION = {"v1": "none", "v2": "none", "v3": "random rotation, shift, blur, contrast, fading, greying and noise"}


def model_versions() -> list[DemoModelVersion]:
    """Eleven replicates: v1 (in production), v2 and v3 with five seeds each, in this order."""
    return [
        _model_version("v1", 0),
        *(_model_version("v2", seed) for seed in SEEDS),
        *(_model_version("v3", seed) for seed in SEEDS),
    ]


def _model_version(version: str, seed: int) -> DemoModelVersion:
    name = "demo_v1.onnx" if version == "v1" else f"demo_{version}_s{seed}.onnx"
    script = Path(__file__).with_name("train.py")
    document: Document = {
        "version": version,
        "replicate": seed,
        "seed": seed,
        "adapter": {
            "kind": "onnx",
            "input": {"mode": "L", "size": [8, 8], "layout": "flat", "scale": 1, "mean": 0, "std": 1},
            "output": "probabilities",
        },
        "intended_choices": [
            {"name": "architecture", "value": _ARCHITECTURE[version]},
            {"name": "augmentation", "value": _AUGMENTATION[version]},
        ],
        "unintended_choices": [{"name": "seed", "value": seed}, {"name": "order of the training digits", "value": "as sorted by index"}],
        "provenance": {
            "code": {"script": "evaluation/demo/train.py", "script_sha256": hashlib.sha256(script.read_bytes()).hexdigest()},
            "data": [{"name": "four fifths of writers 1-7 of scikit-learn's digits", "writers": list(range(1, 8))}],
            "parameters": {"recipe": version, "seed": seed},
            "note": "Retraining gives other weights and the same pattern." if version == "v3" else "Retraining gives these weights.",
        },
    }
    return DemoModelVersion(version=version, replicate=seed, artefact=DATA / name, document=document)
