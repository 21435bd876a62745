"""The report's pages and files."""

from __future__ import annotations

import csv
import io

import pytest
from django.test import Client

from collection import reports
from collection.models import Experiment, Report
from tests import factories

pytestmark = pytest.mark.django_db

URL = "/studies/study/report/"


@pytest.fixture
def experiment() -> Experiment:
    """A study with a report."""
    made = factories.running()
    factories.report(made)
    return made


@pytest.fixture
def owner(experiment: Experiment, client: Client) -> Client:
    """Its owner, logged in."""
    client.force_login(factories.researcher(experiment).user)
    return client


def test_the_summary_comes_first_and_every_section_has_its_page(owner: Client) -> None:
    page = owner.get(URL).content.decode()
    assert "It was &lt;b&gt;computed&lt;/b&gt;." in page
    section = owner.get(f"{URL}collection/").content.decode()
    assert "3 of 4 fooled." in section
    assert "75.0% [30.1, 95.4]" in section
    assert "not enough data: there is nothing to take a share of" in section
    assert "<small>n 4</small>" in section
    assert "<li>clustered: Tries (1 figure)</li>" in section
    assert 'alt="The dynamic arm fools most."' in section
    assert owner.get(f"{URL}nothing/").status_code == 404


def test_charts_and_tables_can_be_taken_along(owner: Client) -> None:
    assert owner.get(f"{URL}collection/mer-by-arm.svg").headers["Content-Type"] == "image/svg+xml"
    assert owner.get(f"{URL}collection/mer-by-arm.png").content == b"\x89PNG"
    assert owner.get(f"{URL}pdf/").content == b"%PDF-1.7"
    for path in ("collection/nothing.svg", "summary/mer-by-arm.svg", "collection/nothing.csv"):
        assert owner.get(URL + path).status_code == 404


def test_a_table_as_csv_has_each_part_of_an_estimate_and_no_formula(owner: Client) -> None:
    rows = list(csv.DictReader(io.StringIO(owner.get(f"{URL}collection/mer.csv").content.decode())))
    assert rows[0]["arm"] == "dynamic"
    assert (rows[0]["mer"], rows[0]["mer_n"], rows[0]["mer_method"]) == ("0.75", "4", "Wilson")
    assert (rows[1]["arm"], rows[1]["mer"], rows[1]["mer_low"]) == ("'=1+1", "", "")


def test_a_long_table_is_cut_on_its_page_and_whole_in_its_file(owner: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    page = owner.get(f"{URL}collection/").content.decode()
    assert "=1+1" in page
    assert "more are in the CSV" not in page
    monkeypatch.setattr("collection.pages.report.MOST_ROWS", 1)
    page = owner.get(f"{URL}collection/").content.decode()
    assert "The first 1 rows are shown; 1 more are in the CSV." in page
    assert "=1+1" not in page
    assert "=1+1" in owner.get(f"{URL}collection/mer.csv").content.decode()


def test_the_printed_report_needs_nothing_else_and_runs_nothing(owner: Client) -> None:
    answer = owner.get(f"{URL}print/")
    page = answer.content.decode()
    assert "<title>mer</title></svg>" in page
    assert "It was &lt;b&gt;computed&lt;/b&gt;." in page
    assert "<script" not in page
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_a_report_is_asked_for_with_a_button(owner: Client) -> None:
    assert "Compute it now" in owner.get(URL).content.decode()
    answer = owner.post(URL, follow=True).content.decode()
    assert "A worker computes it as soon as one is free." in answer
    assert "Compute it now" not in answer
    assert Report.objects.get().state == "due"


def test_a_report_that_failed_says_why_beside_the_one_that_stands(owner: Client, experiment: Experiment) -> None:
    claimed = reports.claim(reports.ask(experiment).pk)
    assert claimed is not None
    reports.fail(claimed, "ValueError: broken")
    page = owner.get(URL).content.decode()
    assert "ValueError: broken" in page
    assert "It was &lt;b&gt;computed&lt;/b&gt;." in page


def test_without_a_report_the_page_says_when_there_will_be_one(client: Client) -> None:
    made = factories.running("other")
    client.force_login(factories.researcher(made).user)
    page = client.get("/studies/other/report/").content.decode()
    assert "the first one comes when a round is done" in page
    assert client.get("/studies/other/report/print/").status_code == 404
    assert client.get("/studies/other/report/pdf/").status_code == 404
