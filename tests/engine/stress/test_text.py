"""Perturbations of text: negations and numbers untouched, as many words changed as stated, the same bytes everywhere."""

import difflib
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evaluation.engine.arrays import BadInput
from evaluation.engine.stress.edits import KEYS
from evaluation.engine.stress.text import FILLERS, TEXTS, TextPerturbation, perturb_text, wanted
from evaluation.engine.stress.words import NEGATIONS, negates, split
from tests.engine.stress.samples import CASE, GOLDEN, NOTE, golden_texts

ROWS = {row.name: row for row in TEXTS}
every = pytest.mark.parametrize("row", TEXTS, ids=lambda row: row.name)
plain = [
    "The",
    "note",
    "know",
    "lesion",
    "is",
    "it",
    "stable",
    "growing",
    "“large”",
    "(left)",
    "we",
    "have",
    "they",
    "are",
    "nodule",
    "I",
    "will",
    "it's",
]
others = ["not", "No", "never", "isn't", "don’t", "without", "non-smoker", "denies", "61", "12.5", "1,200", "-3", "T2N0", "absent."]
texts = st.lists(st.sampled_from([*plain, *others, "end.", "why?", "then,"]), min_size=1, max_size=60).map(" ".join)


def made(text: str, name: str, severity: int = 3, seed: int = 0) -> str:
    return perturb_text(text, name, severity, case_digest=CASE, seed=seed).text


def negations(text: str) -> list[str]:
    return [word.strip(".,") for word in text.split() if negates(word)]


def numbers(text: str) -> list[float]:
    return [float(found.replace(",", "")) for found in re.findall(r"(?<![\w.])-?\d[\d,]*(?:\.\d+)?(?![\w])", text)]


class PromiseTests:
    @given(st.sampled_from(TEXTS), texts, st.integers(1, 5), st.integers(0, 1000))
    def test_negations_numbers_and_shares(self, row: TextPerturbation, text: str, severity: int, seed: int) -> None:
        out = perturb_text(text, row.name, severity, case_digest=CASE, seed=seed)
        assert negations(out.text) == negations(text)
        before = numbers(text)
        assert numbers(out.text) == (before[: len(numbers(out.text))] if row.name == "truncation" else before)
        asked = wanted(out.words, row.step(severity))
        assert out.touched <= asked or row.name == "fillers"
        assert out.changed == (out.text != text)
        assert out == perturb_text(text, row.name, severity, case_digest=CASE, seed=seed)

    @every
    def test_as_many_words_as_stated(self, row: TextPerturbation) -> None:
        text = " ".join(["Lesions we have seen weekly, it is stated, measured 1500 mm."] * 40)
        words = text.split()
        for severity in row.severities:
            out = perturb_text(text, row.name, severity, case_digest=CASE)
            asked = wanted(len(words), row.step(severity))
            assert out.words == len(words)
            if row.name == "fillers":
                assert asked <= len(out.text.split()) - len(words) == out.touched < asked + 8
                continue
            assert out.touched == min(asked, 40 if row.name == "number_formats" else 80 if row.name == "contractions" else asked)
            if row.kind in {"typing", "form", "characters"} and row.name != "white_space":
                assert sum(a != b for a, b in zip(words, out.text.split(), strict=True)) == asked

    @every
    def test_another_seed_changes_exactly_the_stochastic(self, row: TextPerturbation) -> None:
        assert (len({made(NOTE, row.name, 1, seed) for seed in range(8)}) > 1) == row.stochastic

    def test_golden_digests(self) -> None:
        known = json.loads(GOLDEN.read_text(encoding="utf-8"))
        assert golden_texts() == known["texts"]

    @every
    def test_nothing_to_change(self, row: TextPerturbation) -> None:
        assert made("", row.name) == ""
        assert made("  \n", row.name) == "  \n"
        assert "never" in made("never", row.name)
        assert made("\ud800", row.name).count("\ud800") == 1  # half a character, as JSON may hold it

    def test_a_slip_never_makes_a_negation(self) -> None:
        for seed in range(60):
            assert not set(made("note note note knot noor none-such", "typo_drop", 5, seed).split()) & {"not", "no", "nor"}

    def test_fillers_negate_nothing_and_hold_no_number(self) -> None:
        assert not any(negates(word) or any(letter.isdigit() for letter in word) for line in FILLERS for word in line.split())

    @pytest.mark.parametrize("word", ["Not", "isn't", "ISN’T", "non-smoker", "cannot", "(without)", "dont", "negative."])
    def test_what_negates(self, word: str) -> None:
        assert negates(word)

    @pytest.mark.parametrize("word", ["notable", "patient", "it's", "know", "normal", "novel"])
    def test_what_does_not_negate(self, word: str) -> None:
        assert not negates(word)
        assert word not in NEGATIONS


class EditTests:
    @given(texts)
    def test_words_and_gaps_are_the_text(self, text: str) -> None:
        spaced = f" \t{text}\n".replace(" is ", "\u00a0is  ")
        assert split(spaced).joined() == spaced

    def test_typing(self) -> None:
        for seed in range(20):
            (old, new), *rest = _differences("Growing lesions", made("Growing lesions", "typo_neighbour", 1, seed))
            assert not rest
            assert [b in KEYS[a] for a, b in zip(old, new, strict=True) if a != b] == [True]
            (old, new), *_ = _differences("Growing lesions", made("Growing lesions", "typo_swap", 1, seed))
            assert sorted(old) == sorted(new)
            (old, new), *_ = _differences("Growing lesions", made("Growing lesions", "typo_drop", 1, seed))
            assert (len(new), new[0]) == (len(old) - 1, old[0])
            (old, new), *_ = _differences("Growing lesions", made("Growing lesions", "typo_double", 1, seed))
            assert len(new) == len(old) + 1

    def test_form(self) -> None:
        assert made("lesion", "case").lower() == "lesion"
        assert [made(word, "punctuation") for word in ("end.", "then", "(left)")] == ["end", "then,", "(left"]
        assert made("grows slowly", "white_space").split() == ["grows", "slowly"]

    def test_look_alikes_look_alike_but_are_not_latin(self) -> None:
        out = made("cape", "look_alikes")
        assert len(out) == 4
        assert not out.isascii()
        assert made("senor", "diacritics") != "senor"

    @pytest.mark.parametrize(
        ("long", "short"), [("It is stable.", "It's stable."), ("so they are, then", "so they're, then"), ("(we have seen", "(we've seen")]
    )
    def test_contractions_go_both_ways(self, long: str, short: str) -> None:
        assert made(long, "contractions") == short
        assert made(short, "contractions") == long

    def test_contractions_leave_negations_and_possessives_alone(self) -> None:
        assert made("It isn't Anna's, he won't.", "contractions", 5) == "It isn't Anna's, he won't."
        assert made("it is not", "contractions") == "it's not"

    @pytest.mark.parametrize(
        ("old", "new"),
        [("1200", "1,200"), ("1,200.", "1200."), ("12.5", "12.50"), ("(-3)", "(-3.0)"), ("T2", "T2"), ("007", "007"), ("0.5", "0.50")],
    )
    def test_number_formats(self, old: str, new: str) -> None:
        assert made(old, "number_formats") == new

    def test_truncation_keeps_the_sentence_of_the_last_negation(self) -> None:
        text = "There is no sign of it. One two three four."
        assert made(text, "truncation", 5) == "There is no sign of it."
        assert made("One two three four five six. No more", "truncation", 5) == "One two three four five six. No more"
        assert not ROWS["truncation"].label_kept

    def test_bad_severity(self) -> None:
        with pytest.raises(BadInput, match="case has severities 1 to 5"):
            made("x", "case", 6)


def _differences(before: str, after: str) -> list[tuple[str, str]]:
    assert difflib.SequenceMatcher(a=before, b=after).ratio() > 0.8
    return [(a, b) for a, b in zip(before.split(), after.split(), strict=True) if a != b]
