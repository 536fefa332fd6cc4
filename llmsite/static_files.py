"""Files for browsers: those of Django's apps at /static/, and the phone client at /m/, where it was built (`npm run build:h5`)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.conf import settings
from whitenoise.middleware import WhiteNoiseMiddleware

PREFIX = "/m/"


def phone_client() -> Path | None:
    """The folder of the built phone client; None where there is none."""
    folder: Path = settings.CONFIG.root / "frontend-uniapp" / "dist" / "build" / "h5"
    return folder if (folder / "index.html").is_file() else None


class StaticFiles(WhiteNoiseMiddleware):  # type: ignore[misc]
    def __init__(self, get_response: Any = None, settings: Any = settings) -> None:
        super().__init__(get_response, settings)
        if folder := phone_client():
            self.add_files(folder, prefix=PREFIX)
            if not self.autorefresh:
                index = str(folder / "index.html")
                self.add_file_to_dictionary(PREFIX, index, stat_cache={path: os.stat(path) for path in (index, f"{index}.gz", f"{index}.br")})

    def immutable_file_test(self, path: str, url: str) -> bool:
        """The client's build puts a hash of its content into the name of each of its assets."""
        return url.startswith(f"{PREFIX}assets/") or bool(super().immutable_file_test(path, url))
