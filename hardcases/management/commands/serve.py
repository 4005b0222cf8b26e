"""`manage.py serve`: web and worker on one machine, kept running by a supervisor."""

import io
import os
import socket
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles import finders
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from hardcases.config.supervisor import write_configuration
from hardcases.models import User

DEMO_SIGN_IN = "demo-sign-in.txt"
BUILT = "hardcases/js/app.js"


class Command(BaseCommand):
    """Migrate, collect the static files, say where and how to sign in, then become the supervisor."""

    help = "Runs web and worker. Settings come from the environment; without any, the product runs on this machine only, on SQLite."

    def handle(self, *_: Any, **__: Any) -> None:
        """Does not return."""
        _check_assets()
        _check_port(settings.BIND_HOST, settings.BIND_PORT)
        call_command("prepare", stdout=io.StringIO())
        self.stdout.write(f"\nHardcases is starting on {settings.PUBLIC_URL}")
        sign_in = Path(settings.DATA_DIR) / DEMO_SIGN_IN
        if sign_in.exists():
            self.stdout.write(sign_in.read_text(encoding="utf-8").strip())
        elif not User.objects.exists():
            self.stdout.write(
                "Nobody can sign in yet. `make demo` makes the demo project with its people; `manage.py create_project` makes yours."
            )
        self.stdout.write("Stop with Ctrl-C. Work in progress is taken up again at the next start.\n")
        self.stdout.flush()
        configuration = str(write_configuration())
        os.execv(sys.executable, [sys.executable, "-W", "ignore", "-m", "supervisor.supervisord", "-c", configuration])  # noqa: S606 - our own interpreter and file


def _check_assets() -> None:
    """A package holds what the pages need; in a checkout it is built, and without it no page could be shown."""
    if finders.find(BUILT) is None:
        raise CommandError(
            "The scripts of the pages are not built yet. Nothing was started. Run `make serve`, which builds them, or `make assets`."
        )


def _check_port(host: str, port: int) -> None:
    """Say that the address is taken before anything starts: the supervisor would try to open it for ever."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CommandError(
                f"{host}:{port} cannot be opened ({error.strerror}). Nothing was started. Another Hardcases may be running there: stop it, or choose another "
                "address with HARDCASES_BIND."
            ) from error
