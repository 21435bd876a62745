"""Whether lists stay as fast as an experiment grows: ``python -m benchmarks.list_pages``.

Fills two databases with one experiment each, of 1,000 and of 100,000 examples with their attempts, two votes each and
events, and times what researchers browse with, each at both sizes in turn, so that both see the same state of the
machine. Prints a Markdown table; the target is at most 15 queries, and p95 at most 1.2 times as long at the larger
size. Only the rounds that are over grow: open rounds, which are counted anew each time, hold as many at both, and
so does the experts' list of flagged texts. Other load on the machine makes it noisy.
"""

from __future__ import annotations

import argparse
import datetime as dt
import gc
import os
import platform
import random
import sys
import tempfile
import uuid
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.serving import alternate, cuts, database_version, fresh_database, hardware

if TYPE_CHECKING:
    from collection.models import Experiment

SIZES = {"small": 1_000, "large": 100_000}
ALIASES = {"small": "default", "large": "large"}
MOST_QUERIES = 15
MOST_RATIO = 1.2
ARMS = ("non-adversarial", "static", "dynamic")
ROUNDS = 4
OPEN = 33
PEOPLE = 15
LABELS = ("entailment", "not_entailment")
WORDS = (
    "dog",
    "ladder",
    "harbour",
    "window",
    "sleeps",
    "runs",
    "Österreich",
    "never",
    "often",
    "reads",
    "the",
    "a",
    "in",
)
STATES = ("accepted",) * 7 + ("rejected",) * 2 + ("retracted",)
FLAGGED = 80
BATCH = 5_000


@dataclass(frozen=True)
class Case:
    """Something to time, the same at both sizes. ``bound`` says whether the targets are about it."""

    name: str
    prepare: Callable[[Experiment], Callable[[], object]]
    bound: bool = True


class Router:
    """All queries go to the database that is being measured."""

    alias = "default"

    def db_for_read(self, model: type, **hints: object) -> str:
        """The alias of the database."""
        return self.alias

    db_for_write = db_for_read

    def allow_relation(self, *_: object, **__: object) -> bool:
        """Rows of one database only are ever at hand."""
        return True


ROUTER = Router()


def main() -> int:
    """Run it and print the table; returns 0 if the targets were hit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--requests", type=int, default=200, help="measured calls of each case at each size, at least 2"
    )
    parser.add_argument("--database-url", help="a PostgreSQL server that takes new databases; SQLite without it")
    parser.add_argument("--output", type=Path, help="a file that the result is appended to")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        urls = {}
        for size in SIZES:
            (folder := Path(name) / size).mkdir()
            urls[size] = stack.enter_context(fresh_database(folder, arguments.database_url))
        stack.callback(_set_up(name, urls))
        result, hit = benchmark(arguments.requests, urls["small"])
    print(result)
    if arguments.output:
        with arguments.output.open("a", encoding="utf-8") as file:
            file.write(f"\n{result}\n")
    return 0 if hit else 1


def _set_up(folder: str, urls: dict[str, str]) -> Callable[[], None]:
    """Django with both databases; gives what closes their connections."""
    os.environ |= {
        "DATABASE_URL": urls["small"],
        "DATA_DIR": folder,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "WHETSTONE_ENV": "development",
        "BROKER_URL": "filesystem://localhost/",
    }
    import dj_database_url
    import django
    from django.conf import settings

    name = dj_database_url.parse(urls["large"])["NAME"]
    settings.DATABASES["large"] = {**settings.DATABASES["default"], "NAME": name}
    settings.DATABASE_ROUTERS = [ROUTER]
    django.setup()
    from django.db import connections

    return connections.close_all


def benchmark(requests: int, url: str) -> tuple[str, bool]:
    """The result as Markdown, and whether the targets were hit."""
    from django.core.management import call_command
    from django.db import connections
    from django.test.utils import CaptureQueriesContext

    load_average = os.getloadavg()[0]
    studies = {}
    for size, examples in SIZES.items():
        ROUTER.alias = ALIASES[size]
        call_command("migrate", database=ALIASES[size], verbosity=0)
        studies[size] = fill(examples)
        with connections[ALIASES[size]].cursor() as cursor:
            # What a database does by itself, in time.
            cursor.execute("VACUUM ANALYZE" if connections[ALIASES[size]].vendor == "postgresql" else "ANALYZE")
    timed = cases()
    # Calls alternate in step with the garbage collector: its passes over all that is loaded fall on one size alone.
    gc.collect()
    gc.freeze()
    lines, hit = [], True
    for case in timed:
        calls, queries = {}, []
        for size, study in studies.items():
            ROUTER.alias = ALIASES[size]
            call = case.prepare(study)
            call()
            with CaptureQueriesContext(connections[ALIASES[size]]) as captured:
                call()
            queries.append(len(captured))
            calls[size] = call

        def way(size: str, calls: dict[str, Callable[[], object]] = calls) -> Callable[[int], Callable[[], object]]:
            def ready(_: int) -> Callable[[], object]:
                ROUTER.alias = ALIASES[size]
                return calls[size]

            return ready

        times = alternate({size: way(size) for size in studies}, requests if case.bound else max(2, requests // 20))
        small, large = cuts(times["small"]), cuts(times["large"])
        ratio, most = large[1] / small[1], max(queries)
        met = most <= MOST_QUERIES and ratio <= MOST_RATIO
        hit = hit and (met or not case.bound)
        verdict = ("hit" if met else "missed") if case.bound else "no target"
        lines.append(
            f"| {case.name} | {most} | {small[0]:.2f} | {small[1]:.2f} | {large[0]:.2f} | {large[1]:.2f} "
            f"| {large[0] / small[0]:.2f} | {ratio:.2f} | {verdict} |"
        )
    import django

    head = [
        f"{requests} calls a row and size; {hardware()}; load average at the start {load_average:.1f}; "
        f"Python {platform.python_version()}, django {django.__version__}, {database_version(url)}",
        "",
        "| what | queries | 1,000: p50 ms | p95 ms | 100,000: p50 ms | p95 ms | p50 / p50 | p95 / p95 "
        f"| ≤ {MOST_QUERIES}, ≤ {MOST_RATIO} |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    return "\n".join([*head, *lines]), hit


def cases() -> list[Case]:
    """What is timed."""
    from annotators.models import Annotator
    from collection import browsing, monitoring
    from collection.browsing import ExampleFilter, parse_filter
    from collection.models import Example
    from collection.pseudonyms import pseudonym

    def page(name: str, params: dict[str, str]) -> Case:
        wanted = parse_filter(params)
        return Case(name, lambda study: lambda: browsing.page_of_examples(study, wanted))

    def writer(study: Experiment) -> Callable[[], object]:
        wanted = ExampleFilter(writer=pseudonym(study, Annotator.objects.order_by("pk")[PEOPLE // 2]))
        return lambda: browsing.page_of_examples(study, wanted)

    def deep(study: Experiment) -> Callable[[], object]:
        cursor, wanted = None, ExampleFilter()
        for _ in range(Example.objects.count() // 400):
            cursor = browsing.page_of_examples(study, wanted, cursor, 200).next
        return lambda: browsing.page_of_examples(study, wanted, cursor)

    def detail(study: Experiment) -> Callable[[], object]:
        key = Example.objects.order_by("pk").values_list("key", flat=True)[500]
        return lambda: browsing.example_detail(study, key)

    def statistics(study: Experiment) -> Callable[[], object]:
        return lambda: monitoring.round_statistics(study)

    def why(study: Experiment) -> Callable[[], object]:
        def say() -> None:
            rounds = [item for _, found in monitoring.round_statistics(study) for item in found]
            around = monitoring.surroundings(study, [round_ for round_, _ in rounds])
            for round_, figures in rounds:
                monitoring.why_not_moving(round_, figures, around)

        return say

    def cold(study: Experiment) -> Callable[[], object]:
        def count() -> None:
            monitoring.forget()
            monitoring.round_statistics(study)

        return count

    return [
        page("first page", {}),
        Case("deep page: half of the way down", deep),
        page("arm", {"arm": "dynamic"}),
        page("round", {"round": "2"}),
        page("arm and round", {"arm": "static", "round": "2"}),
        page("state accepted", {"state": "accepted"}),
        page("state flagged", {"state": "flagged"}),
        page("fooled", {"fooled": "true"}),
        page("disagreement", {"disagreement": "true"}),
        Case("writer", writer),
        page("label", {"label": LABELS[0]}),
        page("text that many have", {"text": "österreich"}),
        page("text that none has: 1,000 looked at", {"text": "zzz"}),
        page("fooled, disagreement, label and text", {
            "fooled": "true", "disagreement": "true", "label": LABELS[0], "text": "zzz"
        }),
        Case("example_detail", detail),
        Case("round_statistics", statistics),
        Case("round_statistics and why no round moves", why),
        Case("round_statistics, the first time in a process", cold, bound=False),
    ]  # fmt: skip


def fill(examples: int) -> Experiment:
    """A running experiment with that many examples: three rounds of each arm are done, the fourth has begun."""
    from django.contrib.auth.models import User

    from annotators.models import Annotator, Enrolment, EnrolmentPlan
    from collection.demo.tasks import task
    from collection.models import Arm, Context, Experiment, Round
    from modelserver.models import ModelVersion

    rng = random.Random(7)
    version = ModelVersion(name="base", version=0, manifest_sha256="0" * 64, labels=list(LABELS))
    version.save()
    study = Experiment.objects.create(
        slug="study", name="study", task=task("nli"), state="running", base_version=version, rounds=ROUNDS,
        quota=(examples // len(ARMS)), base_model="base",
    )  # fmt: skip
    users = User.objects.bulk_create([User(username=f"writer{number}") for number in range(PEOPLE)])
    people = Annotator.objects.bulk_create([Annotator(user=user, platform_id=str(user.pk)) for user in users])
    plan = EnrolmentPlan.objects.create(study=study.key, groups=list(ARMS), seed=0, enrolled=PEOPLE)
    Enrolment.objects.bulk_create(
        Enrolment(plan=plan, annotator=somebody, group=ARMS[index % 3], position=index)
        for index, somebody in enumerate(people)
    )
    contexts = Context.objects.bulk_create(
        Context(experiment=study, position=number, text=_text(rng, 30), fingerprint=uuid.uuid4().hex)
        for number in range(50)
    )
    arms = [Arm.objects.create(experiment=study, slug=kind, kind=kind, position=at) for at, kind in enumerate(ARMS)]
    over = examples - OPEN * len(arms)
    for number in range(1, ROUNDS + 1):
        last = number == ROUNDS
        count = OPEN * len(arms) if last else over // (ROUNDS - 1)
        rounds = [
            Round.objects.create(
                arm=arm, number=number, quota=study.quota, state="open" if last else "done",
                model_version=version if arm.shows_model else None,
            )
            for arm in arms
        ]  # fmt: skip
        for start in range(0, count, BATCH):
            _add(rng, study, rounds, people, contexts, min(BATCH, count - start), FLAGGED / examples)
    return study


def _add(
    rng: random.Random,
    study: Any,
    rounds: list[Any],
    people: list[Any],
    contexts: list[Any],
    count: int,
    flagged: float,
) -> None:
    """Examples of these rounds in turn, with all that hangs on them."""
    from collection.models import Assignment, Attempt, Example, Validation
    from lifecycle.models import StateChange

    now = dt.datetime.now(tz=dt.UTC)
    chosen = [rounds[index % len(rounds)] for index in range(count)]
    writers = [rng.choice(people[index % len(rounds) :: len(rounds)]) for index in range(count)]
    labels = [rng.choice(LABELS) for _ in range(count)]
    assignments = Assignment.objects.bulk_create(
        Assignment(
            experiment=study, round=round_, annotator=writer, state="submitted", context=rng.choice(contexts),
            target_label=label, expires_at=now,
        )
        for round_, writer, label in zip(chosen, writers, labels, strict=True)
    )  # fmt: skip
    attempts = []
    for held in assignments:
        assert held.context is not None
        tries = rng.choice((1, 2, 2, 3))
        for index in range(1, tries + 1):
            shown = held.round.arm.shows_model
            fooled = index == tries and rng.random() < 0.6
            right, wrong = held.target_label, LABELS[held.target_label == LABELS[0]]
            verdict = {
                "model_version": study.base_version,
                "prediction": wrong if fooled else right,
                "probabilities": {right: 0.4, wrong: 0.6},
                "fooled": fooled,
                "latency_ms": 12.5,
                "judged_at": now,
            }
            attempts.append(
                Attempt(
                    assignment=held,
                    index=index,
                    context=held.context,
                    texts=[held.context.text, _text(rng, 12)],
                    label=right,
                    state="judged" if shown else "recorded",
                    idempotency_key=uuid.uuid4().hex,
                    body_sha256="0" * 64,
                    **(verdict if shown else {}),
                )
            )
    last = {attempt.assignment_id: attempt for attempt in Attempt.objects.bulk_create(attempts, batch_size=2_000)}
    examples = Example.objects.bulk_create(
        Example(
            assignment=held, attempt=last[held.pk], arm=held.round.arm, round=held.round, annotator=held.annotator,
            label=held.target_label, fingerprint=uuid.uuid4().hex,
            state=_state(rng, held.round, flagged),
        )
        for held in assignments
    )  # fmt: skip
    votes, events = [], []
    for example in examples:
        for validator in rng.sample([somebody for somebody in people if somebody != example.annotator], 2):
            label = rng.choices((*LABELS, ""), (45, 45, 10))[0]
            votes.append(
                Validation(
                    example=example,
                    annotator=validator,
                    state="voted",
                    label=label,
                    flagged=not label,
                    reason="why",
                    expires_at=now,
                    voted_at=now,
                    settled_at=now,
                )
            )
        kind = {"subject_type": "collection.example", "subject_id": example.pk}
        events += [StateChange(**kind, to_state="pending", actor=example.annotator.user)]
        events += [StateChange(**kind, from_state="pending", to_state=example.state)]
    Validation.objects.bulk_create(votes, batch_size=2_000)
    StateChange.objects.bulk_create(events, batch_size=2_000)


def _state(rng: random.Random, round_: Any, flagged: float) -> str:
    if rng.random() < flagged:
        return "flagged"
    return rng.choice(STATES if round_.state == "done" else ("pending", *STATES))


def _text(rng: random.Random, words: int) -> str:
    return " ".join(rng.choices(WORDS, k=words)) + "."


if __name__ == "__main__":
    sys.exit(main())
