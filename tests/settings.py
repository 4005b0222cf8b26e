"""Settings of the test run: the product's own, on throw-away data, with fast password hashing."""

import hashlib
import os
import tempfile

os.environ["HARDCASES_DATA_DIR"] = os.environ.get("HARDCASES_TEST_DATA_DIR") or tempfile.mkdtemp(prefix="hardcases-test-")
for name in (
    "DATABASE_URL",
    "REDIS_URL",
    "SECRET_KEY",
    "HARDCASES_S3_BUCKET",
    "HARDCASES_PAUSE_AT",
    "HARDCASES_DEBUG",
    "HARDCASES_BIND",
    "HARDCASES_PUBLIC_URL",
):
    os.environ.pop(name, None)
if os.environ.get("TEST_ON") == "postgresql":
    os.environ["DATABASE_URL"] = os.environ.get("TEST_DATABASE_URL") or "postgres://postgres@127.0.0.1:5432/postgres"

from hardcases.config.settings import *  # noqa: E402, F403
from hardcases.config.settings import BASE_DIR, DATA_DIR, DATABASES, STORAGES  # noqa: E402

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES = STORAGES | {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["CONN_MAX_AGE"] = 0  # threads of tests come and go; none may leave its connection open
    # A file, because worker processes and the live server must see the same database.
    DATABASES["default"]["TEST"] = {"NAME": str(DATA_DIR / "test.sqlite3")}
else:
    # No test loses power, so none needs to wait for the disk of a server that others may use too.
    DATABASES["default"]["OPTIONS"] = DATABASES["default"].get("OPTIONS", {}) | {"options": "-c synchronous_commit=off"}
    # Two checkouts on one machine do not share a test database.
    DATABASES["default"]["TEST"] = {"NAME": f"test_hardcases_{hashlib.sha256(str(BASE_DIR).encode()).hexdigest()[:8]}"}
(DATA_DIR / "static").mkdir(exist_ok=True)  # whitenoise warns where it is missing
LEASE_SECONDS = 2
