"""``manage.py analyze``: the report on a study, from the database or from exported files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from collection.analytics.drawing import draw
from collection.analytics.files import StudyFileError, read_study, write_study
from collection.analytics.report import colophon, sections_of
from collection.analytics.sections import Options
from collection.analytics.study import Study
from collection.analytics.typesetting import typeset
from collection.models import Experiment
from collection.printing import csv_of, html_of, plain_of
from collection.study_tables import study_of


class Command(BaseCommand):
    """Writes the report as HTML, PDF, JSON and CSV tables into a folder."""

    help = "Compute the report on a study: of an experiment by its short name, or of a folder of its tables."

    def add_arguments(self, parser: CommandParser) -> None:
        """The command line."""
        parser.add_argument("study", help="an experiment's short name, or a folder that --tables has written")
        parser.add_argument("--out", type=Path, required=True, help="the folder to write to")
        parser.add_argument("--tables", action="store_true", help="write the study's tables too, to analyze elsewhere")
        parser.add_argument("--draws", type=int, default=2000, help="bootstrap draws")
        parser.add_argument("--seed", type=int, default=0)
        parser.add_argument("--as-released", action="store_true", help="with the quirks of the source study's scripts")

    def handle(self, *args: Any, **options: Any) -> None:
        """Read, compute, write."""
        if not 100 <= options["draws"] <= 100_000:
            raise CommandError("draws: must be from 100 to 100,000")
        if not 0 <= options["seed"] < 2**32:
            raise CommandError("seed: must be from 0 to 4,294,967,295")
        study = self._study(options["study"])
        chosen = Options(draws=options["draws"], seed=options["seed"], as_released=options["as_released"])
        out: Path = options["out"]
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CommandError(f"out: {error}") from None
        if options["tables"]:
            write_study(study, out / "tables")
        sections = sections_of(study, chosen)
        made_by = colophon(chosen)
        pictures = {(section.id, chart.id): draw(section, chart) for section in sections for chart in section.charts}
        text = json.dumps(plain_of(study.slug, sections, made_by), ensure_ascii=False, allow_nan=False, indent=1)
        (out / "report.json").write_text(text + "\n", encoding="utf-8")
        svgs = {key: picture.svg for key, picture in pictures.items()}
        (out / "report.pdf").write_bytes(typeset(study.name, sections, svgs, made_by))
        (out / "report.html").write_text(html_of(study.name, sections, svgs, made_by), encoding="utf-8")
        for section in sections:
            for table in section.tables:
                (out / f"{section.id}.{table.id}.csv").write_text(csv_of(table), encoding="utf-8", newline="")
        for (section_id, chart_id), picture in pictures.items():
            (out / f"{section_id}.{chart_id}.svg").write_text(picture.svg, encoding="utf-8")
            (out / f"{section_id}.{chart_id}.png").write_bytes(picture.png)
        for finding in sections[0].findings:
            self.stdout.write(f"- {finding}")
        self.stderr.write(f"written to {out}")

    def _study(self, named: str) -> Study:
        folder = Path(named)
        if folder.is_dir():
            try:
                return read_study(folder)
            except StudyFileError as error:
                raise CommandError(f"{folder}: {error}") from None
        experiment = Experiment.objects.filter(slug=named).select_related("task").first()
        if experiment is None:
            raise CommandError(f"study: there is neither an experiment nor a folder called {named!r}")
        return study_of(experiment)
