"""The training suite. It works offline: its libraries are told to look for nothing and to report to nobody, before they are imported."""

import os

for _name in ("HF_HUB_OFFLINE", "HF_HUB_DISABLE_TELEMETRY", "HF_DATASETS_OFFLINE"):
    os.environ.setdefault(_name, "1")
