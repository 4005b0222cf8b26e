"""What `manage.py check` and every start look at: settings that would hurt later, each with what to do about it."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import redis
from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as Caution
from django.db import DatabaseError, connection
from django.db.migrations.recorder import MigrationRecorder

from hardcases.audit.guards import EXPECTED, missing_guards

WRITABLE = "hardcases.E001"
S3_CREDENTIALS = "hardcases.E002"
SQLITE_WITH_REDIS = "hardcases.W001"
REDIS_AWAY = "hardcases.W002"
DEBUG_ON = "hardcases.W003"
GUARDS_MISSING = "hardcases.W004"
SHORT_LEASE = "hardcases.W005"
DATABASE_AWAY = "hardcases.W006"
S3_KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
# Where the AWS library finds credentials without those two: a profile, a mounted identity, the container's own role.
S3_OTHERWISE = (
    "AWS_PROFILE",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)


def _data_directory(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    folder = Path(settings.DATA_DIR)
    if os.access(folder, os.W_OK | os.X_OK):
        return []
    hint = "Give the account that runs Hardcases the right to write there, or name another folder in HARDCASES_DATA_DIR."
    return [Error(f"The data directory {folder} cannot be written, so uploads would be refused.", hint=hint, id=WRITABLE)]


def _object_storage(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    if settings.S3_BUCKET is None or all(os.environ.get(name) for name in S3_KEYS) or any(os.environ.get(name) for name in S3_OTHERWISE):
        return []
    if (Path.home() / ".aws" / "credentials").is_file():
        return []
    sentence = f"HARDCASES_S3_BUCKET={settings.S3_BUCKET}, but nothing says as whom to use the bucket."
    return [Error(sentence, hint=f"Set {' and '.join(S3_KEYS)}, and AWS_ENDPOINT_URL for a storage of your own.", id=S3_CREDENTIALS)]


def _broker(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    if settings.REDIS_URL is None:
        return []
    found: list[CheckMessage] = []
    if settings.DATABASES["default"]["ENGINE"].endswith("sqlite3"):
        sentence = "REDIS_URL is set and the database is SQLite, which lets one process write at a time."
        found.append(
            Caution(sentence, hint="Several workers need PostgreSQL: set DATABASE_URL. Or remove REDIS_URL.", id=SQLITE_WITH_REDIS)
        )
    try:
        with redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=1, socket_timeout=1) as broker:
            broker.ping()
    except (redis.RedisError, OSError) as error:
        sentence = f"Redis does not answer at REDIS_URL ({type(error).__name__}). Uploads and run starts are accepted; work waits until it is back."
        found.append(Caution(sentence, hint="Start Redis, or correct REDIS_URL.", id=REDIS_AWAY))
    return found


def _guards(app_configs: Sequence[AppConfig] | None, databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """A warning, because `migrate`, which installs them, asks the same checks first."""
    if "default" not in (databases or ()):
        return []
    try:
        fresh = not MigrationRecorder(connection).has_table()
        missing = [] if fresh else missing_guards(EXPECTED.values(), connection)
    except DatabaseError as error:
        return [
            Caution(f"The database does not answer ({type(error).__name__}).", hint="Start it, or correct DATABASE_URL.", id=DATABASE_AWAY)
        ]
    if not missing:
        return []
    sentence = f"The database lacks {len(missing)} of the triggers that keep frozen rows as they are: {', '.join(missing)}."
    return [
        Caution(sentence, hint="Run: manage.py migrate. If that installs nothing, restore them before anybody writes.", id=GUARDS_MISSING)
    ]


def _settings(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    found: list[CheckMessage] = []
    if settings.DEBUG:
        found.append(Caution("HARDCASES_DEBUG shows internals with every error.", hint="Use it on your own machine only.", id=DEBUG_ON))
    if settings.LEASE_SECONDS < 10:
        sentence = f"HARDCASES_LEASE_SECONDS={settings.LEASE_SECONDS:g}: a worker that is only slow loses its work to another."
        found.append(Caution(sentence, hint="Leave it at 60 outside of tests.", id=SHORT_LEASE))
    return found


def connect() -> None:
    """Register them; called once when the apps are ready. The question to Redis is asked only where databases are asked too, not at every command."""
    register(_data_directory, "hardcases")
    register(_object_storage, "hardcases")
    register(_settings, "hardcases", Tags.security, deploy=True)
    register(_broker, Tags.database)
    register(_guards, Tags.database)
