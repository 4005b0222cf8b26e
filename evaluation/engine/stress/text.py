"""English text under stress: slips of the keyboard, case, punctuation, white space, look-alikes, contractions, numbers, length.

Two promises hold for all of them: words that negate are never touched, made or removed, and no number changes its value. The severity is a share
of the words, rounded and at least one, of which no more are changed than can be.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from evaluation.engine.seeds import generator
from evaluation.engine.stress import edits
from evaluation.engine.stress.base import Domain, Perturbation, named, seed_of
from evaluation.engine.stress.draws import below, chosen
from evaluation.engine.stress.words import Text, negates, protected, split

SHARES = (5, 10, 15, 20, 30)
FILLERS = (
    "Thank you for looking at this.",
    "This was written on an ordinary day.",
    "The usual form was used.",
    "Please see the text as a whole.",
    "It was a pleasure to write this.",
    "The page was printed as always.",
)


@dataclass(frozen=True, kw_only=True)
class TextPerturbation(Perturbation):
    """`apply` takes the text, the share in percent and a Generator, and returns the new text and how many words were changed, added or cut."""

    apply: Callable[[Text, int, np.random.Generator], tuple[Text, int]]
    domain: Domain = "text"


@dataclass(frozen=True)
class PerturbedText:
    """`digest` is over the UTF-8 bytes; `touched` counts the words changed, added or cut, out of `words` before."""

    text: str
    digest: str
    touched: int
    words: int

    @property
    def changed(self) -> bool:
        return self.touched > 0


def perturb_text(text: str, name: str, severity: int, *, case_digest: str, seed: int = 0) -> PerturbedText:
    """`text` under one perturbation. Raises BadInput for a name or severity there is not and a malformed case digest."""
    perturbation = named(TEXTS, name)
    step, seeded = perturbation.step(severity), seed_of(case_digest, name, severity, seed)
    before = split(text)
    after, touched = perturbation.apply(before, step, generator(seeded)) if before.words else (before, 0)
    made = after.joined()
    return PerturbedText(made, hashlib.sha256(made.encode("utf-8", "surrogatepass")).hexdigest(), touched, len(before.words))


def wanted(words: int, percent: int) -> int:
    """How many of `words` a share asks for: at least one."""
    return max((words * percent + 50) // 100, 1)


def each_word(edit: edits.Edit, guard: Callable[[str], bool] = protected) -> Callable[[Text, int, np.random.Generator], tuple[Text, int]]:
    """Change single words by `edit`, which gives None where it cannot; an edit that would make a negation is not made."""

    def apply(text: Text, percent: int, rng: np.random.Generator) -> tuple[Text, int]:
        made = [None if guard(word) else edit(word, rng) for word in text.words]
        able = [(i, new) for i, new in enumerate(made) if new is not None and new != text.words[i] and not negates(new)]
        picked = dict(able[i] for i in chosen(rng, len(able), wanted(len(text.words), percent)))
        return Text(tuple(picked.get(i, word) for i, word in enumerate(text.words)), text.gaps), len(picked)

    return apply


def white_space(text: Text, percent: int, rng: np.random.Generator) -> tuple[Text, int]:
    """Gaps between words doubled, or a tab, a line's end or a no-break space in their place."""
    picked = set(chosen(rng, len(text.words) - 1, wanted(len(text.words), percent)))
    kinds = ("  ", "\t", "\n", "\u00a0")
    gaps = []
    for i, gap in enumerate(text.gaps):
        others = [kind for kind in kinds if kind != gap]
        gaps.append(others[below(rng, len(others))] if i - 1 in picked else gap)
    return Text(text.words, tuple(gaps)), len(picked)


def contractions(text: Text, percent: int, rng: np.random.Generator) -> tuple[Text, int]:
    """ "It is" becomes "It's" and the other way; never one that holds a negation."""
    places = edits.contractible(text.words)
    picked = {places[i] for i in chosen(rng, len(places), wanted(len(text.words), percent))}
    words: list[str] = []
    gaps: list[str] = []
    skip = False
    for i, word in enumerate(text.words):
        if skip:
            skip = False
            continue
        gaps.append(text.gaps[i])
        longer = edits.expanded(word) if i in picked else None
        shorter = edits.contracted(word, text.words[i + 1]) if i in picked and longer is None else None
        if longer is not None:
            gaps.append(" ")
        words += longer if longer is not None else [shorter if shorter is not None else word]
        skip = shorter is not None
    return Text(tuple(words), (*gaps, text.gaps[-1])), len(picked)


def truncation(text: Text, percent: int, _: np.random.Generator) -> tuple[Text, int]:
    """Words cut off at the end, as a length limit does; the sentence that holds the last negation is never cut into."""
    last = max((i for i, word in enumerate(text.words) if negates(word)), default=-1)
    ends = [i + 1 for i, word in enumerate(text.words) if i >= last and word.rstrip("\"')]}").endswith((".", "!", "?"))]
    floor = (ends[0] if ends else len(text.words)) if last >= 0 else 1
    cut = max(min(wanted(len(text.words), percent), len(text.words) - floor), 0)
    kept = len(text.words) - cut
    return (Text(text.words[:kept], (*text.gaps[:kept], "")), cut) if cut else (text, 0)


def fillers(text: Text, percent: int, rng: np.random.Generator) -> tuple[Text, int]:
    """Whole sentences that say nothing, before or after the text, until their words make up the share."""
    before: list[str] = []
    after: list[str] = []
    while len(before) + len(after) < wanted(len(text.words), percent):
        (before, after)[below(rng, 2)].extend(FILLERS[below(rng, len(FILLERS))].split())
    words = (*before, *text.words, *after)
    inner = [text.gaps[0] if not before else " ", *text.gaps[1:-1]]
    gaps = (
        (text.gaps[0], *[" "] * (len(before) - 1), *inner, *[" "] * len(after), text.gaps[-1])
        if before
        else (*inner, *[" "] * len(after), text.gaps[-1])
    )
    return Text(words, gaps), len(before) + len(after)


_row = partial(TextPerturbation, steps=SHARES, stochastic=True)
_typo = partial(_row, kind="typing", source="Belinkov & Bisk 2018; Ribeiro et al. 2020 (CheckList)")
TEXTS = (
    _typo(
        name="typo_neighbour",
        unit="{} % of the words: a letter replaced by its neighbour on the keyboard",
        apply=each_word(edits.neighbour),
    ),
    _typo(name="typo_swap", unit="{} % of the words: two letters exchanged", apply=each_word(edits.swap)),
    _typo(name="typo_drop", unit="{} % of the words: a letter left out", apply=each_word(edits.drop)),
    _typo(name="typo_double", unit="{} % of the words: a letter twice", apply=each_word(edits.double)),
    _row(
        name="case",
        kind="form",
        unit="{} % of the words in other case",
        source="headlines, shouting, no shift key",
        apply=each_word(edits.case),
    ),
    _row(
        name="punctuation",
        kind="form",
        unit="{} % of the words: a mark lost, or a comma gained",
        source="dictation and optical reading",
        apply=each_word(edits.punctuation),
    ),
    _row(
        name="white_space",
        kind="form",
        unit="{} % of the words: another gap beside them",
        source="copying from tables and PDF",
        apply=white_space,
    ),
    _row(
        name="look_alikes",
        kind="characters",
        unit="{} % of the words: a Latin letter replaced by a Cyrillic or Greek one that looks alike",
        source="Unicode Technical Standard 39 (confusables)",
        apply=each_word(edits.look_alike),
    ),
    _row(
        name="diacritics",
        kind="characters",
        unit="{} % of the words: an accent gained",
        source="keyboards of other languages",
        apply=each_word(edits.accent),
    ),
    _row(
        name="contractions",
        kind="wording",
        unit="{} % of the words: “it is” becomes “it's”, or back",
        source="Ribeiro et al. 2020 (CheckList)",
        apply=contractions,
    ),
    _row(
        name="number_formats",
        kind="wording",
        unit="{} % of the words: a number written otherwise, of the same value",
        source="locales and templates",
        apply=each_word(edits.number, negates),
    ),
    _row(
        name="truncation",
        kind="length",
        steps=(5, 10, 20, 30, 50),
        unit="{} % of the words cut off at the end",
        label_kept=False,
        stochastic=False,
        source="length limits of fields and tokenisers",
        apply=truncation,
    ),
    _row(
        name="fillers", kind="length", unit="{} % more words that say nothing", source="Jia & Liang 2017 (added sentences)", apply=fillers
    ),
)
