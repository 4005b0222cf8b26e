"""English text as words and gaps, and which words no perturbation may touch: those that negate, and those that hold a digit."""

import re
from dataclasses import dataclass

NEGATIONS = frozenset(
    """no not non none nobody nothing nowhere neither nor never without cannot cant dont doesnt didnt isnt arent wasnt werent wont wouldnt
    shouldnt couldnt mustnt hasnt havent hadnt aint absent absence deny denies denied denying negative exclude excludes excluded lack lacks
    lacking free unless except hardly barely scarcely rarely seldom""".split()  # noqa: SIM905 - one a line would be fifty lines
)
APOSTROPHES = str.maketrans("", "", "'’ʼ")
LETTERS = re.compile(r"[^\W\d_]+(?:['’ʼ-][^\W\d_]+)*")


@dataclass(frozen=True)
class Text:
    """`gaps[i]` stands before `words[i]`, the last one after the last word; joined together they are the text."""

    words: tuple[str, ...]
    gaps: tuple[str, ...]

    def joined(self) -> str:
        return "".join(part for pair in zip(self.gaps, (*self.words, ""), strict=True) for part in pair)


def split(text: str) -> Text:
    """Words are what stands between white space, punctuation included."""
    words = text.split()
    gaps, place = [], 0
    for word in words:
        start = text.index(word, place)
        gaps.append(text[place:start])
        place = start + len(word)
    return Text(tuple(words), (*gaps, text[place:]))


def negates(word: str) -> bool:
    """Whether some part of the word is a negation, whatever its case and apostrophe: "Not", "isn’t", "non-smoker"."""
    return any(
        plain in NEGATIONS or (plain.endswith("nt") and part != plain)
        for found in LETTERS.findall(word.lower())
        for part in (found, *found.split("-"))
        for plain in [part.translate(APOSTROPHES)]
    )


def protected(word: str) -> bool:
    """Negations and whatever holds a digit."""
    return negates(word) or any(letter.isdigit() for letter in word)


def core(word: str) -> tuple[str, str, str]:
    """(punctuation before, letters, punctuation after); the letters are "" where the word is none or holds anything else inside."""
    found = re.fullmatch(r"([^\w]*)([^\W\d_]+)([^\w]*)", word)
    return (found[1], found[2], found[3]) if found else (word, "", "")
