"""Tasks that come with the product."""

from __future__ import annotations

from typing import Any

from collection.errors import Invalid
from collection.experiments import create_task
from collection.models import Task

TASKS: dict[str, dict[str, Any]] = {
    "nli": {
        "name": "Does the sentence follow from the text?",
        "fields": [
            {"name": "premise", "title": "Text", "source": "context", "max_length": 400},
            {"name": "hypothesis", "title": "Sentence", "source": "writer", "min_length": 3, "max_length": 240},
        ],
        "labels": [
            {"name": "entailment", "title": "Definitely true", "means": "definitely true, given the text"},
            {
                "name": "not_entailment",
                "title": "Not definitely true",
                "means": "not definitely true, given the text (it may be false, or one cannot tell)",
            },
        ],
        "instructions": (
            "Read the text and write one sentence about it that fits the label you are given. "
            "Take the text as true and as all you know. Write a sentence of your own, in plain English; "
            "do not copy the text. Please write nothing about real people and nothing that would hurt a reader."
        ),
        "guidelines": (
            "Take the text as true and as all you know. If the sentence must then be true, it is definitely true; if "
            "it may be false, or one cannot tell, it is not. A small slip of the pen does not matter as long as you "
            "understand the sentence. Flag what makes no sense, copies the text, is not English, or hurts a reader."
        ),
    },
    "sentiment": {
        "name": "Is the review good or bad?",
        "fields": [{"name": "text", "title": "Review", "source": "writer", "min_length": 3, "max_length": 400}],
        "labels": [
            {"name": "positive", "title": "Good", "means": "clearly good"},
            {"name": "negative", "title": "Bad", "means": "clearly bad"},
            {"name": "neutral", "title": "Neither", "means": "neither good nor bad"},
        ],
        "instructions": "Write a short review of a product, a place or a film that fits the label you are given.",
    },
}


def offered() -> dict[str, str]:
    """The tasks that can be chosen, by slug: those that are stored, and those that come with the product."""
    stored = {item.slug: item.name for item in Task.objects.order_by("name")}
    return stored | {slug: made["name"] for slug, made in TASKS.items() if slug not in stored}


def task_of(slug: str) -> Task:
    """A task that was chosen. Raises Invalid for an unknown one."""
    try:
        return task(slug)
    except KeyError:
        raise Invalid("task", "There is no such task.", "unknown_task") from None


def task(slug: str) -> Task:
    """A task that comes with the product, made when it is first asked for. Raises KeyError for an unknown one."""
    return Task.objects.filter(slug=slug).first() or create_task(slug, **TASKS[slug])
