"""``manage.py power``: what a study to be will see, from what is stated or from an experiment that there is."""

from __future__ import annotations

import dataclasses
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from collection.analytics.assumptions import assumptions_of
from collection.analytics.power import Design, DesignError
from collection.analytics.power_section import TITLES, plan_section
from collection.models import Experiment
from collection.printing import markdown_of
from collection.study_tables import study_of


class Command(BaseCommand):
    """Prints what the study will see, what it costs and what that rests on, as Markdown."""

    help = "Simulate the power of a study to be. What is not stated is as in --like, or has its default."

    def add_arguments(self, parser: CommandParser) -> None:
        """The command line."""
        parser.add_argument("--like", metavar="SLUG", help="an experiment whose data say what else must be assumed")
        for name, title in TITLES.items():
            default = getattr(Design, name)
            option = f"--{name.replace('_', '-')}"
            parser.add_argument(option, type=type(default), metavar="X", help=f"{title} (default: {default})")
        parser.add_argument("--simulations", type=int, default=1000)
        parser.add_argument("--seed", type=int, default=0)

    def handle(self, *args: Any, **options: Any) -> None:
        """Simulate, print."""
        if not 100 <= options["simulations"] <= 100_000:
            raise CommandError("simulations: must be from 100 to 100,000")
        if not 0 <= options["seed"] < 2**32:
            raise CommandError("seed: must be from 0 to 4,294,967,295")
        stated = {name: options[name] for name in TITLES if options[name] is not None}
        try:
            start = Design() if options["like"] is None else self._like(options["like"])
            estimated = tuple(name for name in start.estimated if name not in stated)
            design = dataclasses.replace(start, **stated, estimated=estimated)
        except DesignError as error:
            raise CommandError(str(error)) from None
        self.stdout.write(markdown_of(plan_section(design, options["simulations"], options["seed"])))

    def _like(self, slug: str) -> Design:
        experiment = Experiment.objects.filter(slug=slug).select_related("task").first()
        if experiment is None:
            raise CommandError(f"like: there is no experiment called {slug!r}")
        return assumptions_of(study_of(experiment))
