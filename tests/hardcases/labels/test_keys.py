"""The key that labels a case: the class itself where that is a key, else its place."""

from hardcases.labels.views import keyed


def test_single_characters_are_their_own_keys() -> None:
    assert keyed(["0", "1", "N"]) == [("0", "0"), ("1", "1"), ("N", "n")]


def test_words_are_counted_up_to_the_ninth() -> None:
    assert keyed(["normal", "nodule"]) == [("normal", "1"), ("nodule", "2")]
    assert keyed(["word", *"abcdefghi"])[8:] == [("h", "9"), ("i", "")]


def test_one_key_never_means_two_classes() -> None:
    assert keyed(["n", "N"]) == [("n", "1"), ("N", "2")]
