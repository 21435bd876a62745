"""Crediting annotators: append-only, each thing paid for once."""

from __future__ import annotations

import uuid

from django.db import transaction
from django.db.models import Sum

from annotators.models import Annotator, LedgerEntry
from annotators.money import Money


class DifferentCredit(RuntimeError):
    """Something was credited before under this key with another amount or to another person."""


def credit(
    annotator: Annotator, study: uuid.UUID, kind: LedgerEntry.Kind, key: str, money: Money
) -> LedgerEntry | None:
    """Credit an amount once: the same key again changes nothing and gives the entry that stands.

    An amount of zero leaves no entry. Call it in the transaction of whatever earned the money, so that both
    happen or neither. Raises DifferentCredit if the key stands for another annotator or amount.
    """
    if money.minor == 0:
        return None
    with transaction.atomic():
        entry, _ = LedgerEntry.objects.get_or_create(
            key=key,
            defaults={
                "annotator": annotator,
                "study": study,
                "kind": kind,
                "minor": money.minor,
                "currency": money.currency,
            },
        )
    if (entry.annotator_id, entry.minor, entry.currency) != (annotator.pk, money.minor, money.currency):
        raise DifferentCredit(f"{key} was credited before, and differently")
    return entry


def earned(annotator: Annotator, study: uuid.UUID) -> list[Money]:
    """What an annotator has earned in a study so far, one amount a currency."""
    totals = (
        LedgerEntry.objects.filter(annotator=annotator, study=study)
        .values("currency")
        .annotate(total=Sum("minor"))
        .order_by("currency")
    )
    return [Money(row["total"], row["currency"]) for row in totals]
