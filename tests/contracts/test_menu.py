"""Every entry of the menu leads somewhere, and every key means one thing."""

import pytest
from django.urls import reverse

from hardcases.config.shell import MENU, Entry


@pytest.mark.parametrize("entry", MENU, ids=lambda entry: entry.name)
def test_entry_has_a_page(entry: Entry) -> None:
    assert reverse(entry.name, args=["chest"]).startswith("/p/chest/")


def test_keys_are_different() -> None:
    keys = [entry.key for entry in MENU if entry.key]
    assert len(keys) == len(set(keys))
