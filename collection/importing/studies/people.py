"""People who come with a release: pseudonyms, behind which nobody stands here, and nobody can log in as."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.db import transaction

from annotators.enrolment import plan_study
from annotators.models import Annotator, Enrolment
from collection.importing.studies.batches import batches
from collection.importing.studies.facts import Facts
from collection.models import Experiment, ImportedWriter

PLATFORM = "imported"


def store_writers(experiment: Experiment, facts: Facts, seed: int, sign: Callable[[], None]) -> dict[str, int]:
    """Everybody of a study: gives the annotators' numbers by pseudonym. ``seed`` is that of their draws."""
    plan = plan_study(experiment.key, list(facts.arms), experiment.seed)
    writers: dict[str, int] = {}
    for batch in batches(facts.writers.values()):
        with transaction.atomic():
            users = User.objects.bulk_create(
                User(
                    username=f"{PLATFORM}-{experiment.key.hex[:12]}-{row['writer']}",
                    password=make_password(None),
                    is_active=False,
                )
                for row in batch
            )
            people = Annotator.objects.bulk_create(
                Annotator(user=user, platform=PLATFORM, platform_id=f"{experiment.key}:{row['writer']}")
                for row, user in zip(batch, users, strict=True)
            )
            met = list(zip(batch, people, strict=True))
            ImportedWriter.objects.bulk_create(
                ImportedWriter(
                    annotator=person,
                    experiment=experiment,
                    pseudonym=row["writer"],
                    draws={str(seed): row["draw"]},
                )
                for row, person in met
            )
            enrolled = [(row["arm"], person) for row, person in met if row["arm"] is not None]
            Enrolment.objects.bulk_create(
                Enrolment(plan=plan, annotator=person, group=arm, position=plan.enrolled + index)
                for index, (arm, person) in enumerate(enrolled)
            )
            plan.enrolled += len(enrolled)
            plan.save(update_fields=["enrolled"])
        writers |= {row["writer"]: person.pk for row, person in met}
        sign()
    return writers
