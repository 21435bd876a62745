"""A whole study through the API alone: made, launched, annotated, paused, resumed, watched and exported.

    python docs/examples/study_by_api.py http://127.0.0.1:8000 RESEARCHER_TOKEN ANNOTATOR_TOKEN... > examples.jsonl

The researcher's token needs the scopes read, run and manage (and the researcher the right to make experiments), those
of annotators the scope annotate; ``manage.py issue_token NAME --scopes …`` makes them. The annotators here are
simulated: they write random words that begin with the label, and validate by that. Needs httpx and nothing else.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
import uuid
from collections.abc import Callable
from typing import Any

import httpx

TASK = {
    "slug": "follows",
    "name": "Does the sentence follow from the text?",
    "fields": [
        {"name": "premise", "title": "Text", "source": "context", "max_length": 400},
        {"name": "hypothesis", "title": "Sentence", "source": "writer", "min_length": 3, "max_length": 240},
    ],
    "labels": [
        {"name": "entailment", "title": "Definitely true", "means": "definitely true, given the text"},
        {"name": "not_entailment", "title": "Not definitely true", "means": "not definitely true, given the text"},
    ],
}
TEST_SET = {
    "slug": "few",
    "name": "A few rows",
    "task": "follows",
    "rows": [
        {"texts": {"premise": "It rains in the city.", "hypothesis": "The weather is dry."}, "label": "not_entailment"},
        {"texts": {"premise": "A child sings a song.", "hypothesis": "Somebody sings."}, "label": "entailment"},
    ],
}
CONTEXTS = [
    "A man and a dog are in the park.",
    "A woman eats on the street with a child.",
    "The red ball is in the house.",
]


def client(url: str, token: str) -> httpx.Client:
    """A client with a token. It uses no proxy of the environment."""
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=f"{url}/api/v1/", headers=headers, timeout=60, trust_env=False)


def done(response: httpx.Response) -> Any:
    """What was answered. Stops with the problem if it was refused."""
    if response.is_error:
        sys.exit(f"{response.request.method} {response.request.url}: {response.text}")
    return response.json()


def wait(condition: Callable[[], bool], what: str, seconds: float = 300) -> None:
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            sys.exit(f"waited {seconds:.0f} s in vain for: {what}")
        time.sleep(0.2)


def write(api: httpx.Client, slug: str) -> None:
    """Write one example, with as many tries as it takes; nothing if there is no slot."""
    claimed = api.post(f"experiments/{slug}/assignments/")
    if claimed.status_code == 409:
        return
    held = done(claimed)
    path = f"assignments/{held['key']}/"
    while True:
        words = " ".join(random.choices(("man", "dog", "runs", "red", "ball", "park"), k=5))
        text = f"{held['target_label']} {words} {uuid.uuid4().hex[:6]}"
        tried = api.post(
            f"{path}attempts/", json={"texts": {"hypothesis": text}}, headers={"Idempotency-Key": uuid.uuid4().hex}
        )
        if tried.status_code == 409:
            return
        key = done(tried)["key"]
        answer = api.post(f"{path}example/", json={"attempt": key, "why_label": "It begins with it."})
        if answer.status_code == 201 or answer.json()["code"] != "tries_left":
            return


def validate(api: httpx.Client, slug: str) -> None:
    """Validate all that there is."""
    while (claimed := api.post(f"experiments/{slug}/validations/")).status_code == 200:
        lease = claimed.json()
        label = lease["texts"]["hypothesis"].split()[0]
        done(api.post(f"validations/{lease['key']}/vote/", json={"label": label}))


def main() -> None:
    """Run the study."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("url")
    parser.add_argument("researcher")
    parser.add_argument("annotators", nargs="+")
    parser.add_argument("--slug", default="by-api")
    parser.add_argument("--base-model", default="models/nli-minilm")
    arguments = parser.parse_args()
    api, slug = client(arguments.url, arguments.researcher), arguments.slug

    # The same Idempotency-Key makes it safe to send a request again: it is done once.
    once = {"Idempotency-Key": f"{slug}-{uuid.uuid4().hex}"}
    if api.get("console/tasks/follows/").status_code == 404:
        done(api.post("console/tasks/", json=TASK))
    done(api.post("console/test-sets/", json=TEST_SET))
    plan = {
        "slug": slug,
        "name": "A study by API",
        "task": "follows",
        "base_model": arguments.base_model,
        "contexts": CONTEXTS,
        "test_sets": ["few"],
        "settings": {
            "rounds": 2, "quota": 2, "quorum": 1, "max_validations": 1, "max_tries": 2, "undo_seconds": 0,
            "base_pay_minor": 20, "validation_pay_minor": 5, "recipe": {"epochs": 1, "method": "full"},
        },
    }  # fmt: skip
    checked = done(api.post("console/experiments/check/", json=plan))
    if checked["problems"]:
        sys.exit(json.dumps(checked["problems"], indent=2))
    print(f"expected: {checked['estimate']}", file=sys.stderr)
    done(api.post("console/experiments/", json=plan, headers=once))
    study = f"console/experiments/{slug}/"
    done(api.post(f"{study}launch/"))
    wait(lambda: done(api.get(study))["state"] == "running", "the base model")

    invitation = done(
        api.post(f"{study}invitations/", json={"role": "annotator", "max_uses": len(arguments.annotators)})
    )
    people = [client(arguments.url, token) for token in arguments.annotators]
    for person in people:
        done(person.post("invitations/accept/", json={"secret": invitation["path"].split("/")[2]}))
        done(person.post(f"experiments/{slug}/enrolment/"))

    done(api.post(f"{study}pause/"))
    refused = people[0].post(f"experiments/{slug}/assignments/").json()
    print(f"while paused: {refused['detail']}", file=sys.stderr)
    done(api.post(f"{study}resume/"))

    def finished() -> bool:
        for person in people:
            write(person, slug)
            validate(person, slug)
        return bool(done(api.get(study))["state"] == "finished")

    wait(finished, "all rounds", 600)
    for version in done(api.get(f"{study}versions/")):
        print(f"{version['name']}/{version['version']}: {version['scores']}", file=sys.stderr)
    page = f"{study}examples/?state=accepted"
    cursor = ""
    while True:
        found = done(api.get(page + (f"&cursor={cursor}" if cursor else "")))
        for row in found["results"]:
            print(json.dumps(row, ensure_ascii=False))
        cursor = found["next"]
        if not cursor:
            break
    for each in (api, *people):
        each.close()


if __name__ == "__main__":
    main()
