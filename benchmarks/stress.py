"""What a perturbed picture costs beside two libraries that augment pictures, and what a stress report costs: CPU time, one thread.

    python -m benchmarks.stress [side]

The peers need an environment of their own (numpy scipy pillow albumentations imagecorruptions "setuptools<81"); without them only our column
is printed. They compute in floating point or OpenCV and promise no bytes; the ratio is ours / theirs, so above 1 is the price of that promise.
"""

import importlib
import importlib.util
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from evaluation.engine.stress.evaluate import Outcomes, outcomes, stress_report
from evaluation.engine.stress.images import IMAGES, perturb_image
from evaluation.engine.stress.plan import Plan

CASE = "5" * 64
BUDGET = 0.15  # CPU seconds for each measurement, and at least three rounds
CORRUPTIONS = {  # its gaussian_blur calls an argument that scikit-image has dropped
    "brightness_up": "brightness",
    "contrast_down": "contrast",
    "saturation_up": "saturate",
    "gaussian_noise": "gaussian_noise",
    "shot_noise": "shot_noise",
    "salt_and_pepper": "impulse_noise",
    "defocus": "defocus_blur",
    "motion_blur": "motion_blur",
    "pixelation": "pixelate",
    "jpeg": "jpeg_compression",
}
TRANSFORMS: dict[str, tuple[str, dict[str, Any]]] = {
    "brightness_up": ("RandomBrightnessContrast", {"brightness_limit": (0.3, 0.3), "contrast_limit": (0, 0)}),
    "contrast_down": ("RandomBrightnessContrast", {"brightness_limit": (0, 0), "contrast_limit": (-0.5, -0.5)}),
    "gamma_up": ("RandomGamma", {"gamma_limit": (200, 200)}),
    "saturation_up": ("ColorJitter", {"brightness": (1, 1), "contrast": (1, 1), "saturation": (1.6, 1.6), "hue": (0, 0)}),
    "inversion": ("InvertImg", {}),
    "gaussian_noise": ("GaussNoise", {"std_range": (0.08, 0.08)}),
    "shot_noise": ("ShotNoise", {"scale_range": (0.1, 0.1)}),
    "salt_and_pepper": ("SaltAndPepper", {"amount": (0.02, 0.02)}),
    "gaussian_blur": ("GaussianBlur", {"sigma_limit": (3.4, 3.4), "blur_limit": 0}),
    "defocus": ("Defocus", {"radius": (4, 4)}),
    "motion_blur": ("MotionBlur", {"blur_limit": (9, 9)}),
    "sharpening": ("UnsharpMask", {"sigma_limit": (2.2, 2.2), "blur_limit": 0}),
    "rotation_anticlockwise": ("Rotate", {"limit": (10, 10)}),
    "translation": ("Affine", {"translate_percent": (0.08, 0.08)}),
    "scale_up": ("Affine", {"scale": (1.2, 1.2)}),
    "shear": ("Affine", {"shear": (10, 10)}),
    "flip_horizontal": ("HorizontalFlip", {}),
    "transposition": ("Transpose", {}),
    "occlusion": ("CoarseDropout", {"num_holes_range": (1, 1), "hole_height_range": (0.39, 0.39), "hole_width_range": (0.39, 0.39)}),
    "pixelation": ("Downscale", {"scale_range": (0.45, 0.45)}),
    "bit_depth": ("Posterize", {"num_bits": 4}),
    "jpeg": ("ImageCompression", {"quality_range": (40, 40)}),
}
Work = Callable[[], object]


def microseconds(work: Work) -> float:
    """CPU time of one call, after one to warm up."""
    work()
    start, rounds = time.process_time(), 0
    while rounds < 3 or time.process_time() - start < BUDGET:
        work()
        rounds += 1
    return (time.process_time() - start) / rounds * 1e6


def peers(pixels: np.ndarray[Any, Any]) -> dict[str, dict[str, Work]]:
    """By library and by our name, what does about the same as our severity 3."""
    found: dict[str, dict[str, Work]] = {}
    if importlib.util.find_spec("cv2"):
        importlib.import_module("cv2").setNumThreads(1)
    if importlib.util.find_spec("imagecorruptions"):
        corrupt = importlib.import_module("imagecorruptions").corrupt
        found["imagecorruptions"] = {
            ours: lambda name=name: corrupt(pixels, corruption_name=name, severity=3) for ours, name in CORRUPTIONS.items()
        }
    if importlib.util.find_spec("albumentations"):
        library = importlib.import_module("albumentations")
        made = {ours: getattr(library, name)(p=1, **settings) for ours, (name, settings) in TRANSFORMS.items()}
        found["albumentations"] = {ours: lambda transform=transform: transform(image=pixels) for ours, transform in made.items()}
    return found


def pictures(side: int) -> None:
    """One line a perturbation, and the medians of the ratios."""
    y, x = np.mgrid[:side, :side]
    noise = np.random.default_rng(0).integers(0, 40, (side, side, 3))
    pixels = (np.stack([y * 200 // side, x * 200 // side, (x + y) * 100 // side], axis=-1) + noise).astype(np.uint8)
    picture, others = Image.fromarray(pixels), peers(pixels)
    print(f"{side} x {side} RGB, severity 3, µs a picture" + "".join(f"; {name} (ours / theirs)" for name in others))
    ratios: dict[str, list[float]] = {name: [] for name in others}
    for row in IMAGES:
        severity = min(3, len(row.steps))
        ours = microseconds(lambda row=row, severity=severity: perturb_image(picture, row.name, severity, case_digest=CASE))
        line = f"{row.name:24}{ours:9.0f}"
        for name, works in others.items():
            if row.name in works:
                theirs = microseconds(works[row.name])
                ratios[name].append(ours / theirs)
                line += f"{theirs:12.0f} ({ours / theirs:7.2f})"
            else:
                line += " " * 22
        print(line)
    for name, values in ratios.items():
        print(f"median ratio to {name}: {np.median(values):.2f} over {len(values)} perturbations")


def reporting(cases: int = 100_000) -> None:
    """A report of candidate and baseline over 25 steps."""
    plan, rng = Plan(("gaussian_blur", "jpeg", "gaussian_noise", "gamma_up", "shear"), (1, 2, 3, 4, 5)), np.random.default_rng(0)

    def model() -> Outcomes:
        return outcomes(plan, rng.random(cases) < 0.9, rng.random((len(plan.steps), cases)) < 0.8)

    ours, theirs = model(), model()
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    stress_report(plan, ours, theirs)
    took, answers = time.process_time() - start, cases * len(plan.steps)
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / answers
    print(f"report of {answers:,} answers of two models: {took:.1f} s, {more:.0f} bytes an answer")


if __name__ == "__main__":
    reporting()
    pictures(int(sys.argv[1]) if len(sys.argv) > 1 else 224)
