"""The contexts of an experiment in their shuffled order."""

from __future__ import annotations

import random
from collections.abc import Sequence

from django.db import transaction
from django.db.models import F, Max

from collection.models import Context, Experiment
from collection.texts import fingerprint

PAGE = 50
_BATCH = 1_000


def shuffled_positions(count: int, seed: int) -> list[int]:
    """The place of each of so many contexts in the order in which an experiment of that seed deals them out."""
    order = list(range(count))
    # The shuffled order is part of the experiment: the same seed deals the contexts in the same order.
    random.Random(f"contexts:{seed}").shuffle(order)
    positions = [0] * count
    for position, index in enumerate(order):
        positions[index] = position
    return positions


def count_contexts(experiment: Experiment) -> int:
    """How many contexts an experiment has, at the same cost for few and many."""
    # Positions have no gaps, and the last one is found in the index.
    last = Context.objects.filter(experiment=experiment).aggregate(last=Max("position"))["last"]
    return 0 if last is None else last + 1


def page_of_contexts(experiment: Experiment, after: int | None = None) -> tuple[list[Context], int | None]:
    """PAGE contexts in the order in which they are dealt out, and the position after which there are more."""
    rows = Context.objects.filter(experiment=experiment).order_by("position")
    if after is not None:
        rows = rows.filter(position__gt=after)
    found = list(rows[: PAGE + 1])
    return found[:PAGE], found[PAGE - 1].position if len(found) > PAGE else None


def append_contexts(experiment: Experiment, texts: Sequence[str]) -> None:
    """Add contexts and shuffle all anew: the order is that of an experiment made with all of them at once.

    The caller has checked the texts and made sure that nothing has been dealt out yet. Part of a transaction.
    """
    standing = list(Context.objects.filter(experiment=experiment).order_by("pk"))
    count = len(standing) + len(texts)
    positions = shuffled_positions(count, experiment.seed)
    with transaction.atomic():
        if standing:
            # No two may share a position, not even for a moment: out of the way first, then each to its place.
            Context.objects.filter(experiment=experiment).update(position=F("position") + count)
            for context, position in zip(standing, positions, strict=False):
                context.position = position
            # Each is there, so nothing is inserted: bulk_update does the same in several times the time.
            Context.objects.bulk_create(
                standing, _BATCH, update_conflicts=True, unique_fields=["pk"], update_fields=["position"]
            )
        Context.objects.bulk_create(
            (
                Context(experiment=experiment, position=position, text=text, fingerprint=fingerprint([text]))
                for text, position in zip(texts, positions[len(standing) :], strict=True)
            ),
            batch_size=_BATCH,
        )
