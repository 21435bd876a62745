"""Whether a release fits what is on this site already: names that it shares must stand for the very same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from collection.errors import Conflict
from collection.export.stored import iso
from collection.importing.faults import Faults
from collection.importing.studies.facts import STUDY, Facts, path_of
from collection.models import Experiment, Task, TestSet
from collection.planning import check_slug, names_of_arms
from modelserver.models import ModelVersion

Row = Mapping[str, Any]


def check_name(slug: str) -> str:
    """The name that the experiment will have. Raises Invalid on ``slug`` for none, Conflict if it is taken."""
    check_slug("slug", slug)
    if Experiment.objects.filter(slug=slug).exists():
        message = f"There is an experiment {slug!r} already. Please say under which other name (slug) it is to come."
        raise Conflict("slug_taken", message)
    return slug


def check_site(facts: Facts, faults: Faults) -> None:
    """Note what of the study stands for something else on this site."""
    task = facts.study["task"]
    standing_task = Task.objects.filter(slug=task["slug"]).first()
    if standing_task is not None and (standing_task.fields, standing_task.labels) != (task["fields"], task["labels"]):
        message = f"There is a task {task['slug']!r} with other fields or labels on this site."
        faults.add(STUDY, 0, "task", message)
    for line, (slug, row) in enumerate(facts.test_sets.items(), start=1):
        standing_set = TestSet.objects.filter(slug=slug).select_related("task").first()
        if standing_set is None or (standing_set.sha256, standing_set.task.slug) == (row["sha256"], task["slug"]):
            continue
        message = f"There is a test set {slug!r} with other rows on this site."
        faults.add(path_of("test_sets"), line, "slug", message)
    running = names_of_arms({row["name"] for row in facts.versions.values()})
    for line, (name, row) in enumerate(facts.versions.items(), start=1):
        version = standing(row)
        if version is None and row["name"] in running:
            message = f"The name {row['name']!r} is that of versions of another study on this site."
            faults.add(path_of("versions"), line, "name", message)
        if version is not None and (column := differs(version, row)):
            message = f"There is a version {name} on this site that differs in this."
            faults.add(path_of("versions"), line, column, message)


def standing(row: Row) -> ModelVersion | None:
    """The version of that name on this site."""
    found = ModelVersion.objects.filter(name=row["name"], version=row["version"])
    return found.select_related("parent").first()


def differs(version: ModelVersion, row: Row) -> str:
    """The column in which a version is another one than a row says; "" if it is the same."""
    here = {
        "manifest_sha256": version.manifest_sha256,
        "parent": None if version.parent is None else str(version.parent),
        "labels": version.labels,
        "recipe": version.recipe,
        "seed": version.seed,
        "data_sha256": version.data_sha256,
        "data_rows": version.data_rows,
        "metrics": version.metrics,
        "created_at": iso(version.created_at),
    }
    return next((column for column, value in here.items() if row[column] != value), "")
