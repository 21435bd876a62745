"""The settings from the environment: usual values, and wrong ones refused by name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from modelserver.service.config import Config
from modelserver.wire import ModelRef, WireError


def test_nothing_needs_to_be_set() -> None:
    config = Config.from_environment({})
    assert (config.host, config.port, config.queue, config.max_batch) == ("127.0.0.1", 8001, 256, 32)
    assert config.memory_bytes == 2_000_000_000
    assert config.max_body_bytes == 1_024_000
    assert config.repository_url == f"file://{Path('var').resolve() / 'models'}"
    assert config.preload == ()


def test_an_empty_variable_counts_as_not_set() -> None:
    names = ("MODELSERVER_PORT", "MODELSERVER_TOKEN", "MODEL_REPOSITORY_URL", "DATA_DIR", "MODELSERVER_TIMEOUT_S")
    assert Config.from_environment(dict.fromkeys(names, "")) == Config.from_environment({})


def test_every_setting_can_be_set() -> None:
    config = Config.from_environment(
        {
            "MODEL_REPOSITORY_URL": "s3://bucket/models",
            "MODELSERVER_CACHE_DIR": "/cache",
            "MODELSERVER_HOST": "0.0.0.0",
            "MODELSERVER_PORT": "9000",
            "MODELSERVER_MEMORY_MB": "500",
            "MODELSERVER_QUEUE": "10",
            "MODELSERVER_MAX_BATCH": "8",
            "MODELSERVER_BATCH_TOKENS": "2048",
            "MODELSERVER_THREADS": "4",
            "MODELSERVER_MAX_BODY_KB": "64",
            "MODELSERVER_TIMEOUT_S": "2.5",
            "MODELSERVER_TOKEN": "secret",
            "MODELSERVER_PRELOAD": "nli/0, nli-dynamic/12,",
        }
    )
    assert config == Config(
        repository_url="s3://bucket/models",
        cache=Path("/cache"),
        host="0.0.0.0",
        port=9000,
        memory_bytes=500_000_000,
        queue=10,
        max_batch=8,
        batch_tokens=2048,
        threads=4,
        max_body_bytes=64_000,
        timeout_s=2.5,
        token="secret",
        preload=(ModelRef("nli", 0), ModelRef("nli-dynamic", 12)),
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MODELSERVER_PORT", "0"),
        ("MODELSERVER_PORT", "65536"),
        ("MODELSERVER_PORT", "eight"),
        ("MODELSERVER_PORT", "²"),
        ("MODELSERVER_MEMORY_MB", "-1"),
        ("MODELSERVER_QUEUE", "0"),
        ("MODELSERVER_MAX_BATCH", "1.5"),
        ("MODELSERVER_BATCH_TOKENS", "0"),
        ("MODELSERVER_THREADS", "all"),
        ("MODELSERVER_MAX_BODY_KB", "0"),
        ("MODELSERVER_TIMEOUT_S", "0"),
        ("MODELSERVER_TIMEOUT_S", "nan"),
        ("MODELSERVER_TIMEOUT_S", "soon"),
        ("MODELSERVER_TOKEN", "two\nlines"),
        ("MODELSERVER_TOKEN", "geheim-ä"),
        ("MODELSERVER_TOKEN", " secret"),
        ("MODELSERVER_PRELOAD", "nli"),
        ("MODELSERVER_PRELOAD", "nli/x"),
        ("MODELSERVER_PRELOAD", "NLI/0"),
    ],
)
def test_a_wrong_value_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(WireError) as caught:
        Config.from_environment({name: value})
    assert caught.value.field == name


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"MODELSERVER_PORT": "eight"}, "MODELSERVER_PORT: must be a whole number"),
        ({"MODEL_REPOSITORY_URL": "nosuch://place"}, "nosuch"),
    ],
)
def test_the_server_does_not_start_with_wrong_settings(changes: dict[str, str], message: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "modelserver.service"], env={**os.environ, **changes}, capture_output=True, text=True
    )
    assert ended.returncode == 2
    assert message in ended.stderr
    assert "Traceback" not in ended.stderr
