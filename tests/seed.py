"""``python -m tests.seed JSON``: an experiment and its people, made inside a site's own database."""

from __future__ import annotations

import json
import os
import sys

import django

CONTEXTS = [
    "A man and a dog are in the park.",
    "A woman eats on the street with a child.",
    "The red ball is in the house.",
    "A cat sleeps on a big blue box.",
]


def main(plan: dict[str, object]) -> None:
    """Make the people, make the experiment, launch it."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()

    from django.contrib.auth.models import User

    from collection import experiments
    from collection.demo.tasks import task

    for username in plan["usernames"]:  # type: ignore[attr-defined]
        User.objects.create_user(username, password=str(plan["password"]))
    slug = str(plan["slug"])
    experiment = experiments.create(
        experiments.Plan(
            slug=slug,
            name=slug,
            task=task("nli"),
            base_model=str(plan["base_model"]),
            contexts=CONTEXTS,
            settings={"undo_seconds": 0, "open_enrolment": True, **plan["settings"]},  # type: ignore[dict-item]
        )
    )
    experiments.launch(experiment)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
