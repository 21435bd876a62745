"""What people are called in a release, and the draws that put them into a split. Nobody's identity is written out."""

from __future__ import annotations

import hashlib
import hmac
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.contrib.auth import get_user_model

from annotators.models import Annotator, Enrolment
from collection.export.splits import draw
from collection.models import Experiment, ImportedWriter

# Whose platform ids are their users' numbers, and tell nobody anything.
IN_HOUSE = "inhouse"


class SharedPseudonym(RuntimeError):
    """Two people of one release have the same pseudonym: another salt is needed."""


@dataclass(frozen=True)
class Person:
    """Somebody in a release; ``draw`` is sixteen hexadecimal digits, the same in every release with that seed."""

    pseudonym: str
    draw: str


class People:
    """Everybody of an experiment who is met in its data, looked up a batch at a time, by the annotator's number.

    A pseudonym is ``w`` and twelve hexadecimal digits of the HMAC-SHA256 of the annotator's key under the release's
    salt. A draw is that of the key under the experiment's key and the seed: with the seed alone the draws would tell
    which people of two studies are the same. Who came with an imported release keeps what stood there.
    """

    def __init__(self, experiment: Experiment, salt: str, seed: int) -> None:
        self._experiment = experiment
        self._salt = salt.encode()
        self._seed = seed
        self._known: dict[int, Person] = {}

    def meet(self, numbers: Iterable[int]) -> dict[int, Person]:
        """Everybody met so far, these among them."""
        new = {number for number in numbers if number not in self._known}
        if new:
            imported = {
                item.annotator_id: item
                for item in ImportedWriter.objects.filter(experiment=self._experiment, annotator__in=new)
            }
            for number, key in Annotator.objects.filter(pk__in=new).values_list("pk", "key"):
                self._known[number] = self._person(key, imported.get(number))
        return self._known

    def called(self, numbers: Iterable[int]) -> list[dict[str, str | None]]:
        """Rows of ``study/writers.jsonl`` for these people: pseudonym, arm and draw of each, by pseudonym.

        The arm is the one that somebody is enrolled in, None for who only validates. Raises SharedPseudonym.
        """
        wanted = set(numbers)
        known = self.meet(wanted)
        shared = [name for name, count in Counter(known[item].pseudonym for item in wanted).items() if count > 1]
        if shared:
            raise SharedPseudonym(f"{shared[0]} stands for two people")
        enrolled = Enrolment.objects.filter(plan__study=self._experiment.key, annotator__in=wanted)
        arms = dict(enrolled.values_list("annotator", "group"))
        rows = [{"writer": known[item].pseudonym, "arm": arms.get(item), "draw": known[item].draw} for item in wanted]
        return sorted(rows, key=lambda row: row["writer"] or "")

    def salted(self, content: bytes) -> str:
        """The HMAC-SHA256 of some content under the release's salt, in hexadecimal digits."""
        return hmac.new(self._salt, content, hashlib.sha256).hexdigest()

    def _person(self, key: uuid.UUID, imported: ImportedWriter | None) -> Person:
        drawn = draw(f"writer:{self._experiment.key}", self._seed, key.bytes)
        if imported is None:
            return Person(f"w{self.salted(key.bytes)[:12]}", drawn)
        return Person(imported.pseudonym, imported.draws.get(str(self._seed), drawn))


def identifiers() -> Iterator[str]:
    """What the site knows people by, none of which may be in a release."""
    for user in get_user_model().objects.values_list("username", "email", "first_name", "last_name").iterator():
        username, email, first, last = user
        yield from filter(None, (username, email, f"{first} {last}".strip()))
    people = Annotator.objects.exclude(platform=IN_HOUSE).values_list("platform_id", flat=True)
    yield from people.iterator()
    yield from Annotator.objects.exclude(public_name="").values_list("public_name", flat=True).iterator()
