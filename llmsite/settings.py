"""Django's settings, and nothing else: what a person may set is in config.py."""

from __future__ import annotations

import sys
from datetime import timedelta

from llmsite.clock import local_zone
from llmsite.config import load_config
from llmsite.databases import database
from llmsite.secret import close_to_others, private_folder, secret_key

CONFIG = load_config()
BASE_DIR = CONFIG.root

DEBUG = CONFIG.debug
SECRET_KEY = secret_key(CONFIG.data)

# The Host header is checked by llmsite.hosts.HostCheck, which knows the computer's present addresses: a hotspot's address
# changes while the server runs, and this list cannot.
ALLOWED_HOSTS = ["*"]

INSTALLED_APPS = [
    # Before staticfiles: gives `runserver` its ASGI server. Only there: it imports Twisted, a third of a second and 30 MB for every other command.
    *(["daphne"] if sys.argv[1:2] == ["runserver"] else []),
    "corsheaders",
    "chat.admin.apps.AdminConfig",  # django.contrib.admin with our site
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "axes",
    "channels",
    "ninja",  # for the files of the API's documentation page
    "llmsite",
    "chat",
]

MIDDLEWARE = [
    "chat.metrics.CountRequests",
    # The next three before all that may answer by itself: a refusal and a file carry the headers, too.
    "llmsite.security.Headers",
    "llmsite.security.ContentPolicy",
    "django.middleware.security.SecurityMiddleware",
    "llmsite.hosts.HostCheck",
    "llmsite.origins.OriginMark",
    "llmsite.static_files.StaticFiles",
    "corsheaders.middleware.CorsMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "llmsite.intake.RequestLimit",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "llmsite.urls"
ASGI_APPLICATION = "llmsite.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]


DATABASES = {"default": database(CONFIG.database_url, CONFIG.data, one_process=CONFIG.role == "all")}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# The accounts of /admin/; phones have none.
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
# Five wrong passwords close an account for the address that they came from, for a quarter of an hour; the right one meanwhile is refused, too.
AXES_FAILURE_LIMIT = 5
AXES_COOLOFF_TIME = timedelta(minutes=15)
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_CLIENT_IP_CALLABLE = "llmsite.intake.address_for_logins"
AXES_LOCKOUT_CALLABLE = "llmsite.intake.locked_out"
AXES_ALLOWED_CORS_ORIGINS = ""
AXES_VERBOSE = False

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("zh-hans", "简体中文")]
# The settings of the chat page write it; without it the browser's Accept-Language counts.
LANGUAGE_COOKIE_NAME = "llmsite_language"
USE_I18N = True
USE_TZ = True
TIME_ZONE = local_zone()  # the owner reviews by their own clock; what is stored is in UTC

STATIC_URL = "static/"
STATICFILES_DIRS = [("chat", CONFIG.root / "frontend-uniapp" / "src" / "chat")]
WHITENOISE_USE_FINDERS = True
WHITENOISE_ALLOW_ALL_ORIGINS = False  # pages elsewhere have no business with our files
WHITENOISE_AUTOREFRESH = DEBUG

# Same-origin clients need none; the App and the mini-program send no Origin; everything else is closed, but for what cors_origins names.
CORS_ALLOWED_ORIGINS = list(CONFIG.cors_origins)
CORS_URLS_REGEX = r"^/(api|v1)/"
CORS_ALLOW_HEADERS = [
    *("accept", "accept-language", "authorization", "content-type"),
    # What OpenAI's client for browsers sends along.
    *(f"x-stainless-{name}" for name in ("arch", "lang", "os", "package-version", "retry-count", "runtime", "runtime-version", "timeout")),
]
CORS_EXPOSE_HEADERS = ["content-disposition", "retry-after", "x-should-retry"]

SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_HTTPONLY = True
CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"

if CONFIG.https:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SECURE_HSTS_SECONDS = 30 * 24 * 3600
SILENCED_SYSTEM_CHECKS = [
    "security.W008",  # no redirect to HTTPS: this computer's own browser uses plain HTTP on loopback, and phones reach only the proxy
    "security.W005",  # HSTS for subdomains, and
    "security.W021",  # in the browsers' preload list: whose name it is decides that
    # Without `https` phones use plain HTTP in their own network, where these would shut everybody out:
    *([] if CONFIG.https else ["security.W004", "security.W012", "security.W016"]),
]

# On every answer: nothing from elsewhere, nothing inline, in the chat page, the admin and the API's documentation alike.
# llmsite.security.ContentPolicy adds the socket's address.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:", "blob:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "manifest-src": ["'self'"],
        "object-src": ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'self'"],
        "frame-ancestors": ["'none'"],
    }
}

# llmsite.intake.BodyLimit allows less for all but an import.
DATA_UPLOAD_MAX_MEMORY_SIZE = CONFIG.limits.body_mb << 20

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {
        "file": {
            "class": "logging.handlers.RotatingFileHandler",
            "filename": CONFIG.log,
            "maxBytes": 2_000_000,
            "backupCount": 3,
            "encoding": "utf-8",
            "formatter": "plain",
            "delay": True,
        },
        "console": {"class": "logging.StreamHandler", "formatter": "plain", "level": "ERROR"},
    },
    "root": {"handlers": ["file", "console"], "level": "INFO"},
    "loggers": {
        "django.server": {"handlers": ["file"], "propagate": False},
        # A line for each request to a model server, and for each look at one.
        "httpx2": {"level": "WARNING"},
        # An address that is gone cannot be said goodbye from; zeroconf warns of that with a traceback.
        "zeroconf": {"level": "ERROR"},
    },
}
private_folder(CONFIG.data / "logs")
for path in (*CONFIG.data.glob("llmsite.sqlite3*"), *(CONFIG.data / "logs").iterdir()):
    close_to_others(path)  # those that an older version made
