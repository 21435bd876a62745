"""``manage.py simulate``: a whole study with simulated annotators."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from tqdm import tqdm

from collection import experiments
from collection.demo.tasks import TASKS, task
from collection.errors import Invalid, Refused
from collection.importing.jsonl import LabelledRow, read_rows
from collection.importing.test_sets import import_test_set
from collection.models import Example, Experiment, Task, TestItem, TestSet
from collection.nudges import held_back
from collection.simulation.crowd import Crowd, NoVerdict, PoolExhausted
from collection.simulation.pool import Pool, without_test_contexts
from collection.simulation.study import StudyStuck, own_model_server, run_study
from collection.simulation.table import tables
from collection.states import ArmKind, ExampleState, ExperimentState
from collection.texts import check_text
from modelserver import registry
from modelserver.wire import Recipe, WireError


class Command(BaseCommand):
    """Runs one experiment a seed, from wherever each stands, and prints what came of it as Markdown."""

    help = "Run a study with simulated annotators, who draw their texts from a file. Run it again to resume."

    def add_arguments(self, parser: CommandParser) -> None:
        """The command line."""
        parser.add_argument("pool", type=Path, help="JSON lines of human-written rows that annotators draw from")
        parser.add_argument("--name", default="simulated", help="experiments are called NAME-sSEED")
        parser.add_argument("--task", choices=sorted(TASKS), default="nli")
        parser.add_argument("--test-set", action="append", default=[], metavar="SLUG[:KIND]=FILE")
        parser.add_argument("--arms", nargs="+", choices=[kind.value for kind in ArmKind], default=list(ArmKind))
        parser.add_argument("--rounds", type=int, default=5)
        parser.add_argument("--quota", type=int, default=150)
        parser.add_argument("--tries", type=int, default=5, help="tries an example, in arms that show a model")
        parser.add_argument("--seeds", type=int, nargs="+", default=[0])
        parser.add_argument("--curve-seeds", type=int, default=1, help="training seeds of the learning curve")
        parser.add_argument("--agreement", type=float, default=0.95, help="how often validators vote for the truth")
        parser.add_argument("--annotators", type=int, default=4, help="simulated people an arm")
        parser.add_argument("--base-model", default="models/nli-minilm")
        parser.add_argument("--start-from", choices=Experiment.StartFrom.values, default="base")
        parser.add_argument("--recipe", type=json.loads, default={}, help="JSON, for instance '{\"epochs\": 2}'")
        parser.add_argument("--out", type=Path, help="write the tables to this file too")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run every seed's experiment to its end."""
        if not 0 <= options["agreement"] <= 1:
            raise CommandError("agreement: must be between 0 and 1")
        try:
            chosen = task(options["task"])
            test_sets = [self._test_set(chosen, item) for item in options["test_set"]]
            rows = self._rows(chosen, options["pool"], test_sets)
            with held_back():
                studies = [self._experiment(chosen, rows, test_sets, seed, options) for seed in options["seeds"]]
            with held_back(), own_model_server() as client:
                for experiment in studies:
                    self._run(experiment, rows, client, options)
        except Refused as error:
            raise CommandError(str(error)) from None
        except (PoolExhausted, NoVerdict, StudyStuck) as error:
            raise CommandError(f"{error}. Run the same command again to go on from here.") from None
        report = "\n\n".join(tables(experiment) for experiment in studies)
        self.stdout.write(report)
        if options["out"]:
            options["out"].write_text(report + "\n", encoding="utf-8")

    def _test_set(self, chosen: Task, argument: str) -> TestSet:
        named, _, path = argument.partition("=")
        slug, _, kind = named.partition(":")
        if not path or (kind and kind not in TestSet.Kind.values):
            raise CommandError(f"test-set: {argument!r} is not SLUG[:KIND]=FILE, KIND one of {TestSet.Kind.values}")
        file = Path(path)
        rows = read_rows(file, chosen.schema, as_found=True)
        return import_test_set(slug, slug, chosen, TestSet.Kind(kind or "imported"), rows, registry.data_store())

    def _rows(self, chosen: Task, path: Path, test_sets: list[TestSet]) -> list[LabelledRow]:
        """The pool's rows that the task's limits allow and that no test set is close to."""
        rows = read_rows(path, chosen.schema, as_found=True)
        allowed = [row for row in rows if _writable(chosen, row)]
        tested = TestItem.objects.filter(test_set__in=test_sets).values_list("texts", flat=True)
        kept = without_test_contexts(allowed, chosen.schema, [tuple(texts) for texts in tested])
        self.stderr.write(
            f"{path.name}: {len(rows)} rows; {len(rows) - len(allowed)} that the task does not allow and "
            f"{len(allowed) - len(kept)} close to a test set are left out"
        )
        if not kept:
            raise CommandError("pool: no row is left")
        return kept

    def _experiment(
        self, chosen: Task, rows: list[LabelledRow], test_sets: list[TestSet], seed: int, options: dict[str, Any]
    ) -> Experiment:
        slug = f"{options['name']}-s{seed}"
        standing = Experiment.objects.filter(slug=slug).select_related("task", "base_version").first()
        if standing is None:
            settings = {
                "seed": seed,
                "rounds": options["rounds"],
                "quota": options["quota"],
                "max_tries": options["tries"],
                # A simulated writer has few texts a context and moves on when they are used up.
                "max_skips": None,
                "start_from": options["start_from"],
                "curve_seeds": options["curve_seeds"],
                "recipe": _recipe(options["recipe"]),
                "lease_seconds": 86400,
                # Nobody takes a simulated vote back.
                "undo_seconds": 0,
            }
            standing = experiments.create(
                experiments.Plan(
                    slug=slug,
                    name=slug,
                    task=chosen,
                    base_model=options["base_model"],
                    contexts=Pool.of(chosen.schema, rows).contexts,
                    test_sets=test_sets,
                    arms=[(kind, ArmKind(kind)) for kind in options["arms"]],
                    settings=settings,
                )
            )
        if standing.state == ExperimentState.DRAFT:
            experiments.launch(standing)
        return standing

    def _run(self, experiment: Experiment, rows: list[LabelledRow], client: Any, options: dict[str, Any]) -> None:
        pool = Pool.of(experiment.task.schema, rows)

        def crowd_of(running: Experiment) -> Crowd:
            crowd = Crowd(running, pool, client, options["agreement"])
            crowd.gather(options["annotators"])
            return crowd

        total = experiment.arms.count() * experiment.rounds * experiment.quota
        with tqdm(total=total, desc=experiment.slug, unit="example", smoothing=0.05) as bar:

            def tick() -> None:
                accepted = Example.objects.filter(arm__experiment=experiment, state=ExampleState.ACCEPTED).count()
                bar.update(accepted - bar.n)

            run_study(experiment, crowd_of, client, tick)
            tick()


def _writable(chosen: Task, row: LabelledRow) -> bool:
    """Whether a writer could write the row's texts, as long as they are and with their characters."""
    try:
        for item, text in zip(chosen.schema.fields, row.texts, strict=True):
            check_text(item.name, text, min_length=item.min_length, max_length=item.max_length)
    except Invalid:
        return False
    return True


def _recipe(values: object) -> dict[str, Any]:
    if not isinstance(values, dict):
        raise CommandError("recipe: must be a JSON object")
    try:
        Recipe.from_dict(values)
    except WireError as error:
        raise CommandError(f"recipe.{error}") from None
    return values
