"""What `manage.py serve` says before anything is started."""

import pytest
from django.core.management import CommandError, call_command

from hardcases.management.commands import serve


def test_without_the_built_scripts_nothing_is_started_and_the_cure_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "BUILT", "hardcases/js/of-no-build.js")
    with pytest.raises(CommandError, match=r"Nothing was started\. Run `make serve`"):
        call_command("serve")
