"""The lines with curl in docs/api.md do what they say, as they stand there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.contrib.auth.models import User

from annotators.tokens import issue
from collection.demo.tasks import task
from collection.models import Experiment

DOCS = Path(__file__).parents[2] / "docs/api.md"


def lines() -> list[str]:
    """The lines of the example: first what makes its files and names, then a request each."""
    block = re.search(r"```\n(cat > plan\.json.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    before, _, requests = block[1].partition("\ncurl ")
    return [before, *(f"curl {line}" for line in requests.strip().split("\ncurl "))]


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_each_request_of_the_example_is_answered_as_it_should_be(live_server: Any, tmp_path: Path) -> None:
    task("nli")
    researcher = User.objects.create(username="ada", is_staff=True)
    _, token = issue(researcher, "curl", ["read", "run"])
    before, *requests = lines()
    before = before.replace("wst_…", token).replace("http://127.0.0.1:8000", live_server.url)

    def asked(request: str) -> tuple[int, Any]:
        request = request.replace("curl ", "curl --silent --noproxy '*' --write-out '\n%{http_code}' ", 1)
        command = ["bash", "-euc", f"{before}\n{request}"]
        answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True).stdout
        body, _, status = answer.rpartition("\n")
        return int(status), json.loads(body)

    with mock.patch("collection.nudges.current_app.send_task"):
        answers = [asked(request) for request in requests]
    assert [status for status, _ in answers] == [200, 201, 201, 201, 202, 200, 200, 200, 404, 409]
    assert answers[0][1]["problems"] == []
    assert answers[2][1] == {"added": 1, "already": 0}
    assert [item["rows"] for item in answers[3][1]["arms"]] == [2, 2, 2]
    assert answers[4][1]["state"] == "due"
    assert answers[7][1]["results"] == []
    assert "report" in answers[8][1]["detail"], "there is none before the first round is done"
    assert answers[9][1]["code"] == "no_rounds", "no round is done"
    made = Experiment.objects.get(slug="mine")
    assert (made.state, made.curve_seeds, made.contexts.count()) == ("preparing", 3, 2)
