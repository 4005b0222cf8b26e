"""Laws of fingerprints: what must be found is found, and the same input gives the same numbers everywhere."""

import os
import subprocess
import sys

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hardcases.groups import likeness
from hardcases.groups.likeness import BITS, LEAST, NOTHING, Print, of_picture, of_record, of_text, signed
from hardcases.imaging.fingerprints import bits_of, picture_bits
from tests.builders.groups import a_scene, png

bits = st.integers(0, 2**BITS - 1)
places = st.sets(st.integers(0, BITS - 1), max_size=4)
words = st.text(st.characters(codec="utf-8"), min_size=1)


def a_picture_print(value: int) -> Print:
    return Print("picture", bits=value)


class BandTests:
    @given(bits, places)
    def test_four_of_sixty_four_bits_never_hide_a_picture(self, value: int, changed: set[int]) -> None:
        other = value
        for place in changed:
            other ^= 1 << place
        one, two = a_picture_print(value).bands(), a_picture_print(other).bands()
        assert one is not None
        assert two is not None
        assert any(mine == theirs for mine, theirs in zip(one, two, strict=True))
        assert a_picture_print(value).likeness([signed(other)])[0] == 1 - len(changed) / BITS
        assert a_picture_print(value).likeness([other])[0] >= LEAST["picture"]

    @given(bits)
    def test_the_bands_hold_every_bit_once(self, value: int) -> None:
        for place in range(BITS):
            one, two = a_picture_print(value).bands(), a_picture_print(value ^ (1 << place)).bands()
            assert one is not None
            assert two is not None
            assert sum(mine != theirs for mine, theirs in zip(one, two, strict=True)) == 1

    @given(bits)
    def test_a_database_holds_them(self, value: int) -> None:
        stored = signed(value)
        assert stored is not None
        assert -(2**63) <= stored < 2**63
        assert stored & (2**64 - 1) == value

    def test_shares_in_common_are_found_as_often_as_said(self) -> None:
        rng = np.random.default_rng(5)
        for share in (0.8, 0.9, 1.0):
            found = 0
            for _ in range(400):
                pool = [f"f{number}={number}" for number in rng.choice(10**9, 100, replace=False)]
                common = round(100 * share)
                one = of_record(dict.fromkeys(pool[:common] + [f"{name}a" for name in pool[common:]]))
                two = of_record(dict.fromkeys(pool[:common] + [f"{name}b" for name in pool[common:]]))
                found += any(mine == theirs for mine, theirs in zip(one.bands() or (), two.bands() or (), strict=True))
            alike = common / (200 - common)
            expected = 1 - (1 - alike**likeness.ROWS) ** likeness.BANDS
            assert abs(found / 400 - expected) < 4 * (expected * (1 - expected) / 400) ** 0.5 + 1e-9


class TextTests:
    @given(words)
    def test_case_width_and_gaps_make_no_difference(self, text: str) -> None:
        assert of_text(f"  {text}\n").minhash == of_text(text).minhash
        assert of_text(f"a {text}").minhash == of_text(f"A \t {text}").minhash

    @given(st.lists(st.tuples(words, st.integers()), min_size=1, unique_by=lambda item: item[0]), st.randoms())
    def test_the_order_of_a_record_makes_no_difference(self, items: list[tuple[str, int]], random: object) -> None:
        shuffled = list(items)
        random.shuffle(shuffled)  # type: ignore[attr-defined]
        assert of_record(dict(items)).minhash == of_record(dict(shuffled)).minhash

    @given(words, words)
    def test_likeness_is_mutual_and_whole_only_with_itself(self, one: str, other: str) -> None:
        left, right = of_text(one), of_text(other)
        if NOTHING not in {left, right}:
            assert left.likeness([right.minhash])[0] == right.likeness([left.minhash])[0]
            assert left.likeness([left.minhash])[0] == 1

    def test_the_estimate_is_near_the_truth(self) -> None:
        for common in (10, 50, 90):
            names = [str(number) for number in range(100)]
            one = of_record(dict.fromkeys(names, 1))
            two = of_record(dict.fromkeys(names[:common], 1) | dict.fromkeys(names[common:], 2))
            assert abs(one.likeness([two.minhash])[0] - common / (200 - common)) < 0.2

    def test_nothing_is_like_nothing(self) -> None:
        assert of_text(" \n") == of_record({}) == of_picture(None, shorter_side=100) == NOTHING
        assert NOTHING.bands() is None

    def test_another_process_finds_the_same_numbers(self) -> None:
        code = "from hardcases.groups.likeness import of_text; print(of_text('The scan is unclear.').minhash.hex())"
        seen = set()
        for seed in ("1", "2"):
            asked = subprocess.run(
                [sys.executable, "-c", code], env=os.environ | {"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
            )
            seen.add(asked.stdout.strip())
        assert seen == {of_text("The scan is unclear.").minhash.hex()}  # type: ignore[union-attr]
        assert of_text("The scan is unclear.").bands() == BANDS_OF_A_TEXT


BANDS_OF_A_TEXT = (1284099264, 1181167790, 56874871, 1835224332, 421482328)


class PictureTests:
    @settings(deadline=None, max_examples=30)
    @given(st.integers(0, 10**6), st.integers(48, 300), st.floats(0.5, 1.0))
    def test_scaling_and_dimming_keep_a_picture_alike(self, seed: int, side: int, light: float) -> None:
        scene = a_scene(seed, side=200)
        one = picture_bits(png(scene))
        other = picture_bits(png(scene.point(lambda value: value * light).resize((side, side))))
        if one is not None and other is not None:
            assert (one ^ other).bit_count() <= 8

    def test_strangers_are_far_apart(self) -> None:
        found = [picture_bits(png(a_scene(seed))) for seed in range(40)]
        assert None not in found
        distances = [(one ^ other).bit_count() for at, one in enumerate(found) for other in found[:at]]  # type: ignore[operator]
        assert min(distances) > 8

    def test_half_of_the_bits_are_set(self) -> None:
        assert (bits_of(np.asarray(a_scene(3, side=32))) or 0).bit_count() == BITS // 2

    def test_a_flat_picture_has_none(self) -> None:
        grey = np.full((32, 32), 100, dtype=np.uint8)
        assert bits_of(grey) is None
        grey[:2, :20] = 255  # a mark in a corner is too little to compare
        assert bits_of(grey) is None
        grey[:, :16] = 200
        assert bits_of(grey) is not None

    def test_a_tiny_picture_must_be_more_alike(self) -> None:
        assert of_picture(1, shorter_side=31).kind == "tiny"
        assert of_picture(1, shorter_side=32).kind == "picture"
        assert LEAST["tiny"] > LEAST["picture"]
