"""One settings file for every way of running: the environment decides, and what it leaves out is the embedded default.

Safe by default: without any setting the product runs on loopback, on SQLite, with its own secret key and with an enforced content security policy.
"""

import os
from pathlib import Path
from typing import Any

import environ
from csp.constants import NONCE, NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from kombu import Exchange, Queue

from hardcases.config import env, logs

LOGGING = logs.LOGGING
_environ = dict(os.environ)
env.refuse_unknown_names(_environ)

BASE_DIR = Path(__file__).resolve().parents[2]
DATA_DIR = env.data_dir(_environ)
SECRET_KEY = env.secret_key(_environ, DATA_DIR)
BIND_HOST, BIND_PORT = env.bind(_environ)
PUBLIC_URL = env.public_url(_environ, BIND_HOST, BIND_PORT)
DEBUG = env.flag(_environ, "HARDCASES_DEBUG")
if DEBUG and not env.is_loopback(BIND_HOST):
    raise ImproperlyConfigured(
        "HARDCASES_DEBUG shows internals to everybody who can reach the server. Use it only with HARDCASES_BIND on 127.0.0.1."
    )

_public_host = PUBLIC_URL.split("://", 1)[1].split("/")[0].rsplit(":", 1)[0]
ALLOWED_HOSTS = env.names(_environ, "ALLOWED_HOSTS") or sorted({"127.0.0.1", "localhost", "[::1]", _public_host})
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
TRUSTED_PROXIES = env.names(_environ, "HARDCASES_TRUSTED_PROXIES")
_secure = not (PUBLIC_URL.startswith("http://") and env.is_loopback(_public_host))

# --- The house ---------------------------------------------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "django.forms",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "allauth",
    "allauth.account",
    "csp",
    "django_htmx",
    "django_prometheus",
    "django_structlog",
    "drf_spectacular",
    "rest_framework",
    "hardcases",
    "evaluation",
]
MIDDLEWARE = [
    "django_prometheus.middleware.PrometheusBeforeMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "hardcases.web.middleware.RequestIdMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_structlog.middlewares.RequestMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "hardcases.web.middleware.EdgeMiddleware",
    "django_prometheus.middleware.PrometheusAfterMiddleware",
]
ROOT_URLCONF = "hardcases.config.urls"
WSGI_APPLICATION = "hardcases.config.wsgi.application"
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
                "hardcases.config.shell.shell",
            ],
            "libraries": {"hc": "hardcases.web.templatetags.hc"},
        },
    }
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

# --- Storage -----------------------------------------------------------------------------------------------------------------------------------------
_database: dict[str, Any] = environ.Env.db_url_config(_environ.get("DATABASE_URL") or f"sqlite:///{DATA_DIR / 'hardcases.sqlite3'}")
if _database["ENGINE"] == "django.db.backends.sqlite3":
    _database["ENGINE"] = "hardcases.database.sqlite3"  # Django's own, with an order among writers
    _database["CONN_MAX_AGE"] = 60  # opening the file, its pragmas and its schema again costs more than a small request
    _database["OPTIONS"] = {
        # IMMEDIATE takes the write lock when the transaction starts, so that no reader-turned-writer fails with "database is locked" half way.
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;",
    }
elif _database["ENGINE"] == "django.db.backends.postgresql":
    _database |= {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}
else:
    raise ImproperlyConfigured("DATABASE_URL must name PostgreSQL (postgres://…) or SQLite (sqlite:///…).")
DATABASES = {"default": _database}
S3_BUCKET = _environ.get("HARDCASES_S3_BUCKET") or None
AWS_S3_ADDRESSING_STYLE = "path"  # servers of one's own have no host name for each bucket
CACHES = {"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "hardcases_cache"}}

# --- Background work: Redis carries hints, the database holds the truth ------------------------------------------------------------------------------
REDIS_URL = _environ.get("REDIS_URL") or None
LEASE_SECONDS = env.positive(_environ, "HARDCASES_LEASE_SECONDS", 60)
PAUSE_AT = _environ.get("HARDCASES_PAUSE_AT") or None
CELERY_BROKER_URL = REDIS_URL or "memory://"
CELERY_TASK_IGNORE_RESULT = True
CELERY_RESULT_BACKEND = None
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # Celery's default of 100 would end workers and beat in a long outage
# A worker serves its queues in turn: hints of requests, what the sweeper found, and beat's own errand.
CELERY_TASK_DEFAULT_QUEUE = "hints"
CELERY_TASK_QUEUES = [Queue(name, Exchange(name), routing_key=name) for name in ("hints", "sweep", "beat")]
CELERY_TASK_PUBLISH_RETRY = False
CELERY_BROKER_TRANSPORT_OPTIONS = {"socket_connect_timeout": 1, "socket_timeout": 2, "max_retries": 1, "visibility_timeout": 3600}
CELERY_BEAT_SCHEDULE = {"sweep": {"task": "hardcases.work.tasks.sweep", "schedule": 5.0, "options": {"queue": "beat", "expires": 5}}}
CELERY_BEAT_SCHEDULE_FILENAME = str(DATA_DIR / "celerybeat-schedule")

# --- People ------------------------------------------------------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "hardcases.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "home"
ACCOUNT_ADAPTER = "hardcases.projects.adapters.ClosedAccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = True
ACCOUNT_PREVENT_ENUMERATION = True
ACCOUNT_SESSION_REMEMBER = True  # for SESSION_COOKIE_AGE, without asking
ACCOUNT_LOGOUT_REDIRECT_URL = "account_login"
ACCOUNT_RATE_LIMITS = {"login": "60/m/ip", "login_failed": "10/m/ip,5/5m/key", "reauthenticate": "10/m/user"}
ACCOUNT_REAUTHENTICATION_TIMEOUT = 300
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _secure
SESSION_COOKIE_AGE = 12 * 3600
CSRF_FAILURE_VIEW = "hardcases.web.problems.csrf_failure"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, NONCE],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
    }
}

# --- API ---------------------------------------------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "hardcases.projects.authentication.TokenAuthentication",
        "hardcases.projects.authentication.BrowserAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PARSER_CLASSES": ["hardcases.web.json_edge.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "hardcases.config.operations.Operations",
    "EXCEPTION_HANDLER": "hardcases.web.problems.exception_handler",
    "UNAUTHENTICATED_USER": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Hardcases",
    "DESCRIPTION": "Production failures in, stratified evidence and signed releases out.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PUBLIC": True,
    "OAS_VERSION": "3.1.0",
    "ENUM_NAME_OVERRIDES": {"DecisionEnum": ("accepted", "declined", "snoozed")},  # several bodies have a field “state” of these
    "PREPROCESSING_HOOKS": ["hardcases.config.schema.only_with_slash"],
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
FILE_UPLOAD_MAX_MEMORY_SIZE = (
    4 * 1024 * 1024
)  # a whole request up to this waits in memory, so a web process with four threads holds 16 MB at most
FILE_UPLOAD_HANDLERS = ["django.core.files.uploadhandler.MemoryFileUploadHandler", "hardcases.web.uploads.TidyUploadHandler"]
FILE_UPLOAD_TEMP_DIR = str(DATA_DIR / "incoming")
Path(FILE_UPLOAD_TEMP_DIR).mkdir(mode=0o700, exist_ok=True)
DATA_UPLOAD_MAX_NUMBER_FILES = 1_001

# What a token, and all tokens of a project, may send in ten seconds. Beyond what one machine can take, so that only what runs wild is stopped.
LIMIT_TOKEN_REQUESTS = env.whole(_environ, "HARDCASES_LIMIT_TOKEN_REQUESTS", 6_000)
LIMIT_TOKEN_BYTES = env.whole(_environ, "HARDCASES_LIMIT_TOKEN_BYTES", 5_000_000_000)
LIMIT_PROJECT_REQUESTS = env.whole(_environ, "HARDCASES_LIMIT_PROJECT_REQUESTS", 12_000)
LIMIT_PROJECT_BYTES = env.whole(_environ, "HARDCASES_LIMIT_PROJECT_BYTES", 10_000_000_000)

# --- Words, pages, files -----------------------------------------------------------------------------------------------------------------------------
LANGUAGE_CODE = "en"
USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = True
LANGUAGES = [("en", "English")]
STATIC_URL = "/static/"
STATIC_ROOT = DATA_DIR / "static"
STATIC_ROOT.mkdir(exist_ok=True)
STATICFILES_DIRS: list[Path] = []
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(DATA_DIR / "files")}},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}
WHITENOISE_MANIFEST_STRICT = False
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
DJANGO_STRUCTLOG_CELERY_ENABLED = False
DJANGO_STRUCTLOG_IP_LOGGING_ENABLED = False  # it would believe any X-Forwarded-For; the audit log has the address that counts
PROMETHEUS_EXPORT_MIGRATIONS = False
