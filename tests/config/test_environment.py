"""What environment variables say: typed, an empty one is none, and a wrong one is named."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import environment as env
from config import launch

NAME = "WHETSTONE_TEST_SETTING"


@pytest.mark.parametrize("blank", [None, "", " "])
@pytest.mark.parametrize(
    ("read", "default"),
    [
        (lambda: env.text(NAME, "there"), "there"),
        (lambda: env.whole(NAME, 7, 1, 9), 7),
        (lambda: env.seconds(NAME, 1.5), 1.5),
        (lambda: env.switch(NAME, True), True),
        (lambda: env.choice(NAME, "a", ("a", "b")), "a"),
        (lambda: env.words(NAME, ("a", "b")), ["a", "b"]),
    ],
)
def test_a_blank_variable_is_one_that_is_not_set(
    monkeypatch: pytest.MonkeyPatch, blank: str | None, read: Callable[[], object], default: object
) -> None:
    if blank is None:
        monkeypatch.delenv(NAME, raising=False)
    else:
        monkeypatch.setenv(NAME, blank)
    assert read() == default


@pytest.mark.parametrize("blank", ["", "   ", " , ,"])
def test_what_is_required_may_not_be_blank(monkeypatch: pytest.MonkeyPatch, blank: str) -> None:
    monkeypatch.setenv(NAME, blank)
    with pytest.raises(ImproperlyConfigured, match=f"{NAME} must be set"):
        env.required_words(NAME, "for a test")
    with pytest.raises(ImproperlyConfigured, match=f"{NAME} must be set"):
        env.required(NAME, "for a test", least=5)


@pytest.mark.parametrize("value", ["a.org,b.org", "a.org, b.org", " a.org ,,b.org, "])
def test_words_are_parted_by_commas_with_or_without_space(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(NAME, value)
    assert env.words(NAME) == env.required_words(NAME, "for a test") == ["a.org", "b.org"]


@pytest.mark.parametrize("value", ["--5", "²", "5.0", "five", "0", "10", "-"])
def test_what_is_no_whole_number_in_its_bounds_is_named(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv(NAME, value)
    with pytest.raises(ImproperlyConfigured, match=f"{NAME} must be a whole number from 1 to 9"):
        env.whole(NAME, 7, 1, 9)


def test_the_launcher_gives_its_processes_no_blank_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATA_DIR", "MODELSERVER_URL", "MODELSERVER_PORT"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    given = launch.child_environment()
    assert given["DATA_DIR"] == str(Path(launch.ROOT) / "var")
    assert given["MODELSERVER_URL"] == "http://127.0.0.1:8001"
    # To other programs an empty variable may say something.
    assert given["CUDA_VISIBLE_DEVICES"] == ""
