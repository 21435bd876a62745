"""The demo: one running experiment and people to log in as."""

from __future__ import annotations

import secrets
from pathlib import Path

from django.contrib.auth.models import User

from collection import experiments
from collection.demo.tasks import task
from collection.models import Experiment
from collection.states import ExperimentState

SLUG = "demo"
BASE_MODEL = "models/nli-minilm"
PEOPLE = {
    "researcher": "launches and watches; may use /admin/",
    "ada": "writes and validates",
    "ben": "writes and validates",
    "chen": "writes and validates",
    "dina": "writes and validates",
}
SETTINGS = {
    "rounds": 5,
    "quota": 6,
    "quorum": 2,
    "max_validations": 3,
    "max_tries": 5,
    "lease_seconds": 1800,
    "currency": "EUR",
    "base_pay_minor": 20,
    "fooling_bonus_minor": 30,
    "validation_pay_minor": 5,
    "undo_seconds": 20,
    "open_enrolment": True,
    "sandbox": True,
    "inspiration": True,
    "leaderboard": True,
    "recipe": {"epochs": 3},
}


def seed_demo(base_model: str = BASE_MODEL) -> Experiment:
    """The demo experiment, made and launched when there is none yet."""
    experiment = Experiment.objects.filter(slug=SLUG).first()
    if experiment is None:
        contexts = (Path(__file__).parent / "contexts.txt").read_text(encoding="utf-8").splitlines()
        experiment = experiments.create(
            experiments.Plan(
                slug=SLUG,
                name="Demo: does the sentence follow from the text?",
                task=task("nli"),
                base_model=base_model,
                contexts=contexts,
                settings=SETTINGS,
            ),
            owner=User.objects.get(username="researcher"),
        )
    if experiment.state == ExperimentState.DRAFT:
        experiments.launch(experiment)
    return experiment


def fresh_logins() -> list[dict[str, str]]:
    """The demo's people, each with a password made anew: nothing is left to guess or to leak from a README."""
    logins = []
    for username, role in PEOPLE.items():
        password = secrets.token_urlsafe(9)
        user, _ = User.objects.get_or_create(username=username)
        user.is_staff = user.is_superuser = username == "researcher"
        user.set_password(password)
        user.save()
        logins.append({"username": username, "password": password, "role": role})
    return logins
