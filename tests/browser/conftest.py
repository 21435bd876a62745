"""Pages in a real browser, served by a thread of the test with a model of its own or by real processes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import Browser, Page

from annotators.models import Annotator
from collection.models import Experiment
from modelserver.client import FakeModelClient
from tests import factories
from tests.browser import chromium

Opens = Callable[..., Page]
# A refusal's status, of which the page tells; that htmx focused what the browser was about to.
EXPECTED = ("tatus", "Autofocus processing was blocked")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium."""
    if chromium.executable() is None:
        pytest.skip("no Chromium is installed; CHROMIUM can name one")
    # Playwright's own loop runs in this thread; Django would take our use of the database for a mistake.
    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    try:
        with chromium.browser() as started:
            yield started
    finally:
        if before is None:
            del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> FakeModelClient:
    """A model that always says entailment."""
    fake = factories.client_that_says("entailment")
    monkeypatch.setattr("modelserver.registry.model_client", lambda: fake)
    return fake


@pytest.fixture
def experiment(transactional_db: None) -> Experiment:
    """A running experiment that offers all there is."""
    return factories.running(
        quota=9, quorum=1, max_validations=1, max_tries=3, undo_seconds=60, base_pay_minor=20, fooling_bonus_minor=30,
        validation_pay_minor=5, sandbox=True, leaderboard=True, inspiration=True,
    )  # fmt: skip


@pytest.fixture
def opens(browser: Browser, live_server: Any, model: FakeModelClient) -> Iterator[Opens]:
    """Opens a page as somebody who is logged in, or as nobody. Whatever the page's console says is an error."""
    contexts, said = [], []

    def opens_as(who: Annotator | None, path: str = "/", **options: Any) -> Page:
        # What fades in has colours of its own for a moment, which are nobody's choice.
        context = browser.new_context(**{"base_url": live_server.url, "reduced_motion": "reduce", **options})
        contexts.append(context)
        if who is not None:
            client = Client()
            client.force_login(who.user)
            value = client.cookies["sessionid"].value
            context.add_cookies([{"name": "sessionid", "value": value, "url": live_server.url}])
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda item: None if any(part in item.text for part in EXPECTED) else said.append(item.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(path)
        return page

    yield opens_as
    for context in contexts:
        context.close()
    assert said == []
