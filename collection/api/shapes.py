"""What annotators see of each thing. Nothing here tells which arm somebody is in, and where no model is shown there
is no field that could hold a verdict."""

from __future__ import annotations

from typing import Any

from collection.models import Assignment, Attempt, Example, Experiment, Validation
from collection.states import AttemptState
from collection.submission import tries_left


def experiment_shape(experiment: Experiment) -> dict[str, Any]:
    """An experiment as annotators see it."""
    schema = experiment.task.schema
    return {
        "slug": experiment.slug,
        "name": experiment.name,
        "state": experiment.state,
        "instructions": experiment.task.instructions,
        "fields": [
            {
                "name": item.name,
                "title": item.title,
                "source": item.source,
                "min_length": item.min_length,
                "max_length": item.max_length,
            }
            for item in schema.fields
        ],
        "labels": [{"name": label.name, "title": label.title, "means": label.means} for label in schema.labels],
    }


def assignment_shape(assignment: Assignment) -> dict[str, Any]:
    """An assignment with what its writer needs to go on, also after a reload."""
    shape: dict[str, Any] = {
        "key": str(assignment.key),
        "state": assignment.state,
        "round": assignment.round.number,
        "context": assignment.context.text if assignment.context else None,
        "target_label": assignment.target_label or None,
        "expires_at": assignment.expires_at.isoformat(),
        "attempts": [
            _attempt(item, assignment.round.arm.shows_model) for item in assignment.attempts.order_by("index")
        ],
    }
    if assignment.round.arm.shows_model:
        shape["tries_left"] = tries_left(assignment)
    return shape


def attempt_shape(attempt: Attempt) -> dict[str, Any]:
    """An attempt; with its verdict where a model is shown."""
    return _attempt(attempt, attempt.assignment.round.arm.shows_model)


def example_shape(example: Example) -> dict[str, Any]:
    """An example as its writer sees it."""
    return {"key": str(example.key), "state": example.state, "label": example.label}


def validation_shape(validation: Validation) -> dict[str, Any]:
    """An example to validate: its texts and no more, and the validator's own vote once given."""
    fields = validation.example.arm.experiment.task.schema.fields
    return {
        "key": str(validation.key),
        "state": validation.state,
        "texts": {item.name: text for item, text in zip(fields, validation.example.attempt.texts, strict=True)},
        "expires_at": validation.expires_at.isoformat(),
        "label": validation.label or None,
        "flag": validation.flagged,
        "reason": validation.reason,
    }


def _attempt(attempt: Attempt, shows_model: bool) -> dict[str, Any]:
    shape: dict[str, Any] = {
        "key": str(attempt.key),
        "index": attempt.index,
        "texts": attempt.texts,
        "label": attempt.label,
    }
    if shows_model:
        shape["state"] = attempt.state
        shape["verdict"] = None
        if attempt.state == AttemptState.JUDGED:
            shape["verdict"] = {
                "fooled": attempt.fooled,
                "prediction": attempt.prediction,
                "probabilities": attempt.probabilities,
                "model_version": attempt.model_version.version if attempt.model_version else None,
            }
    return shape
