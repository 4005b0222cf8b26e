"""The processes of an installation on one machine, and the supervisor file that keeps them running.

A worker that is killed comes back: leases bring its work back with it. (`supervisor` notices a killed Celery pool; simpler runners do not.) When the
supervisor itself ends, however it ends, its children end too (see `tether`).
"""

import sys
from pathlib import Path

from django.conf import settings

WEB_WORKERS, WEB_THREADS = 2, 4
TETHER = Path(__file__).with_name("tether.py")


def programs() -> dict[str, list[str]]:
    """Name → command. Without a broker one worker process reads the database; with one, Celery's workers and its beat do."""
    python = sys.executable
    manage = str(settings.BASE_DIR / "manage.py")
    host = f"[{settings.BIND_HOST}]" if ":" in settings.BIND_HOST else settings.BIND_HOST
    web = [python, "-m", "gunicorn", "hardcases.config.wsgi:application", "--bind", f"{host}:{settings.BIND_PORT}"]
    web += [
        "--worker-class",
        "gthread",
        "--workers",
        str(WEB_WORKERS),
        "--threads",
        str(WEB_THREADS),
        "--timeout",
        "120",
        "--log-level",
        "warning",
    ]
    if settings.REDIS_URL is None:
        return {"web": web, "worker": [python, manage, "work"]}
    celery = [python, "-m", "celery", "-A", "hardcases.config", "--quiet"]
    return {
        "web": web,
        "worker": [*celery, "worker", "--concurrency", "2", "--loglevel", "warning"],
        "beat": [*celery, "beat", "--loglevel", "warning", "--schedule", settings.CELERY_BEAT_SCHEDULE_FILENAME, "--pidfile", ""],
    }


def _program(name: str, command: list[str]) -> str:
    tethered = [sys.executable, "-I", str(TETHER), *command]
    line = " ".join(f'"{part}"' for part in tethered).replace("%", "%%")
    return f"""
[program:{name}]
command={line}
directory={settings.BASE_DIR}
autorestart=true
startretries=20
killasgroup=true
stopasgroup=true
stopwaitsecs=60
stdout_logfile=/dev/fd/1
stdout_logfile_maxbytes=0
redirect_stderr=true
"""


def write_configuration() -> Path:
    """Write the supervisor's file into the data directory and return its path."""
    folder = Path(settings.DATA_DIR) / "supervisor"
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / "supervisord.conf"
    head = f"[supervisord]\nnodaemon=true\nlogfile=/dev/null\nlogfile_maxbytes=0\nloglevel=warn\npidfile={folder / 'supervisord.pid'}\nchildlogdir={folder}\n"
    user = "user=root\n" if Path("/proc/self").stat().st_uid == 0 else ""
    path.write_text(head + user + "".join(_program(name, command) for name, command in programs().items()), encoding="utf-8")
    return path
