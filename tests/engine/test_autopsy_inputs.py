"""The served model is asked again: the fault that was put between its input and its figures is named. The models are the demo's."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from evaluation.engine.arrays import BadInput
from evaluation.engine.autopsy.inputs import fault_behind, hypotheses, input_autopsy
from evaluation.engine.autopsy.outputs import output_autopsy, wrong_column
from evaluation.engine.data import Task, arm

DATA = Path(__file__).parents[2] / "evaluation" / "demo" / "data"
DIGITS = Task(tuple("0123456789"))
FAULTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "transposed": lambda x: x.swapaxes(1, 2),
    "turned_90_left": lambda x: np.rot90(x, 1, (1, 2)),
    "mirrored_left_right": lambda x: x[:, :, ::-1],
    "scaled_twice": lambda x: x / 255,
    "negative": lambda x: 255.0 - x,
}
Reader = Callable[[np.ndarray], np.ndarray]


@pytest.fixture(scope="module")
def reader() -> Reader:
    """The demo's v3 with its right preprocessing: pictures (n, 8, 8) in 0..255 to probabilities (n, 10)."""
    session = onnxruntime.InferenceSession(DATA / "demo_v3_s0.onnx", providers=["CPUExecutionProvider"])
    return lambda x: session.run(None, {"input": x.reshape(len(x), 64).astype(np.float32)})[0].astype(np.float64)


@pytest.fixture(scope="module")
def home() -> tuple[np.ndarray, np.ndarray]:
    """Pictures and digits of the writers the model knows."""
    data = np.load(DATA / "postcode_hard.npz")
    chosen = data["stratum"] == "i.i.d. hold-out"
    return data["image"][chosen], data["digit"][chosen]


@pytest.mark.parametrize("name", FAULTS)
def test_the_fault_is_named_and_the_figure_comes_back(name: str, reader: Reader, home: tuple[np.ndarray, np.ndarray]) -> None:
    pictures, digits = home
    found = input_autopsy(lambda x: reader(FAULTS[name](x)), pictures, digits, classes=10)[0]
    assert (found.hypothesis, found.n) == (name, 193)
    assert found.restored == (reader(pictures).argmax(axis=1) == digits).mean() > 0.96
    assert found.value < 0.75


@pytest.mark.parametrize("name", FAULTS)
def test_the_stored_answers_betray_the_fault_without_any_truth(name: str, reader: Reader, home: tuple[np.ndarray, np.ndarray]) -> None:
    pictures, _ = home
    found = fault_behind(reader, pictures, reader(FAULTS[name](pictures)))
    assert [each.hypothesis for each in found] == [name]
    assert (found[0].restored, found[0].numbers["largest_difference"]) == (1.0, 0.0)
    assert fault_behind(reader, pictures, reader(pictures)) == []


def test_the_story_of_the_postcode_reader(reader: Reader, home: tuple[np.ndarray, np.ndarray]) -> None:
    pictures, digits = home
    transposed = input_autopsy(lambda x: reader(x.swapaxes(1, 2)), pictures, digits, classes=10)[0]
    assert (round(transposed.value, 2), round(transposed.restored, 2), round(transposed.numbers["macro_auc"], 2)) == (0.09, 0.97, 0.6)
    twice = input_autopsy(lambda x: reader(x / 255), pictures, digits, classes=10)[0]
    assert (round(twice.value, 2), round(twice.restored, 2), round(twice.numbers["macro_auc"], 2)) == (0.09, 0.97, 0.98)
    answers = reader(pictures / 255)
    offset = output_autopsy(DIGITS, digits, arm(DIGITS, digits.size, answers.argmax(axis=1), answers))[0]
    assert (offset.hypothesis, offset.numbers["labels_used"], offset.restored > 0.8) == ("scores_offset", 1, True)


def test_the_alarm_for_one_digit(reader: Reader) -> None:
    """Of 2,822 pictures every other digit is kept and so many eights that they are 5 %; then column 9 is read, or probabilities are rounded."""
    data = np.load(DATA / "postcode_hard.npz")
    eights, others = np.flatnonzero(data["digit"] == 8), np.flatnonzero(data["digit"] != 8)
    chosen = np.concatenate([eights[: others.size // 19], others])
    answers, eight = reader(data["image"][chosen]), data["digit"][chosen] == 8
    column = wrong_column(answers, eight, 9)[0]
    assert (column.numbers["column"], column.restored > 0.95) == (8, True)
    alarm, task = np.round(answers[:, 8]), Task(("other", "eight"), 1)
    rounded = output_autopsy(task, eight.astype(int), arm(task, eight.size, alarm.astype(int), alarm))[0]
    assert (rounded.hypothesis, rounded.numbers["distinct"], rounded.restored) == ("rounded_scores", 2, None)
    sharp = output_autopsy(task, eight.astype(int), arm(task, eight.size, alarm.astype(int), answers[:, 8]))
    assert sharp == []
    assert rounded.low < rounded.value < 0.9
    assert rounded.high > 0.97


def test_right_serving_raises_nothing(reader: Reader, home: tuple[np.ndarray, np.ndarray]) -> None:
    pictures, digits = home
    assert input_autopsy(reader, pictures, digits, classes=10) == []
    answers = reader(pictures)
    assert output_autopsy(DIGITS, digits, arm(DIGITS, digits.size, answers.argmax(axis=1), answers)) == []


def colours(n: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray, Reader]:
    """Pictures (n, 6, 6, 3) in 0..1 whose class is a colour and a place, the class, and the model that knows both."""
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 6, n)
    patterns = rng.uniform(0.2, 0.8, (6, 6, 6, 3))
    pictures = np.clip(patterns[truth] + rng.normal(0, 0.1, (n, 6, 6, 3)), 0, 1)
    return pictures, truth, lambda x: -((x[:, None] - patterns) ** 2).sum(axis=(2, 3, 4)) / 0.02


MEAN, DEVIATION = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize(
    ("name", "serve"),
    [
        ("bgr", lambda x: x[..., ::-1]),
        ("normalised_none_not_imagenet", lambda x: x * DEVIATION + MEAN),
        ("normalised_imagenet_not_none", lambda x: (x - MEAN) / DEVIATION),
        ("normalised_half_not_none", lambda x: (x - 0.5) / 0.5),
        ("not_scaled", lambda x: x * 255),
    ],
)
def test_colours_and_normalisation(name: str, serve: Callable[[np.ndarray], np.ndarray], first: bool) -> None:
    pictures, truth, model = colours()

    def asked(x: np.ndarray) -> np.ndarray:
        return model(serve(np.moveaxis(x, 1, -1) if first else x))

    shown = np.moveaxis(pictures, -1, 1) if first else pictures
    found = fault_behind(lambda x: model(np.moveaxis(x, 1, -1) if first else x), shown, asked(shown))
    assert name in {each.hypothesis for each in found}
    cured = input_autopsy(asked, shown, truth, classes=6)
    if (asked(shown).argmax(axis=1) == truth).mean() < 0.8:
        assert cured[0].restored == (model(pictures).argmax(axis=1) == truth).mean()
        assert name in {each.hypothesis for each in cured if each.restored == cured[0].restored}


def test_every_cure_undoes_its_fault() -> None:
    pictures = colours(5)[0]
    for shape in (pictures, np.moveaxis(pictures, -1, 1), pictures[..., 0]):
        for each in hypotheses(shape.shape):
            np.testing.assert_allclose(each.cure(each.fault(shape)), shape, atol=1e-9, err_msg=each.name)


def test_models_that_know_nothing_are_accused_in_at_most_one_percent() -> None:
    rng, accused = np.random.default_rng(3), []
    for _ in range(60):
        pictures, truth, weights = rng.normal(0, 1, (120, 5, 5)), rng.integers(0, 5, 120), rng.normal(0, 1, (25, 5))
        bias = rng.choice([0, 3]) * rng.normal(0, 1, 5)
        accused += input_autopsy(lambda x, w=weights, b=bias: x.reshape(len(x), 25) @ w + b, pictures, truth, classes=5)
    assert accused == []


def test_what_cannot_be_asked_is_refused() -> None:
    pictures, truth, model = colours(20)
    with pytest.raises(BadInput, match="images are"):
        list(hypotheses((5, 7)))
    with pytest.raises(BadInput, match="one of 5 class codes"):
        input_autopsy(model, pictures, np.full(20, 5), classes=5)
    with pytest.raises(BadInput, match="it has 7 classes"):
        input_autopsy(model, pictures, truth, classes=7)
    with pytest.raises(BadInput, match="stored answers have shape"):
        fault_behind(model, pictures, truth)
