"""A pytest plugin that gives the tests a data folder of their own, before Django's settings are read."""

from __future__ import annotations

import os
import tempfile

_DATA = tempfile.TemporaryDirectory(prefix="whetstone-tests-")
os.environ |= {"DATA_DIR": _DATA.name, "HF_HUB_OFFLINE": "1", "GOMP_SPINCOUNT": "1000"}
os.environ |= {f"API_RATE_{name}": "100000/min" for name in ("USER", "ANON", "LOGIN", "POWER", "PUBLIC")}
for _name in (
    "MODEL_REPOSITORY_URL",
    "RELEASES_URL",
    "RELEASES_PUSH_URL",
    "TRAINING_DATA_URL",
    "MODELSERVER_URL",
    "WHETSTONE_ENV",
    "SECRET_KEY",
):
    os.environ.pop(_name, None)
