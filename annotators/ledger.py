"""Crediting annotators: append-only, each thing paid for once."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Q, Sum

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


@dataclass(frozen=True)
class Account:
    """Where an annotator stands with a study, in one currency: all that was earned, and what of it was paid out."""

    earned: Money
    paid: Money

    @property
    def due(self) -> Money:
        """Earned and not paid out yet."""
        return Money(self.earned.minor - self.paid.minor, self.earned.currency)


def accounts(annotator: Annotator, studies: Collection[uuid.UUID]) -> dict[uuid.UUID, list[Account]]:
    """The annotator's accounts with some studies, one a currency; a study without entries is not named."""
    paid = Q(kind=LedgerEntry.Kind.PAYMENT)
    totals = (
        LedgerEntry.objects.filter(annotator=annotator, study__in=studies)
        .values("study", "currency")
        .annotate(earned=Sum("minor", filter=~paid, default=0), paid=Sum("minor", filter=paid, default=0))
        .order_by("study", "currency")
    )
    found: dict[uuid.UUID, list[Account]] = {}
    for row in totals:
        # What is paid out stands in the ledger as a negative amount.
        account = Account(Money(row["earned"], row["currency"]), Money(-row["paid"], row["currency"]))
        found.setdefault(row["study"], []).append(account)
    return found


def credited(study: uuid.UUID) -> dict[str, int]:
    """What was credited in a study, in minor units, by the key that it was credited under."""
    entries = LedgerEntry.objects.filter(study=study).exclude(kind=LedgerEntry.Kind.PAYMENT)
    return dict(entries.values_list("key", "minor"))
