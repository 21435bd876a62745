"""How fast inter-BLEU is, and that its scores are sacrebleu's: all pairs at once against sacrebleu pair by pair.

    python -m benchmarks.inter_bleu [ROWS] [PAIRS]

Texts are like English ones in their lengths and in how common their words are. sacrebleu is timed on a sample of pairs
of the same texts, in turns with ours, and its time for all pairs is worked out from it; its object and the tokens that
it remembers are kept from pair to pair.
"""

from __future__ import annotations

import resource
import sys
import time

import numpy as np
from sacrebleu.metrics.bleu import BLEU

from collection.analytics.quality.inter_bleu import bleu_blocks, likeness

_WORDS = 8_000
_TURNS = 3


def texts(rows: int) -> list[str]:
    """Sentences of 4 to 20 words whose frequencies follow Zipf's law."""
    random = np.random.default_rng(0)
    chances = 1 / np.arange(2, _WORDS + 2)
    lengths = random.integers(4, 21, rows)
    drawn = random.choice(_WORDS, int(lengths.sum()), p=chances / chances.sum())
    split = np.split(drawn, np.cumsum(lengths)[:-1])
    return [" ".join(f"w{word}" for word in part) + "." for part in split]


def main(rows: int = 5_000, pairs: int = 10_000) -> None:
    """Print both times, their ratio and the largest difference of any score."""
    written = texts(rows)
    random = np.random.default_rng(1)
    left, right = random.integers(0, rows, (2, pairs))
    ours: list[float] = []
    theirs: list[float] = []
    bleu = BLEU(effective_order=True)
    for part in np.array_split(np.arange(pairs), _TURNS):
        start = time.perf_counter()
        likeness(written, ["a"] * rows)
        ours.append(time.perf_counter() - start)
        start = time.perf_counter()
        for index in part:
            bleu.sentence_score(written[left[index]], [written[right[index]]])
        theirs.append((time.perf_counter() - start) / len(part) * rows * (rows - 1))
    expected = [bleu.sentence_score(written[i], [written[j]]).score for i, j in zip(left, right, strict=True)]
    found = np.empty(pairs)
    for block, scores in bleu_blocks(written):
        here = np.flatnonzero(np.isin(left, block))
        found[here] = scores[left[here] - block[0], right[here]]
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{rows} rows, {rows * (rows - 1)} pairs, {pairs} of them compared; medians of {_TURNS} turns")
    a_pair = np.median(theirs) / rows / (rows - 1) * 1e6
    print(f"all pairs at once {np.median(ours):.2f} s, at most {memory:.0f} MB in this process")
    print(f"sacrebleu pair by pair {np.median(theirs):.0f} s, from {a_pair:.0f} µs a pair")
    print(f"{np.median(theirs) / np.median(ours):.0f} times as fast")
    print(f"largest difference of a score (0 to 100) {np.abs(found - expected).max():.1e}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
