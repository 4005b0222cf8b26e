"""Out of the domain: photos and noise are refused, and of real digits about as many as was promised."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits, load_sample_image
from sklearn.decomposition import PCA

from evaluation.engine.arrays import BadInput
from evaluation.engine.intervals import wilson
from evaluation.engine.ood import STATISTICS, _components, fit, image_statistics, refusal_figures, refused_shares, statistics_of
from evaluation.engine.strata import Grouping


def named(image: np.ndarray, peak: float = 255.0) -> dict[str, float]:
    return dict(zip(STATISTICS, image_statistics(image, peak).tolist(), strict=True))


def test_statistics_of_plain_pictures() -> None:
    grey = named(np.full((4, 8), 51))
    assert grey == {
        "mean": pytest.approx(0.2), "deviation": pytest.approx(0, abs=1e-12), "entropy": 0, "edges": 0, "dark": 0, "bright": 0,
        "border": pytest.approx(0.2), "saturation": 0, "aspect": pytest.approx(np.log(2)),
    }  # fmt: skip
    board = named(np.indices((8, 8)).sum(axis=0) % 2 * 255)
    assert (board["entropy"], board["edges"], board["dark"], board["bright"], board["deviation"]) == (1, 1, 0.5, 0.5, 0.5)
    framed = np.zeros((6, 6))
    framed[1:-1, 1:-1] = 255
    assert (named(framed)["border"], named(255 - framed)["border"]) == (0, 1)
    red = np.zeros((5, 5, 3))
    red[..., 0] = 255
    assert named(red)["saturation"] == 1


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.integers(1, 12), st.integers(1, 12), st.sampled_from([None, 1, 3, 4]))
def test_statistics_are_finite_and_do_not_depend_on_the_unit(seed: int, height: int, width: int, channels: int | None) -> None:
    shape = (height, width) if channels is None else (height, width, channels)
    picture = np.random.default_rng(seed).integers(0, 256, shape)
    found = image_statistics(picture)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(image_statistics(picture / 255, peak=1.0), found, atol=1e-9)
    if channels == 3:
        np.testing.assert_allclose(image_statistics(picture[..., ::-1]), found, atol=1e-9)


@pytest.fixture(scope="module")
def digits() -> tuple[np.ndarray, np.ndarray]:
    """Scikit-learn's digits as bytes and their writers: equal thirteenths."""
    images = (load_digits().images / 16 * 255).round().astype(np.uint8)
    return images, np.arange(len(images)) * 13 // len(images)


@pytest.fixture(scope="module")
def crops() -> np.ndarray:
    """200 crops of a photo, of all sizes, brought to 8 × 8."""
    photo, rng, out = load_sample_image("china.jpg").mean(axis=2), np.random.default_rng(0), []
    for _ in range(200):
        side = 8 * int(rng.integers(5, 40))
        top, left = rng.integers(0, photo.shape[0] - side), rng.integers(0, photo.shape[1] - side)
        out.append(photo[top : top + side, left : left + side].reshape(8, side // 8, 8, side // 8).mean(axis=(1, 3)))
    return np.round(out)


def test_photos_and_noise_are_refused_and_few_digits(digits: tuple[np.ndarray, np.ndarray], crops: np.ndarray) -> None:
    images, writer = digits
    known = np.flatnonzero(writer < 7)
    held = np.sort(np.random.default_rng(0).permutation(known)[: known.size // 5])
    home = np.setdiff1d(known, held)
    detector = fit(statistics_of(images[home]), images[home], refuse=0.02)

    def refused(pictures: np.ndarray) -> np.ndarray:
        return detector.refuses(statistics_of(pictures), pictures)

    noise = np.random.default_rng(1).integers(0, 256, (200, 8, 8))
    assert refused(crops).all()
    assert refused(noise).all()
    assert refused(images[held]).mean() < 0.06
    new = refused(images[writer >= 7])
    assert 0.02 < new.mean() < 0.08  # nobody promised anything about writers who were not there
    shares = refused_shares(refused(images), [Grouping([str(k) for k in range(13)], writer)])
    assert [each.name for each in shares] == [str(k) for k in range(13)]
    assert shares[7].low < shares[7].value < shares[7].high
    found = refusal_figures(np.concatenate([new, refused(crops)]), np.repeat([False, True], [new.size, 200]))
    assert (found.right.value, found.missed.k, found.wrong.k) == (1, 0, int(new.sum()))
    assert found.right.low < 1


@pytest.mark.parametrize("refuse", [0.05, 0.2])
def test_the_promise_is_kept_on_average(refuse: float) -> None:
    rng, rates = np.random.default_rng(5), []
    for run in range(100):
        home, fresh = rng.standard_t(3, (120, 4)), rng.standard_t(3, (200, 4))  # heavy tails: no distribution is assumed
        detector = fit(home, refuse=refuse, seed=str(run).encode())
        rates.append(detector.refuses(fresh).mean())
        assert ((detector.p_values(fresh) <= refuse) == detector.refuses(fresh)).all()
    assert refuse - 0.03 < np.mean(rates) < refuse + 3 * np.std(rates) / 10


def test_reconstruction_is_that_of_principal_components() -> None:
    rng = np.random.default_rng(2)
    flat = rng.normal(0, 1, (300, 3)) @ rng.normal(0, 1, (3, 36)) + 0.01 * rng.normal(0, 1, (300, 36))
    mean, axes = _components(flat)
    oracle = PCA(0.95, svd_solver="full").fit(flat)
    assert axes.shape[1] == oracle.n_components_
    np.testing.assert_allclose(mean, oracle.mean_)
    np.testing.assert_allclose(axes @ axes.T, oracle.components_.T @ oracle.components_, atol=1e-9)
    detector = fit(rng.normal(0, 1, (300, 2)), flat.reshape(300, 6, 6), refuse=0.01)
    strange = detector.parts(np.zeros((1, 2)), (flat[:1] + np.eye(36)[:1] * 30).reshape(1, 6, 6))[0]
    assert strange[1] > 10 > strange[0]


def test_clusters_stay_in_one_half() -> None:
    rng = np.random.default_rng(4)
    writer = np.repeat(np.arange(40), 15)
    vectors = rng.normal(0, 2, (40, 3))[writer] + 0.2 * rng.normal(0, 1, (600, 3))
    fresh = rng.normal(0, 2, (300, 3)) + 0.2 * rng.normal(0, 1, (300, 3))
    aware = [fit(vectors, refuse=0.05, clusters=writer, seed=bytes([k])).refuses(fresh).mean() for k in range(10)]
    blind = [fit(vectors, refuse=0.05, seed=bytes([k])).refuses(fresh).mean() for k in range(10)]
    assert np.mean(aware) < np.mean(blind)


def test_too_small_a_rate_for_so_few_pictures_refuses_nothing() -> None:
    vectors = np.random.default_rng(0).normal(0, 1, (40, 2))
    detector = fit(vectors, refuse=0.01)
    assert detector.threshold == float("inf")
    assert not detector.refuses(vectors * 1000).any()


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_refusals_are_counted_once(pairs: list[tuple[bool, bool]]) -> None:
    refused, outside = np.array(pairs).T
    found = refusal_figures(refused, outside)
    assert found.right.k + found.missed.k == outside.sum() == found.right.n
    assert found.wrong.k + found.right.k == refused.sum() == found.precision.n
    for share in (found.right, found.missed, found.wrong, found.precision):
        if share.n:
            assert (share.low, share.high) == pytest.approx(tuple(float(x) for x in wilson(share.k, share.n)))
        else:
            assert (share.value, share.low) == (None, None)


def test_clusters_widen_the_interval_of_refused_shares() -> None:
    refused = np.repeat(np.arange(40) % 4 == 0, 5)
    alone = refused_shares(refused, [Grouping(["all"], np.zeros(200, dtype=int))])[0]
    together = refused_shares(refused, [Grouping(["all"], np.zeros(200, dtype=int))], np.repeat(np.arange(40), 5))[0]
    assert (alone.k, together.k, together.clusters) == (50, 50, 40)
    assert together.high - together.low > 1.8 * (alone.high - alone.low)


def test_what_is_no_picture_is_named() -> None:
    with pytest.raises(BadInput, match="picture 1: a picture is"):
        statistics_of([np.zeros((2, 2)), np.zeros(4)])
    with pytest.raises(BadInput, match="picture 0: the picture holds"):
        statistics_of([np.full((2, 2), np.nan)])
    with pytest.raises(BadInput, match="too few"):
        fit(np.zeros((10, 2)), refuse=0.05)
    with pytest.raises(BadInput, match="lies between 0 and 1"):
        fit(np.zeros((100, 2)), refuse=5)
    with pytest.raises(BadInput, match="of one cluster"):
        fit(np.zeros((100, 2)), refuse=0.1, clusters=np.zeros(100))
    with pytest.raises(BadInput, match="row 3: not finite"):
        fit(np.where(np.arange(100)[:, None] == 3, np.nan, np.zeros((100, 2))), refuse=0.1)
    with pytest.raises(BadInput, match="it needs them"):
        fit(np.random.default_rng(0).normal(0, 1, (50, 2)), np.zeros((50, 4)), refuse=0.1).refuses(np.zeros((1, 2)))
    with pytest.raises(BadInput, match="row 1: refused is true or false"):
        refusal_figures([0, 2], [True, False])
