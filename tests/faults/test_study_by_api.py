"""The documented script: a study made, launched, annotated, paused, resumed and exported through the API alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.site import PASSWORD, ROOT, Site

pytestmark = [pytest.mark.faults, pytest.mark.timeout(600)]


def test_the_documented_script_runs_a_whole_study(site: Site, tiny_model: Path) -> None:
    names = ["api-researcher", *(f"api-{number}" for number in range(6))]
    make = "from django.contrib.auth.models import User\n" + "\n".join(
        f"User.objects.create_user({name!r}, password={PASSWORD!r}, is_staff={name == names[0]})" for name in names
    )
    site.manage("shell", "-v", "0", "-c", make)
    tokens = [site.manage("issue_token", names[0], "--scopes", "read", "run", "manage").strip()]
    tokens += [site.manage("issue_token", name, "--scopes", "annotate").strip() for name in names[1:]]
    ran = subprocess.run(
        [sys.executable, "docs/examples/study_by_api.py", site.url, *tokens, "--base-model", str(tiny_model)],
        cwd=ROOT, env=site.environment, capture_output=True, text=True, timeout=550,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    rows = [json.loads(line) for line in ran.stdout.splitlines()]
    # Two rounds of two in each of three arms.
    assert len(rows) == 12
    assert {(row["arm"], row["round"]) for row in rows} == {
        (arm, number) for arm in ("non-adversarial", "static", "dynamic") for number in (1, 2)
    }
    assert all(row["fooled"] is None for row in rows if row["arm"] == "non-adversarial")
    assert "while paused: This study is paused" in ran.stderr
    assert not any(name in ran.stdout for name in names)
