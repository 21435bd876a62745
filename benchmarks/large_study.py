"""A finished study of any size in a database of Django, written as fast as rows can be: for benchmarks."""

from __future__ import annotations

import datetime as dt
import json
import random
import uuid
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collection.models import Experiment

ARMS = ("non-adversarial", "static", "dynamic")
ROUNDS = 2
VOTES = 3
PEOPLE = 300
CONTEXTS = 200
LABELS = ("entailment", "not_entailment")
BATCH = 20_000
_PARTS = ("ba", "de", "ki", "lo", "mu", "na", "ster")
_WORDS = [
    *("dog", "ladder", "harbour", "window", "sleeps", "runs", "Österreich", "never", "often", "reads", "the", "of"),
    *(f"{first}{second}{third}" for first in _PARTS for second in _PARTS for third in _PARTS),
]  # fmt: skip


def fill(examples: int) -> Experiment:
    """An experiment that is finished, with that many accepted examples of three votes each, in SQLite.

    Rows go into the tables by themselves, past Django's objects: a million takes minutes, not an hour.
    """
    from django.contrib.auth.models import User
    from django.db import connection, transaction

    from annotators.models import Annotator
    from collection.demo.tasks import task
    from collection.models import Arm, Context, Experiment, Round
    from modelserver.models import ModelVersion

    rng = random.Random(7)
    version = ModelVersion(name="base", version=0, manifest_sha256="0" * 64, labels=list(LABELS))
    version.save()
    study = Experiment.objects.create(
        slug="study", name="study", task=task("nli"), state="finished", base_version=version, rounds=ROUNDS,
        quota=examples, base_model="base",
    )  # fmt: skip
    users = User.objects.bulk_create([User(username=f"benchmark-{number}") for number in range(PEOPLE)])
    people = Annotator.objects.bulk_create([Annotator(user=user, platform_id=f"p{user.pk}") for user in users])
    contexts = Context.objects.bulk_create(
        Context(experiment=study, position=number, text=_text(rng, 20), fingerprint=uuid.uuid4().hex)
        for number in range(CONTEXTS)
    )
    rounds = []
    for position, kind in enumerate(ARMS):
        arm = Arm.objects.create(experiment=study, slug=kind, kind=kind, position=position)
        against = version if arm.shows_model else None
        for number in range(1, ROUNDS + 1):
            made = Round.objects.create(arm=arm, number=number, quota=examples, state="done", model_version=against)
            rounds.append(made)
    rows = _rows(rng, examples, study, rounds, [item.pk for item in people], contexts, version.pk)
    quote = connection.ops.quote_name
    with connection.cursor() as cursor, transaction.atomic():
        while tables := _batch(rows):
            for table, (columns, values) in tables.items():
                marks = ", ".join(["%s"] * len(columns))
                cursor.executemany(f"INSERT INTO {table} ({', '.join(map(quote, columns))}) VALUES ({marks})", values)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return study


Stored = tuple[str, dict[str, Any]]


def _batch(rows: Iterator[list[Stored]]) -> dict[str, tuple[list[str], list[list[Any]]]]:
    """The next rows by table, in an order in which each finds what it refers to."""
    found: dict[str, tuple[list[str], list[list[Any]]]] = {}
    for _, made in zip(range(BATCH), rows, strict=False):
        for table, row in made:
            found.setdefault(table, (list(row), []))[1].append(list(row.values()))
    return found


def _rows(
    rng: random.Random,
    count: int,
    study: Experiment,
    rounds: Sequence[Any],
    people: Sequence[int],
    contexts: Sequence[Any],
    version: int,
) -> Iterator[list[Stored]]:
    """An example with all that hangs on it, at a time."""
    began = dt.datetime(2026, 1, 1)
    each = -(-count // len(rounds))
    for number in range(1, count + 1):
        round_ = rounds[(number - 1) // each]
        writer, *validators = rng.sample(people, VOTES + 1)
        context, label = rng.choice(contexts), rng.choice(LABELS)
        wrong = LABELS[label == LABELS[0]]
        at = str(began + dt.timedelta(seconds=number, microseconds=rng.randrange(1, 10**6)))
        shown = round_.arm.shows_model
        chance = rng.random()
        yield [
            ("collection_assignment", {
                "id": number, "key": uuid.UUID(int=rng.getrandbits(128)).hex, "experiment_id": study.pk,
                "round_id": round_.pk, "annotator_id": writer, "state": "submitted", "context_id": context.pk,
                "target_label": label, "skips": 0, "expires_at": at, "created_at": at,
            }),
            ("collection_attempt", {
                "id": number, "key": uuid.UUID(int=rng.getrandbits(128)).hex, "assignment_id": number, "index": 1,
                "context_id": context.pk, "texts": json.dumps([context.text, _text(rng, 12)]), "label": label,
                "state": "judged" if shown else "recorded", "idempotency_key": str(number), "body_sha256": "0" * 64,
                "model_version_id": version if shown else None, "prediction": wrong if shown else "",
                "probabilities": json.dumps({label: chance, wrong: 1 - chance}) if shown else None,
                "fooled": True if shown else None, "latency_ms": 12.5 if shown else None, "created_at": at,
                "judged_at": at if shown else None,
            }),
            ("collection_example", {
                "id": number, "key": uuid.UUID(int=rng.getrandbits(128)).hex, "assignment_id": number,
                "attempt_id": number, "arm_id": round_.arm_id, "round_id": round_.pk, "annotator_id": writer,
                "label": label, "fingerprint": f"{number:064}", "why_label": _text(rng, 8), "why_fooled": "",
                "ruling": "", "state": "accepted", "submitted_at": at, "decided_at": at,
            }),
            *[
                ("collection_validation", {
                    "key": uuid.UUID(int=rng.getrandbits(128)).hex, "example_id": number, "annotator_id": validator,
                    "state": "voted", "label": label, "flagged": False, "reason": "", "expires_at": at,
                    "created_at": at, "voted_at": at, "settled_at": at,
                })
                for validator in validators
            ],
        ]  # fmt: skip


def _text(rng: random.Random, words: int) -> str:
    return " ".join(rng.choices(_WORDS, k=words)).capitalize() + "."
