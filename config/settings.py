"""All settings. They come from environment variables alone; .env.example names every one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

from config import environment as env

BASE_DIR = Path(__file__).resolve().parent.parent
PRODUCTION = env.choice("WHETSTONE_ENV", "development", ("development", "production")) == "production"
DATA_DIR = Path(env.text("DATA_DIR", str(BASE_DIR / "var"))).resolve()
DEBUG = env.switch("DEBUG", False)

if PRODUCTION:
    SECRET_KEY = env.required("SECRET_KEY", "it signs sessions", least=50)
    ALLOWED_HOSTS = env.required_words("ALLOWED_HOSTS", "the host names of this site")
    if DEBUG or "*" in ALLOWED_HOSTS:
        raise ImproperlyConfigured("DEBUG and ALLOWED_HOSTS=* are refused in production.")
else:
    SECRET_KEY = env.text("SECRET_KEY", "") or env.kept_secret(DATA_DIR / "secret_key")
    ALLOWED_HOSTS = env.words("ALLOWED_HOSTS", ("localhost", "127.0.0.1", "[::1]"))
CSRF_FAILURE_VIEW = "collection.pages.login.csrf_failure"
CSRF_TRUSTED_ORIGINS = env.words("CSRF_TRUSTED_ORIGINS")

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "lifecycle",
    "annotators",
    "modelserver",
    "backups",
    "collection",
]
MIDDLEWARE = [
    # First: it answers before anything asks for the host or for TLS.
    "config.health.HealthCheck",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.csp.ContentSecurityPolicy",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.i18n",
            ]
        },
    }
]


def _database() -> dict[str, Any]:
    url = env.text("DATABASE_URL", f"sqlite:///{DATA_DIR / 'db.sqlite3'}")
    database: dict[str, Any] = dict(dj_database_url.parse(url, conn_max_age=600))
    if database["ENGINE"] == "django.db.backends.sqlite3":
        Path(database["NAME"]).parent.mkdir(parents=True, exist_ok=True)
        database["OPTIONS"] = {
            # A transaction takes the write lock when it begins: two that read, then write, cannot both read first.
            "transaction_mode": "IMMEDIATE",
            "timeout": 30,
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA cache_size=-32000;",
        }
        # Tests with threads need a file; in-memory databases are one a connection.
        database["TEST"] = {"NAME": str(Path(database["NAME"]).with_name("test.sqlite3"))}
    elif database["ENGINE"] == "django.db.backends.postgresql":
        # A server may have closed a kept connection; a file has not.
        database["CONN_HEALTH_CHECKS"] = True
    else:
        raise ImproperlyConfigured("DATABASE_URL must be a sqlite:// or postgresql:// URL.")
    return database


DATABASES = {"default": _database()}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("de", "Deutsch")]
# Before the catalogues of Django's own apps: a word means here what it means here.
LOCALE_PATHS = [BASE_DIR / "collection" / "locale"]
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_SECURE = PRODUCTION

LOGIN_URL = "/login/"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/login/"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

STATIC_URL = "static/"
STATIC_ROOT = Path(env.text("STATIC_ROOT", str(DATA_DIR / "static")))
WHITENOISE_USE_FINDERS = not PRODUCTION
STATIC_ROOT.mkdir(parents=True, exist_ok=True)
if PRODUCTION:
    STORAGES = {
        "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
        "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
    }

DATA_UPLOAD_MAX_MEMORY_SIZE = 1_000_000
DATA_UPLOAD_MAX_NUMBER_FIELDS = 200
FILE_UPLOAD_HANDLERS = [
    "collection.importing.uploading.BoundedUploadHandler",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "django.core.files.uploadhandler.TemporaryFileUploadHandler",
]
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = PRODUCTION
SECURE_HSTS_SECONDS = 31_536_000 if PRODUCTION else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = PRODUCTION
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
if env.switch("BEHIND_TLS_PROXY", False):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "collection.api.authentication.BearerAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [
        "rest_framework.permissions.IsAuthenticated",
        "collection.api.authentication.InScope",
    ],
    "DEFAULT_THROTTLE_CLASSES": [
        "rest_framework.throttling.UserRateThrottle",
        "rest_framework.throttling.AnonRateThrottle",
        "rest_framework.throttling.ScopedRateThrottle",
    ],
    "DEFAULT_THROTTLE_RATES": {
        "user": env.text("API_RATE_USER", "1200/min"),
        "anon": env.text("API_RATE_ANON", "60/min"),
        "login": env.text("API_RATE_LOGIN", "20/min"),
        "power": env.text("API_RATE_POWER", "20/min"),
        "public": env.text("API_RATE_PUBLIC", "120/min"),
    },
    "DEFAULT_SCHEMA_CLASS": "collection.api.schema.Schema",
    "NUM_PROXIES": env.whole("PROXIES", 0, 0, 10),
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["collection.api.parsing.BoundedJSONParser"],
    "EXCEPTION_HANDLER": "collection.api.problems.handler",
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Whetstone",
    "DESCRIPTION": "Dynamic adversarial data collection. Errors are problem+json (RFC 9457).",
    "VERSION": "1",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated"],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "ArmKindEnum": "collection.api.serializers.ARM_KINDS",
        "TestSetKindEnum": "collection.models.TestSet.Kind",
        "ExperimentStateEnum": "collection.api.serializers.EXPERIMENT_STATES",
        "RoundStateEnum": "collection.api.serializers.ROUND_STATES",
        "ExampleStateEnum": "collection.api.serializers.EXAMPLE_STATES",
        "ImportStateEnum": "collection.api.serializers.IMPORT_STATES",
        "ReleaseStateEnum": "collection.api.serializers.RELEASE_STATES",
        "FindingsDecisionEnum": "collection.releases.DECISIONS",
        "ImportKindEnum": "collection.models.DataImport.Kind",
        "RoleEnum": "annotators.models.Membership.Role",
        "ScopeEnum": "annotators.models.ApiToken.Scope",
    },
}

RECONCILE_SECONDS = env.seconds("RECONCILE_SECONDS", 30, low=0.2)


def _broker() -> tuple[str, dict[str, Any]]:
    url = env.text("BROKER_URL", "filesystem://localhost/")
    if url.startswith("filesystem://"):
        folders = {name: DATA_DIR / "broker" / name for name in ("messages", "control")}
        for folder in folders.values():
            folder.mkdir(parents=True, exist_ok=True)
        return url, {
            "data_folder_in": str(folders["messages"]),
            "data_folder_out": str(folders["messages"]),
            "control_folder": str(folders["control"]),
            "store_processed": False,
            "polling_interval": 0.05,
        }
    if not url.startswith(("redis://", "rediss://")):
        raise ImproperlyConfigured("BROKER_URL must be filesystem:// or a redis:// URL.")
    # A request must never hang on a broker that is away: the nudge is dropped and reconcile does without it. Without
    # max_retries kombu sleeps and tries again; workers and beat wait for their broker by settings of their own.
    return url, {"visibility_timeout": 3600, "socket_timeout": 2, "socket_connect_timeout": 1, "max_retries": 0}


CELERY_BROKER_URL, CELERY_BROKER_TRANSPORT_OPTIONS = _broker()
# Counts of requests for the throttles. Without a Redis of their own each web process counts for itself.
_CACHE_URL = env.text("CACHE_URL", "")
if _CACHE_URL and not _CACHE_URL.startswith(("redis://", "rediss://")):
    raise ImproperlyConfigured("CACHE_URL must be a redis:// URL.")
CACHES = {
    "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": _CACHE_URL}
    if _CACHE_URL
    else {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_ROUTES = {"modelserver.tasks.run_training": {"queue": "training"}}
CELERY_TIMEZONE = "UTC"
# Kept in memory: a schedule in a file can be missing or damaged after a kill -9, and beat dies of that.
CELERY_BEAT_SCHEDULER = "celery.beat:Scheduler"
CELERY_BEAT_MAX_LOOP_INTERVAL = min(RECONCILE_SECONDS, 5)
CELERY_BEAT_SCHEDULE = {
    "reconcile": {
        "task": "collection.tasks.reconcile",
        "schedule": RECONCILE_SECONDS,
        "options": {"expires": RECONCILE_SECONDS},
    }
}

MODELSERVER_URL = env.text("MODELSERVER_URL", "http://127.0.0.1:8001")
MODELSERVER_TOKEN = env.text("MODELSERVER_TOKEN", "")
MODELSERVER_TIMEOUT_S = env.seconds("MODELSERVER_TIMEOUT_S", 30)
MODEL_REPOSITORY_URL = env.text("MODEL_REPOSITORY_URL", f"file://{DATA_DIR / 'models'}")
TRAINING_DATA_URL = env.text("TRAINING_DATA_URL", f"file://{DATA_DIR / 'data'}")
TRAINING_HEARTBEAT_SECONDS = env.seconds("TRAINING_HEARTBEAT_SECONDS", 5)
TRAINING_DEADLINE_SECONDS = env.seconds("TRAINING_DEADLINE_SECONDS", 60)
if TRAINING_DEADLINE_SECONDS < 2 * TRAINING_HEARTBEAT_SECONDS:
    raise ImproperlyConfigured("TRAINING_DEADLINE_SECONDS must be at least twice TRAINING_HEARTBEAT_SECONDS.")
REPORT_DEADLINE_SECONDS = env.seconds("REPORT_DEADLINE_SECONDS", 600)
IMPORT_DEADLINE_SECONDS = env.seconds("IMPORT_DEADLINE_SECONDS", 600)
LARGEST_IMPORT_BYTES = env.whole("LARGEST_IMPORT_BYTES", 20_000_000_000, 1, 2**62)
BESIDE_AT_ONCE = env.whole("BESIDE_AT_ONCE", 1, 0, 1000)
REPORTS_AT_ONCE = env.whole("REPORTS_AT_ONCE", 1, 1, 100)
RELEASES_URL = env.text("RELEASES_URL", f"file://{DATA_DIR / 'releases'}")
# Where `manage.py push_release` copies a release if it is not told; no store of the site's own.
RELEASES_PUSH_URL = env.text("RELEASES_PUSH_URL", "")
RELEASES_AT_ONCE = env.whole("RELEASES_AT_ONCE", 1, 1, 100)
RELEASE_DEADLINE_SECONDS = env.seconds("RELEASE_DEADLINE_SECONDS", 600)
TRAINING_MAX_ATTEMPTS = env.whole("TRAINING_MAX_ATTEMPTS", 3, 1, 100)
TRAINING_BACKOFF_SECONDS = env.seconds("TRAINING_BACKOFF_SECONDS", 30, low=0)
TRAINING_THREADS = env.whole("TRAINING_THREADS", 0, 0, 1024)
# What `manage.py backup` keeps: all files at the URLs that these settings have, each under its store's name, and the
# rows of all tables but some. Who was logged in, and when a process was last seen, says nothing about another site.
BACKUP_STORES = {"models": "MODEL_REPOSITORY_URL", "data": "TRAINING_DATA_URL", "releases": "RELEASES_URL"}
BACKUP_LEAVES_OUT = ("sessions.session", "lifecycle.sign")

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {
        "handlers": ["stderr"],
        "level": env.choice("LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR")),
    },
    # A line a request and a line a message sent tell an operator nothing.
    # A line a message sent tells an operator nothing, and what a client asked for in vain is the client's to know.
    "loggers": {
        **{name: {"level": "WARNING"} for name in ("httpx", "httpcore", "celery.worker.strategy", "celery.app.trace")},
        "django.request": {"level": "ERROR"},
    },
}
