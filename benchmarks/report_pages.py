"""How long the pages of a report take: ``python -m benchmarks.report_pages``.

Stores the report on the large study of benchmarks.report (3 arms x 20 rounds x 10 seeds, three test sets) with its
charts, and asks for every page of it as a researcher. A process of its own makes the study and its report: web
processes hold neither, nor the packages that make them. Prints a Markdown table; the target is 300 ms and 15 queries
a page.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path

from benchmarks.serving import cuts, database_version, fresh_database, hardware

MOST_QUERIES = 15
MOST_MS = 300


def main() -> int:
    """Run it and print the table; returns 0 if the targets were hit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=100, help="measured calls of each page, at least 2")
    parser.add_argument("--database-url", help="a PostgreSQL server that takes new databases; SQLite without it")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        url = stack.enter_context(fresh_database(Path(name), arguments.database_url))
        os.environ |= {
            "DATABASE_URL": url,
            "DATA_DIR": name,
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "WHETSTONE_ENV": "development",
            "BROKER_URL": "filesystem://localhost/",
        }
        import django

        django.setup()
        if (child := os.fork()) == 0:
            _fill()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        # As a web process starts.
        import_module("config.wsgi")
        from django.db import connections

        stack.callback(connections.close_all)
        hit = _measure(arguments.requests, url)
    return 0 if hit else 1


def _measure(requests: int, url: str) -> bool:
    from django.contrib.auth.models import User
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext, setup_test_environment

    from collection.models import ReportSection

    setup_test_environment()
    client = Client()
    client.force_login(User.objects.get())
    rows, hit = [], True
    for section in ReportSection.objects.all():
        path = f"/studies/study/report/{section.slug}/"
        taken = []
        for _ in range(requests):
            began = time.perf_counter()
            answer = client.get(path)
            taken.append(1000 * (time.perf_counter() - began))
            assert answer.status_code == 200, answer.status_code
        with CaptureQueriesContext(connection) as captured:
            client.get(path)
        p50, p95 = cuts(taken)
        met = len(captured) <= MOST_QUERIES and p95 <= MOST_MS
        hit = hit and met
        size = len(answer.content) / 1000
        rows.append(
            f"| {section.title} | {size:.0f} | {len(captured)} | {p50:.0f} | {p95:.0f} | {'hit' if met else 'missed'} |"
        )
    print(f"{requests} calls a page; {hardware()}; {database_version(url)}\n")
    print(f"| page | kB | queries | p50 ms | p95 ms | ≤ {MOST_QUERIES}, ≤ {MOST_MS} ms |")
    print("| --- | ---: | ---: | ---: | ---: | --- |")
    print("\n".join(rows))
    return hit


def _fill() -> None:
    """Make the study and store its report, in a process that is gone before pages are asked for."""
    from django.contrib.auth.models import User
    from django.core.management import call_command

    from annotators.membership import grant
    from annotators.models import Membership
    from benchmarks.report import large_study, timed
    from collection import reports
    from collection.analytics.drawing import draw
    from collection.analytics.parts import afresh
    from collection.demo.tasks import task
    from collection.models import Arm, Experiment
    from modelserver.models import ModelVersion

    call_command("migrate", verbosity=0)
    sections, _ = timed(large_study(), afresh)
    version = ModelVersion.objects.create(name="base", version=0, manifest_sha256="0" * 64, labels=["a", "b"])
    study = Experiment.objects.create(
        slug="study", name="study", task=task("nli"), state="finished", base_version=version, base_model="base"
    )
    for at, kind in enumerate(("non-adversarial", "static", "dynamic")):
        Arm.objects.create(experiment=study, slug=kind, kind=kind, position=at)
    grant(study.key, User.objects.create(username="researcher"), Membership.Role.OWNER)
    report = reports.claim(reports.ask(study).pk)
    assert report is not None
    drawn = [
        reports.Drawn(section.id, chart.id, picture.svg, picture.png)
        for section in sections
        for chart in section.charts
        for picture in [draw(section, chart)]
    ]
    reports.store(report, sections, drawn, b"%PDF-1.7", {"seed": 0}, 1.0)


if __name__ == "__main__":
    sys.exit(main())
