"""Edits of one word: each gives a new word, or None where the word offers no place for it."""

import re
from collections.abc import Callable, Sequence

import numpy as np

from evaluation.engine.stress.draws import below
from evaluation.engine.stress.words import core

Edit = Callable[[str, np.random.Generator], str | None]
LEAST = 4  # shorter words become other words too easily
ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
LOOK_ALIKES = dict(zip("aceiopsxyABCEHIKMOPTXYov", "асеіорѕхуΑВСЕНІКМОРТХΥον", strict=True))
ACCENTS = dict(zip("aceinouyACEINOUY", "áçéíñóúýÁÇÉÍÑÓÚÝ", strict=True))
PLAIN_NUMBER = re.compile(r"([^\w]*?)([+-]?)(\d+|\d{1,3}(?:,\d{3})+)(\.\d+)?([.,;:!?)]*)")
SHORT = {"am": "'m", "are": "'re", "is": "'s", "have": "'ve", "will": "'ll"}
SUBJECTS = {
    "i": ("am", "have", "will"),
    "you": ("are", "have", "will"),
    "we": ("are", "have", "will"),
    "they": ("are", "have", "will"),
    "he": ("is", "will"),
    "she": ("is", "will"),
    "it": ("is", "will"),
    "that": ("is", "will"),
    "there": ("is", "will"),
}


def _neighbours() -> dict[str, str]:
    """Keys beside, above and below each letter of the QWERTY layout."""
    found = {}
    for y, row in enumerate(ROWS):
        for x, letter in enumerate(row):
            around = [(y, x - 1), (y, x + 1), (y - 1, x), (y - 1, x + 1), (y + 1, x - 1), (y + 1, x)]
            found[letter] = "".join(ROWS[b][a] for b, a in around if 0 <= b < len(ROWS) and 0 <= a < len(ROWS[b]))
    return found


KEYS = _neighbours()


def _inside(change: Callable[[str, np.random.Generator], str | None]) -> Edit:
    """An edit of the letters of a word of at least four, its punctuation kept."""

    def edit(word: str, rng: np.random.Generator) -> str | None:
        before, letters, after = core(word)
        made = change(letters, rng) if len(letters) >= LEAST else None
        return None if made is None else before + made + after

    return edit


def _pick(places: Sequence[int], rng: np.random.Generator) -> int | None:
    return places[below(rng, len(places))] if places else None


@_inside
def neighbour(letters: str, rng: np.random.Generator) -> str | None:
    place = _pick([i for i, letter in enumerate(letters) if i and letter.lower() in KEYS], rng)
    if place is None:
        return None
    keys = KEYS[letters[place].lower()]
    key = keys[below(rng, len(keys))]
    return letters[:place] + (key.upper() if letters[place].isupper() else key) + letters[place + 1 :]


@_inside
def swap(letters: str, rng: np.random.Generator) -> str | None:
    place = _pick([i for i in range(1, len(letters) - 1) if letters[i] != letters[i + 1]], rng)
    return None if place is None else letters[:place] + letters[place + 1] + letters[place] + letters[place + 2 :]


@_inside
def drop(letters: str, rng: np.random.Generator) -> str | None:
    place = 1 + below(rng, len(letters) - 1)
    return letters[:place] + letters[place + 1 :]


@_inside
def double(letters: str, rng: np.random.Generator) -> str | None:
    place = below(rng, len(letters))
    return letters[: place + 1] + letters[place:]


def case(word: str, rng: np.random.Generator) -> str | None:
    """Capitals, small letters or a capital first: one that differs."""
    forms = [form for form in dict.fromkeys((word.upper(), word.lower(), word.capitalize())) if form != word and len(form) == len(word)]
    return forms[below(rng, len(forms))] if forms else None


def punctuation(word: str, _: np.random.Generator) -> str | None:
    """A mark at the end is lost; a word without one gains a comma."""
    before, letters, after = core(word)
    if not letters:
        return None
    return before + letters if after else before + letters + ","


def _replaced(table: dict[str, str]) -> Edit:
    def edit(word: str, rng: np.random.Generator) -> str | None:
        place = _pick([i for i, letter in enumerate(word) if letter in table], rng)
        return None if place is None else word[:place] + table[word[place]] + word[place + 1 :]

    return edit


look_alike, accent = _replaced(LOOK_ALIKES), _replaced(ACCENTS)


def number(word: str, _: np.random.Generator) -> str | None:
    """Another way to write the same value: thousands with or without commas, a decimal with one more zero, a whole number as a decimal."""
    found = PLAIN_NUMBER.fullmatch(word)
    if not found or re.match(r"0\d", found[3]):  # leading zeros make it a code, not a number
        return None
    before, minus, whole, decimals, after = found.groups()
    if decimals:
        return f"{before}{minus}{whole}{decimals}0{after}"
    if "," in whole:
        return f"{before}{minus}{whole.replace(',', '')}{after}"
    if len(whole) > 3:
        return f"{before}{minus}{int(whole):,}{after}"
    return f"{before}{minus}{whole}.0{after}"


def contracted(word: str, following: str) -> str | None:
    """ "it", "is" give "it's"; None where there is no such form."""
    verb = core(following)
    short = SHORT.get(verb[1])
    if short is None or verb[0] or core(word)[1:] != (word.lstrip("\"'(["), "") or verb[1] not in SUBJECTS.get(core(word)[1].lower(), ()):
        return None
    return word + short + verb[2]


def expanded(word: str) -> list[str] | None:
    """ "it's" gives "it", "is"; possessives of names are left alone because only pronouns are known."""
    found = re.fullmatch(r"([^\w]*)([A-Za-z]+)['’](m|re|s|ve|ll)([^\w]*)", word)
    if not found or found[2].lower() not in SUBJECTS:
        return None
    verb = next(full for full, short in SHORT.items() if short == f"'{found[3]}")
    return [found[1] + found[2], verb + found[4]] if verb in SUBJECTS[found[2].lower()] else None


def contractible(words: Sequence[str]) -> list[int]:
    """Where a contraction can be made or undone; two of them never overlap."""
    places: list[int] = []
    taken = -1
    for i, word in enumerate(words):
        if i <= taken:
            continue
        joined = i + 1 < len(words) and contracted(word, words[i + 1]) is not None
        if expanded(word) is not None or joined:
            places.append(i)
            taken = i + 1 if joined and expanded(word) is None else i
    return places
