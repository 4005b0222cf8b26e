"""The committed script makes the shipped models: v1 and v2 answer as shipped, whatever machine trained them."""

import io
from contextlib import redirect_stderr

import numpy as np
import onnxruntime
import pytest

from evaluation.demo import story, train


def shipped(name):
    session = onnxruntime.InferenceSession((story.DATA / name).read_bytes(), providers=["CPUExecutionProvider"])
    return session.run(["probabilities"], {"input": story.load().image.reshape(-1, 64).astype(np.float32)})[0]


@pytest.mark.parametrize(
    ("recipe", "seed", "name"), [("v1", 0, "demo_v1.onnx"), ("v2", 0, "demo_v2_s0.onnx"), ("v2", 3, "demo_v2_s3.onnx")]
)
def test_retraining_gives_the_shipped_model(recipe, seed, name):
    layers = train.RECIPES[recipe][0](seed)
    found, expected = train.probabilities(layers, story.load().image), shipped(name)
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.999
    assert np.abs(found - expected).max() < 0.01


def test_the_training_digits_are_none_of_the_test_set():
    pictures, _ = train.training_digits()
    known = {picture.tobytes() for picture in (pictures * 255).round().astype(np.uint8)}
    assert len(known) > 700
    assert not known & {image.tobytes() for image in story.load().image}


def test_distortion_is_decided_by_its_generator():
    pictures = train.training_digits()[0][:20]
    first, second = (train.distorted(pictures, np.random.default_rng(7)) for _ in range(2))
    assert (first == second).all()
    assert first.min() >= 0
    assert first.max() <= 1
    assert not (first == pictures).all(axis=(1, 2)).any()


def test_without_onnx_the_script_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(train, "onnx", None)
    said = io.StringIO()
    with redirect_stderr(said):
        assert train.main([str(tmp_path / "models")]) == 1
    assert "pip install onnx" in said.getvalue()
    assert not (tmp_path / "models").exists()
