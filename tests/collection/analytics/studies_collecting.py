"""A study about how its data were collected: writers who differ, validators who err, and every gap there may be."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from collection.analytics.study import TABLES, Study, table

ARMS = {"plain": "non-adversarial", "static": "static", "dynamic": "dynamic"}


def collected_study(
    *,
    arms: Mapping[str, str] = ARMS,
    rounds: int = 3,
    texts: int = 60,
    writers: int = 8,
    contexts: int = 10,
    fooling: float | None = 0.3,
    wrong: float = 0.1,
    votes: int = 2,
    seed: int = 0,
    **changes: Any,
) -> Study:
    """``texts`` texts a round of each arm by ``writers`` writers, on ``contexts`` contexts, each with ``votes`` votes.

    A text fools with the chance ``fooling``, which differs by writer; a vote is wrong with ``wrong`` and flags half as
    often. A text is accepted if all its votes agree with its writer. ``changes`` replace fields of the study.
    """
    random = np.random.default_rng(seed)
    labels = ("entailment", "not_entailment")
    examples: list[dict[str, Any]] = []
    attempts: list[dict[str, Any]] = []
    cast: list[dict[str, Any]] = []
    start = pd.Timestamp("2026-01-05T09:00Z")
    for arm, kind in arms.items():
        skills = random.normal(0, 0.8, writers)
        shares = random.dirichlet(np.full(writers, 3.0))
        for number in range(1, rounds + 1):
            for index in range(texts):
                who = int(random.choice(writers, p=shares))
                key = f"{arm}-{number}-{index}"
                label = labels[int(random.integers(2))]
                chance = (
                    0.0 if not fooling else 1 / (1 + np.exp(-np.log(fooling / max(1 - fooling, 1e-9)) - skills[who]))
                )
                shown = kind != "non-adversarial"
                hits = random.random(3) < chance
                tries = int(np.argmax(hits)) + 1 if hits.any() else 3
                when = start + pd.Timedelta(days=7 * number, minutes=index)
                place = {"arm": arm, "round": number}
                mine = [
                    place
                    | {
                        "example": key,
                        "validator": f"{arm}-validator-{(index + vote) % 5}",
                        "label": label if fair > wrong else labels[1 - labels.index(label)],
                        "flagged": bool(flag < wrong / 2),
                        "seconds": float(random.gamma(4, 5)),
                        "cost": 12.0,
                        "voted_at": when + pd.Timedelta(hours=1 + vote),
                    }
                    for vote, (fair, flag) in enumerate(random.random((votes, 2)))
                ]
                for vote in mine:
                    vote["label"] = "" if vote["flagged"] else vote["label"]
                flags = sum(vote["flagged"] for vote in mine)
                good = votes > 0 and all(vote["label"] == label for vote in mine)
                state = "accepted" if good else "flagged" if votes and flags == votes else "rejected"
                cast.extend(mine)
                text = place | {
                    "writer": f"{arm}-writer-{who}",
                    "context": f"premise {index % contexts}",
                    "label": label,
                }
                fooled = bool(hits.any())
                examples.append(
                    text
                    | {
                        "key": key,
                        "context_text": f"premise {index % contexts}",
                        "text": f"text {key}",
                        "state": state if votes else "pending",
                        "fooled": fooled if shown else None,
                        "prediction": (labels[1 - labels.index(label)] if fooled else label) if shown else "",
                        "tries": tries if shown else 1,
                        "seconds": float(random.gamma(4, 20)),
                        "cost": 50.0,
                        "submitted_at": when,
                    }
                )
                attempts.extend(
                    text
                    | {
                        "key": f"{key}-{attempt}",
                        "example": key if attempt == (tries if shown else 1) else "",
                        "index": attempt,
                        "text": f"text {key} {attempt}",
                        "prediction": label if shown else "",
                        "fooled": (fooled and attempt == tries) if shown else None,
                        "confidence": 0.5,
                        "created_at": when,
                    }
                    for attempt in range(1, (tries if shown else 1) + 1)
                )
    made = {name: table(name, []) for name in TABLES}
    made |= {"examples": table("examples", examples), "attempts": table("attempts", attempts)}
    made |= {"votes": table("votes", cast)}
    study = Study(
        name="Collected",
        slug="collected",
        context_field="premise",
        labels=labels,
        arms=arms,
        rounds=rounds,
        quota=texts,
        quorum=max(votes, 1),
        currency="USD",
        **made,
    )
    return dataclasses.replace(study, **changes)


def awkward_studies() -> dict[str, Study]:
    """Studies that lack something, by what they lack or are: what every section must survive."""
    usual = collected_study(texts=20)
    unknown = usual.examples.assign(seconds=np.nan, cost=np.nan)
    some_unknown = usual.examples.assign(
        fooled=usual.examples["fooled"].where(np.arange(len(usual.examples)) % 7 > 0),
        seconds=usual.examples["seconds"].where(np.arange(len(usual.examples)) % 7 > 0),
    )
    uneven = usual.examples[(usual.examples["arm"] != "static") | (usual.examples["round"] == 1)]
    became = usual.attempts["example"]
    return {
        "usual": usual,
        "one round": collected_study(rounds=1, texts=20),
        "one arm": collected_study(arms={"dynamic": "dynamic"}, texts=20),
        "only without a model": collected_study(arms={"plain": "non-adversarial"}, texts=20),
        "all fooled": collected_study(texts=20, fooling=1.0, wrong=0.0),
        "none fooled": collected_study(texts=20, fooling=None),
        "one writer": collected_study(texts=12, writers=1),
        "two writers": collected_study(texts=12, writers=2),
        "one context": collected_study(texts=12, contexts=1),
        "no contexts": dataclasses.replace(usual, examples=usual.examples.assign(context="")),
        "one text": collected_study(rounds=1, texts=1),
        "no examples": dataclasses.replace(
            usual, **{name: table(name, []) for name in ("examples", "attempts", "votes")}
        ),
        "no votes": collected_study(texts=20, votes=0),
        "one vote a text": collected_study(texts=20, votes=1),
        "all votes flag": dataclasses.replace(usual, votes=usual.votes.assign(label="", flagged=True)),
        "one label": dataclasses.replace(
            usual,
            examples=usual.examples.assign(label="entailment"),
            votes=usual.votes.assign(label="entailment", flagged=False),
        ),
        "unknown times and costs": dataclasses.replace(usual, examples=unknown),
        "some unknown": dataclasses.replace(usual, examples=some_unknown),
        "unequal rounds": dataclasses.replace(
            usual, examples=uneven, attempts=usual.attempts.assign(example=became.where(became.isin(uneven["key"]), ""))
        ),
        "nothing accepted": dataclasses.replace(usual, examples=usual.examples.assign(state="rejected")),
        "a label that the task lacks": dataclasses.replace(
            usual, votes=usual.votes.assign(label=usual.votes["label"].replace("entailment", "maybe"))
        ),
        "an arm that the study lacks": dataclasses.replace(
            usual, arms={name: kind for name, kind in usual.arms.items() if name != "static"}
        ),
        "no attempts": dataclasses.replace(usual, attempts=table("attempts", [])),
    }
