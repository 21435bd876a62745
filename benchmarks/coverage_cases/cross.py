"""Cells of the matrix of versions by examples, whose true errors are known: contexts and writers both differ.

A version is wrong about a text if a sum of normal variables is above 0: a mean, the text's context, its writer, that
writer in that context, the text, the training seed, the seed in that context, and noise. So the true error is a normal
probability over all contexts, writers and, where there are several, seeds. Contexts differ in size as gamma(4)
variables do, writers as lognormal ones.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import norm

from benchmarks.coverage_cases import Case, Covered, holds
from collection.analytics.cross import Asked, Scored, Written, cells
from collection.analytics.scores import Trained
from collection.analytics.two_way import Floats, Ints

ERROR = 0.3


@dataclass(frozen=True)
class Texts:
    """How texts hang together, and the standard deviations on the scale of the normal variable."""

    contexts: int = 10
    writers: int = 20
    texts: int = 200
    context: float = 0.4
    writer: float = 0.4
    writer_in_context: float = 0.2
    text: float = 0.8

    @property
    def variance(self) -> float:
        """That of the score over all contexts, writers and texts."""
        return float(np.square((self.context, self.writer, self.writer_in_context, self.text)).sum())

    def draw(self, random: np.random.Generator, rounds: int = 1, *, stay: bool = False) -> tuple[Ints, Ints, Floats]:
        """The context and the writer of each text, and how far it is hard for every model [rounds * texts].

        Contexts are those of all rounds; so are writers if they ``stay``, else each round has as many new ones.
        """
        groups = 1 if stay else rounds
        sizes, busy = random.gamma(4, 1, self.contexts), random.lognormal(0, 0.8, (groups, self.writers))
        contexts, writers = [], []
        for number in range(rounds):
            group = number % groups
            contexts.append(_owners(random, sizes, self.texts))
            writers.append(_owners(random, busy[group], self.texts) + group * self.writers)
        context, writer = np.concatenate(contexts), np.concatenate(writers)
        both = random.normal(0, self.writer_in_context, (self.contexts, busy.size))[context, writer]
        score = random.normal(0, self.context, self.contexts)[context] + both
        score += random.normal(0, self.writer, busy.size)[writer] + random.normal(0, self.text, len(context))
        return context, writer, score


def _owners(random: np.random.Generator, sizes: Floats, texts: int) -> Ints:
    """Whose each text is, in no order; everyone has one at least."""
    others = random.choice(len(sizes), texts - len(sizes), p=sizes / sizes.sum())
    return random.permutation(np.concatenate([np.arange(len(sizes)), others])).astype(np.int64)


def cell(texts: Texts, seeds: int, seed: float = 0.15, seed_in_context: float = 0.2) -> Case:
    """The error of versions that differ in their training seed on texts of another arm."""

    def case(random: np.random.Generator) -> Covered:
        context, writer, score = texts.draw(random)
        within = texts.variance + seed_in_context**2 + 1
        mean = float(norm.ppf(ERROR)) * float(np.sqrt(within + seed**2))
        own = random.normal(0, seed, seeds)
        in_context = random.normal(0, seed_in_context, (seeds, texts.contexts))[:, context]
        noise = random.normal(0, 1, (seeds, texts.texts))
        wrong = (mean + own[:, None] + in_context + score + noise > 0).astype(np.int64)
        truth = ERROR if seeds > 1 else float(norm.cdf((mean + own[0]) / np.sqrt(within)))
        keys = tuple(map(str, range(texts.texts)))
        examples = Written(
            gold=np.zeros(texts.texts, dtype=np.int64),
            context=context.astype(str).astype(object),
            writer=writer.astype(str).astype(object),
            first={"static": np.ones(texts.texts, dtype=np.int64)},
            row_of={key: row for row, key in enumerate(keys)},
        )
        trained = Trained("dynamic", 1, "curve", tuple(f"seed {at}" for at in range(seeds)), 1000.0)
        asked = Asked(keys)
        (found,) = cells([Scored(trained, "static", 1, tuple((asked, said) for said in wrong))], examples, 2)
        return Covered({"error": holds(found.error, truth)})

    return case


_ALIKE = Texts(context=0.0, writer=0.0, writer_in_context=0.0)

CASES: dict[str, Case] = {
    "10 contexts, 20 writers, 1 seed": cell(Texts(), 1),
    "10 contexts, 20 writers, 3 seeds": cell(Texts(), 3),
    "10 contexts, 20 writers, 10 seeds": cell(Texts(), 10),
    "10 contexts, 8 writers, 1 seed": cell(Texts(writers=8), 1),
    "100 contexts, 8 writers, 10 seeds": cell(Texts(contexts=100, writers=8), 10),
    "10 contexts, 100 writers, 10 seeds": cell(Texts(writers=100), 10),
    "30 contexts, 30 writers, 1 seed": cell(Texts(contexts=30, writers=30), 1),
    "30 contexts, 30 writers, 10 seeds": cell(Texts(contexts=30, writers=30), 10),
    "30 contexts, 30 writers, 1 seed, 1,000 texts": cell(Texts(contexts=30, writers=30, texts=1000), 1),
    "10 contexts, 20 writers, none of which differ, 1 seed": cell(_ALIKE, 1, seed_in_context=0.0),
}
