"""Importing a release: opened, checked whole, stored hidden, and shown at once. For workers: it loads pyarrow."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from collection.importing.faults import Faults
from collection.importing.studies.checking import Checker
from collection.importing.studies.facts import Facts, read_facts
from collection.importing.studies.finishing import finish
from collection.importing.studies.ids import Seen
from collection.importing.studies.scores import check_scores
from collection.importing.studies.site import check_name, check_site
from collection.importing.studies.source import Source, open_source
from collection.importing.studies.storing import Storing, begin
from collection.importing.studies.tables import ATTEMPTS, EXAMPLES, Tables
from collection.models import Experiment
from modelserver.datafiles import DataStore


@dataclass(frozen=True)
class Progress:
    """What an import tells while it goes on: each call is a sign of life, and raises whatever ends it.

    ``made`` is called in the transaction in which the hidden experiment is made, with whether its task was made too;
    ``whole`` in the one in which the experiment is shown.
    """

    sign: Callable[..., None]
    made: Callable[[Experiment, bool], None]
    whole: Callable[[Experiment, str], None]


@dataclass(frozen=True)
class _Read:
    """A release that was checked."""

    source: Source
    facts: Facts
    tables: Tables
    examples: int


def import_release(
    path: Path,
    scratch: Path,
    slug: str | None,
    owner: AbstractBaseUser | None,
    store: DataStore,
    largest: int,
    progress: Progress,
) -> Experiment:
    """The experiment that a release in a folder or zip becomes, under its own name or that ``slug``.

    Raises Faulty with all that is wrong with the files, Invalid for what is no release, and Conflict if the name is
    taken. Whatever is raised after ``progress.made``: what was stored is to be discarded.
    """
    with contextlib.closing(Seen(scratch / "seen.sqlite3")) as seen:
        read = _checked(path, scratch, largest, seen, progress)
        name = check_name(slug or read.facts.study["slug"])
        with transaction.atomic():
            experiment, task_made = begin(read.facts, read.source.sha256, owner)
            progress.made(experiment, task_made)
        seed = _seed(read.source)
        storing = Storing(
            experiment, read.facts, seed, seen, lambda done: progress.sign(phase="storing", done=done, of=read.examples)
        )
        storing.frame()
        nothing = Faults()
        if read.tables.has_attempts:
            storing.attempts(read.tables.rows(ATTEMPTS, nothing))
        storing.examples(read.tables.rows(EXAMPLES, nothing), with_attempts=read.tables.has_attempts)
        # The files were changed while they were read.
        nothing.check()
        with transaction.atomic():
            finish(experiment, name, storing, read.source, read.facts, store, owner)
            progress.whole(experiment, f"{read.examples:,} examples of {len(read.facts.arms)} arms were imported.")
    return experiment


def _checked(path: Path, scratch: Path, largest: int, seen: Seen, progress: Progress) -> _Read:
    faults = Faults()
    unpacked = scratch / "release"
    unpacked.mkdir()
    source = open_source(
        path, unpacked, faults, largest, lambda done, of: progress.sign(phase="comparing checksums", done=done, of=of)
    )
    facts = read_facts(source, faults)
    if facts.schema is None or not facts.study:
        faults.check()
    assert facts.schema is not None
    check_site(facts, faults)
    check_scores(source, facts, faults)
    tables = Tables(source, facts.schema, list(facts.arms), largest)
    checker = Checker(facts, seen, faults)

    def sign() -> None:
        progress.sign(phase="checking")

    examples = checker.examples(tables.rows(EXAMPLES, faults), sign)
    if tables.has_attempts:
        checker.attempts(tables.rows(ATTEMPTS, faults), sign)
    faults.check()
    return _Read(source, facts, tables, examples)


def _seed(source: Source) -> int:
    """The seed of the release's splits, by which the draws of its writers were made."""
    choices: Any = source.manifest.get("choices")
    splits = choices.get("splits") if isinstance(choices, dict) else None
    seed = splits.get("seed") if isinstance(splits, dict) else None
    return seed if type(seed) is int else 0
