"""Perturbations of pictures: the same bytes everywhere, mode and size kept, severities that grow and mean what the registry says."""

import itertools
import json
from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from evaluation.engine.arrays import BadInput
from evaluation.engine.stress.images import IMAGES, codec_versions, perturb_image
from evaluation.engine.stress.raster import MODES, ImagePerturbation, raster_of
from tests.engine.stress.samples import CASE, GOLDEN, golden_pictures, picture

ROWS = {row.name: row for row in IMAGES}
GRADED = [row for row in IMAGES if len(row.steps) == 5]
every = pytest.mark.parametrize("row", IMAGES, ids=lambda row: row.name)


def made(image: Image.Image, name: str, severity: int = 1, case: str = CASE, seed: int = 0) -> NDArray[np.int32]:
    return raster_of(perturb_image(image, name, severity, case_digest=case, seed=seed).picture).values


@lru_cache
def smooth(mode: str = "L", size: int = 96) -> Image.Image:
    """Blobs of every size, the larger the stronger, as in natural pictures; the same picture in every size and mode."""
    noise = np.random.default_rng(4).normal(size=(192, 192, 3))
    scales = [ndimage.gaussian_filter(noise, (width, width, 0), mode="wrap") * width**1.5 for width in (1, 2, 4, 8, 16, 32)]
    soft = sum(scales).reshape(size, 192 // size, size, 192 // size, 3).mean(axis=(1, 3))
    soft = (soft - soft.min()) / np.ptp(soft)
    if mode == "I;16":
        return Image.fromarray((soft[:, :, 0] * 65535).astype(np.uint16))
    eight = (soft * 255).astype(np.uint8)
    return Image.fromarray(eight if mode == "RGB" else eight[:, :, 0])


def flat(level: int, size: int = 200) -> Image.Image:
    return Image.fromarray(np.full((size, size), level, dtype=np.uint8))


class SameBytesTests:
    def test_golden_digests(self) -> None:
        known = json.loads(GOLDEN.read_text(encoding="utf-8"))
        found = golden_pictures()
        if known["codec"] != codec_versions():  # another libjpeg may round otherwise; nothing else depends on it
            for row in IMAGES:
                if row.codec:
                    del found[row.name], known["images"][row.name]
        assert found == known["images"]

    @every
    def test_another_seed_or_case_changes_exactly_the_stochastic(self, row: ImagePerturbation) -> None:
        image = picture("I;16" if row.needs == "16-bit" else "RGB")
        digests = {
            perturb_image(image, row.name, 1, case_digest=case, seed=seed).digest for case in (CASE, "ab" * 32) for seed in (0, 1, 2, 3, 4)
        }
        assert (len(digests) > 1) == row.stochastic

    @given(st.sampled_from(IMAGES), st.sampled_from(MODES), st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**62))
    def test_same_bytes_mode_size_and_range(self, row: ImagePerturbation, mode: str, height: int, width: int, seed: int) -> None:
        image = picture(mode, height, width)
        before = image.tobytes()
        for severity in row.severities:
            one, two = (perturb_image(image, row.name, severity, case_digest=CASE, seed=seed) for _ in range(2))
            assert one.picture.tobytes() == two.picture.tobytes()
            assert one.digest == two.digest
            assert one.picture.mode == mode
            assert row.resizes or one.picture.size == image.size
            assert one.changed == (one.picture.size != image.size or one.picture.tobytes() != before)
            values = raster_of(one.picture)
            assert values.values.min() >= 0
            assert values.values.max() <= values.top
        assert image.tobytes() == before

    def test_only_jpeg_names_a_codec(self) -> None:
        named = [row.name for row in IMAGES if perturb_image(picture("RGB"), row.name, 1, case_digest=CASE).codec]
        assert named == ["jpeg"]

    def test_what_cannot_change_comes_back_as_it_is(self) -> None:
        for name, mode in (("saturation_down", "L"), ("bgr_for_rgb", "I;16"), ("bytes_swapped", "RGB")):
            assert not perturb_image(picture(mode), name, 1, case_digest=CASE).changed

    @every
    def test_transparency_is_moved_but_never_perturbed(self, row: ImagePerturbation) -> None:
        image = picture("RGBA")
        before = np.asarray(image)[:, :, 3]
        after = np.asarray(perturb_image(image, row.name, row.severities[-1], case_digest=CASE).picture)[:, :, 3]
        assert np.array_equal(before, after) == (not row.moves)


class SeverityTests:
    @pytest.mark.parametrize("mode", ["RGB", "I;16"])
    @pytest.mark.parametrize("row", [row for row in GRADED if not row.resizes], ids=lambda row: row.name)
    def test_the_change_grows(self, row: ImagePerturbation, mode: str) -> None:
        if row.needs and mode == "I;16":
            return
        image = smooth(mode)
        start = raster_of(image)
        seeds = range(8) if row.stochastic else range(1)
        change = [
            np.mean([np.abs(made(image, row.name, severity, seed=seed) - start.values).mean() for seed in seeds]) / start.top
            for severity in row.severities
        ]
        assert change[0] > 0
        assert all(more > less for less, more in itertools.pairwise(change)), change

    @pytest.mark.parametrize("name", ["crop", "padding"])
    def test_the_size_changes_more_and_more(self, name: str) -> None:
        sizes = [made(picture("L", 100, 100), name, severity).shape[:2] for severity in range(1, 6)]
        steps = np.diff([(100, 100), *sizes], axis=0)
        assert (steps < 0).all() if name == "crop" else (steps > 0).all()

    @pytest.mark.parametrize(
        "name", ["brightness_up", "gaussian_noise", "gaussian_blur", "defocus", "translation", "occlusion", "vignetting"]
    )
    def test_a_severity_is_alike_in_8_and_16_bits_and_in_sizes(self, name: str) -> None:
        def change(mode: str, size: int) -> float:
            image = smooth(mode, size)
            start = raster_of(image)
            runs = [np.abs(made(image, name, 4, seed=seed) - start.values).mean() / start.top for seed in range(4)]
            return float(np.mean(runs))

        assert change("I;16", 96) == pytest.approx(change("L", 96), rel=0.1)
        assert change("L", 192) == pytest.approx(change("L", 64), rel=0.5)


class CalibrationTests:
    """What the registry states, measured or done by an independent implementation."""

    def test_brightness(self) -> None:
        for severity, percent in enumerate((10, 20, 30, 40, 50), 1):
            assert made(flat(100), "brightness_up", severity)[0, 0, 0] == 100 + (percent * 255 + 50) // 100
            assert made(flat(200), "brightness_down", severity)[0, 0, 0] == 200 - (percent * 255 + 50) // 100

    def test_contrast_keeps_the_mean(self) -> None:
        image = Image.fromarray(np.repeat(np.array([[100, 140]], dtype=np.uint8), 50, axis=0))
        assert [sorted({*made(image, "contrast_down", s).ravel().tolist()}) for s in (1, 5)] == [[104, 136], [116, 124]]

    @pytest.mark.parametrize("name", ["gamma_up", "gamma_down"])
    @pytest.mark.parametrize("mode", ["L", "I;16"])
    def test_gamma_is_the_power_law(self, name: str, mode: str) -> None:
        image = smooth(mode)
        start = raster_of(image)
        for severity, eighths in enumerate(ROWS[name].steps, 1):
            exact = start.top * (start.values / start.top) ** (eighths / 8)
            assert np.abs(made(image, name, severity) - exact).max() <= 0.5 + 1e-6

    def test_saturation_ends_in_grey(self) -> None:
        grey = made(smooth("RGB"), "saturation_down", 5)
        assert (np.ptp(grey, axis=2) == 0).all()
        assert np.abs(grey[:, :, 0] - np.asarray(smooth("RGB").convert("L"))).max() <= 1

    def test_noise(self) -> None:
        for severity in range(1, 6):
            step = ROWS["gaussian_noise"].steps[severity - 1]
            noise = made(Image.fromarray(np.full((200, 200), 32768, dtype=np.uint16)), "gaussian_noise", severity)
            assert noise.std() == pytest.approx(step / 100 * 65535, rel=0.03)
            assert noise.mean() == pytest.approx(32768, abs=4 * noise.std() / 200)
        quarter, half = (made(Image.fromarray(np.full((200, 200), v, dtype=np.uint16)), "shot_noise", 1).std() for v in (16384, 32768))
        assert half == pytest.approx(0.04 * 65535 * 0.5**0.5, rel=0.03)
        assert half / quarter == pytest.approx(2**0.5, rel=0.03)

    def test_salt_and_pepper(self) -> None:
        noise = made(flat(100), "salt_and_pepper", 5)
        assert (noise != 100).mean() == pytest.approx(0.1, rel=0.1)
        assert (noise == 255).sum() == pytest.approx((noise == 0).sum(), rel=0.15)

    def test_missing_lines_and_stripes(self) -> None:
        lost = (made(flat(100), "missing_lines", 4) == 0).all(axis=1).sum()
        assert lost == 16
        bands = made(flat(128), "stripes", 5)
        assert (bands.max() - 128, 128 - bands.min()) == pytest.approx((0.16 * 255, 0.16 * 255), abs=3)

    @pytest.mark.parametrize("mode", ["L", "I;16"])
    def test_gaussian_blur_is_scipys(self, mode: str) -> None:
        image = picture(mode, 120, 100)
        start = raster_of(image)
        for severity, step in enumerate(ROWS["gaussian_blur"].steps, 1):
            exact = ndimage.gaussian_filter(start.values[:, :, 0].astype(float), step / 10, mode="nearest")
            error = np.abs(made(image, "gaussian_blur", severity)[:, :, 0] - exact) / start.top
            assert error.mean() < 0.01  # three boxes are not quite a Gaussian
            point = np.zeros((101, 100), dtype=np.uint16)
            point[50, 50] = 65535
            spread = made(Image.fromarray(point), "gaussian_blur", severity)[:, :, 0].astype(float)
            place = np.arange(101) - 50
            assert (spread.sum(axis=1) @ place**2) / spread.sum() == pytest.approx((step / 10) ** 2, rel=0.04)

    def test_defocus_is_a_disc(self) -> None:
        image = picture("L", 80, 100)
        y, x = np.mgrid[-9:10, -9:10]
        for severity, step in enumerate(ROWS["defocus"].steps, 1):
            disc = np.clip(step * 80 / 1000 + 1 - np.hypot(x, y), 0, 1)
            exact = ndimage.correlate(np.asarray(image, dtype=float), disc / disc.sum(), mode="nearest")
            assert np.abs(made(image, "defocus", severity)[:, :, 0] - exact).max() < 1.5

    def test_motion_is_a_line(self) -> None:
        point = np.zeros((100, 100), dtype=np.uint16)
        point[50, 50] = 65535
        for severity, step in enumerate(ROWS["motion_blur"].steps, 1):
            line = made(Image.fromarray(point), "motion_blur", severity)[:, :, 0]
            assert min(len(np.unique(axis)) for axis in np.nonzero(line)) == 1
            assert 65535 / line.max() == pytest.approx(1 + step / 10, rel=0.01)

    @pytest.mark.parametrize("name", ["rotation_anticlockwise", "rotation_clockwise"])
    def test_rotation_is_pillows(self, name: str) -> None:
        image, inside = smooth(), slice(20, 76)
        for severity, degrees in enumerate(ROWS[name].steps, 1):
            exact = np.asarray(image.rotate(degrees if "anti" in name else -degrees, Image.Resampling.BILINEAR), dtype=int)
            assert np.abs(made(image, name, severity)[inside, inside, 0] - exact[inside, inside]).max() <= 3

    def test_translation_is_a_shift(self) -> None:
        image = picture("L", 100, 100)
        start = np.asarray(image).astype(int)
        ways = [(down, across) for down in (-8, 0, 8) for across in (-8, 0, 8)]
        shifted = {np.roll(start, way, (0, 1))[10:-10, 10:-10].tobytes(): way for way in ways}
        found = {shifted[made(image, "translation", 3, seed=seed)[10:-10, 10:-10, 0].astype(int).tobytes()] for seed in range(40)}
        assert len(found) == 8
        assert (0, 0) not in found

    def test_zoom_and_squeeze(self) -> None:
        image = smooth()
        half = np.asarray(image.transform(image.size, Image.Transform.AFFINE, (2 / 3, 0, 16, 0, 2 / 3, 16), Image.Resampling.BILINEAR))
        assert np.abs(made(image, "scale_up", 5)[5:-5, 5:-5, 0] - half[5:-5, 5:-5].astype(int)).max() <= 2
        column = made(image, "squeeze", 5)[:, :19, 0]
        assert (column == column[:, :1]).all()  # 60 % as wide: the outer fifth repeats the border

    def test_occlusion_covers_its_area(self) -> None:
        image = Image.fromarray(np.random.default_rng(0).integers(0, 2, (100, 80), dtype=np.uint8) * 255)
        for severity, percent in enumerate(ROWS["occlusion"].steps, 1):
            grey = ~np.isin(made(image, "occlusion", severity), (0, 255))
            assert grey.mean() == pytest.approx(percent / 100, abs=0.01)

    def test_resolution_loss_averages_like_pillow(self) -> None:
        image = picture("L", 90, 60)
        small = image.resize((12, 18), Image.Resampling.BOX)
        blocks = np.asarray(small.resize((60, 90), Image.Resampling.NEAREST)).astype(int)
        assert np.abs(made(image, "pixelation", 5)[:, :, 0] - blocks).max() <= 1
        soft = np.asarray(small.resize((60, 90), Image.Resampling.BILINEAR)).astype(int)
        assert np.abs(made(image, "resolution_loss", 5)[:, :, 0] - soft).max() <= 2

    def test_levels(self) -> None:
        ramp = Image.fromarray(np.arange(65536, dtype=np.uint16).reshape(256, 256))
        for severity, bits in enumerate(ROWS["bit_depth"].steps, 1):
            levels = np.unique(made(ramp, "bit_depth", severity))
            assert (levels.size, levels[0], levels[-1]) == (2**bits, 0, 65535)
        assert np.unique(made(ramp, "quantisation", 4)).tolist() == [0, 13107, 26214, 39321, 52428, 65535]

    def test_jpeg_is_pillows(self, tmp_path) -> None:
        image = smooth("RGB")
        image.save(tmp_path / "x.jpg", quality=20, subsampling="4:2:0")
        assert np.array_equal(made(image, "jpeg", 4), np.asarray(Image.open(tmp_path / "x.jpg")))

    def test_mirrors_and_turns_undo_themselves(self) -> None:
        image = picture("RGBA", 5, 9)
        for name, times in (("flip_horizontal", 2), ("flip_vertical", 2), ("half_turn", 2), ("transposition", 2), ("quarter_turn", 4)):
            turned = image
            for _ in range(times):
                turned = perturb_image(turned, name, 1, case_digest=CASE).picture
            assert turned.tobytes() == image.tobytes()
            assert not ROWS[name].label_kept

    def test_preprocessing_faults(self) -> None:
        assert set(made(smooth("L"), "scaled_twice").ravel().tolist()) == {0, 1}
        assert made(picture("I;16"), "bytes_swapped")[3, 4, 0] == int.from_bytes(
            int(np.asarray(picture("I;16"))[3, 4]).to_bytes(2, "big"), "little"
        )
        assert np.array_equal(made(picture("RGB"), "bgr_for_rgb"), np.asarray(picture("RGB"))[:, :, ::-1])
        stretched = made(Image.fromarray(np.array([[50, 100, 150]], dtype=np.uint8)), "min_max_stretch")
        assert stretched.ravel().tolist() == [0, 128, 255]


class BadInputTests:
    def test_a_severity_that_there_is_not(self) -> None:
        for name, severity in (("jpeg", 0), ("jpeg", 6), ("inversion", 2)):
            with pytest.raises(BadInput, match=name):
                perturb_image(picture("L"), name, severity, case_digest=CASE)

    @pytest.mark.parametrize("mode", ["P", "CMYK", "F", "I"])
    def test_a_mode_that_has_to_be_converted(self, mode: str) -> None:
        with pytest.raises(BadInput, match="convert it"):
            perturb_image(Image.new(mode, (4, 4)), "jpeg", 1, case_digest=CASE)

    def test_a_picture_without_pixels_and_a_digest_that_is_none(self) -> None:
        with pytest.raises(BadInput, match="no pixel"):
            perturb_image(Image.new("L", (0, 4)), "jpeg", 1, case_digest=CASE)
        with pytest.raises(BadInput, match="64 hexadecimal"):
            perturb_image(picture("L"), "jpeg", 1, case_digest="case 12")
