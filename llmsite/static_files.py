"""Files for browsers: those of Django's apps at /static/, and the phone client at /m/, where it was built (`npm run build:h5`)."""

from __future__ import annotations

import re
from typing import Any
from wsgiref.headers import Headers

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.responders import IsDirectoryError, MissingFileError, StaticFile

from chat import clients

INDEX = "index.html"
HASHED = re.compile(r"assets/.*[-.][\w-]{8}\.\w+")
"""The build puts a hash of its content into the name of each of its assets: index-Cj8duFq3.js."""
YEAR_S = 365 * 24 * 3600


class StaticFiles(WhiteNoiseMiddleware):  # type: ignore[misc]
    """WhiteNoise, which knows the files of the apps since the start, and looks for those of the phone client with each request:
    a build that is made while the server runs is served at once, and one that is removed is not missed."""

    FOREVER = YEAR_S

    def __call__(self, request: HttpRequest) -> Any:
        path = request.path_info
        if path == clients.PHONE_CLIENT.rstrip("/"):
            return _to(clients.PHONE_CLIENT if clients.is_served() else clients.CHAT_PAGE)
        if not path.startswith(clients.PHONE_CLIENT):
            return super().__call__(request)
        if (file := self.client_file(path)) is not None:
            return self._client_answer(file, request)
        if path == clients.PHONE_CLIENT:
            return _to(clients.CHAT_PAGE)  # it is not built here, and the chat page always is
        return self.get_response(request)

    def client_file(self, url: str) -> StaticFile | None:
        """What the built client has at this address."""
        folder = settings.CONFIG.phone_client
        name = url.removeprefix(clients.PHONE_CLIENT) or INDEX
        if folder is None or not self.url_is_canonical(url):
            return None
        path = folder / name
        try:
            if not path.resolve().is_relative_to(folder.resolve()) or self.is_compressed_variant(str(path)):
                return None
            return self.get_static_file(str(path), url)
        except (MissingFileError, IsDirectoryError, OSError, ValueError):
            return None

    def _client_answer(self, file: StaticFile, request: HttpRequest) -> HttpResponseBase:
        try:
            return self.serve(file, request)
        except FileNotFoundError:  # a build took it away just now
            return self.get_response(request)

    def immutable_file_test(self, path: str, url: str) -> bool:
        name = url.removeprefix(clients.PHONE_CLIENT)
        return HASHED.fullmatch(name) is not None if name != url else bool(super().immutable_file_test(path, url))

    def add_cache_headers(self, headers: Headers, path: str, url: str) -> None:
        """The client's page names its assets: it is asked for each time, and costs nothing when it is the same (ETag)."""
        super().add_cache_headers(headers, path, url)
        if url.startswith(clients.PHONE_CLIENT) and not self.immutable_file_test(path, url):
            headers["Cache-Control"] = "no-cache"


def _to(address: str) -> HttpResponseRedirect:
    """Not for good: tomorrow the client may be built, or gone."""
    return HttpResponseRedirect(address)
