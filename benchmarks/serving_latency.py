"""What the model server adds to the forward pass: ``python -m benchmarks.serving_latency --model models/nli-minilm``.

The same inputs go to the same model three ways in one run: tokenizer and forward pass in this process, and over HTTP
one at a time and eight at a time. Prints a Markdown table. Other load on the machine spoils it.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

from benchmarks.serving import REF, hardware, serving
from modelserver.client import ModelClient
from modelserver.engine.loading import load
from modelserver.wire import TextInput

PREMISES = (
    "A man in a blue shirt is standing on a ladder, cleaning a window.",
    "Two dogs run across a field. One of them carries a stick that is longer than it is.",
    "The shop on the corner opens at nine on weekdays and at ten on Saturdays. It is closed on Sundays, and the owner "
    "does not answer the telephone then.",
    "A woman reads.",
    "Children play in a fountain while their parents sit in the shade and talk about the heat of the last few days.",
)
HYPOTHESES = (
    "Somebody is cleaning.",
    "The animals are asleep in their baskets.",
    "One can buy something there on a Saturday afternoon, but not on the day after.",
    "Nobody is outdoors.",
)
INPUTS = tuple(TextInput((premise, hypothesis)) for premise in PREMISES for hypothesis in HYPOTHESES)


def main() -> int:
    """Run it and print the table; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="a folder with an artifact")
    parser.add_argument("--requests", type=int, default=400, help="measured requests in each row")
    arguments = parser.parse_args()
    model = load(arguments.model)
    wanted = [INPUTS[number % len(INPUTS)] for number in range(arguments.requests)]
    rows = [("forward pass, no server", *measure(lambda item: model.probabilities(model.encode([item])), wanted, 1))]
    with serving(arguments.model) as url, closing(ModelClient(url, timeout_s=60)) as client:

        def ask(item: TextInput) -> object:
            return client.predict(REF, model.labels, [item])

        for callers in (1, 8):
            rows.append((f"HTTP, {callers} at a time", *measure(ask, wanted, callers)))
    tokens = statistics.mean(len(encoding) for encoding in model.encode(INPUTS))
    print(f"{arguments.model.name}; {len(wanted)} requests of one pair, {tokens:.0f} tokens on average; {hardware()}\n")
    print("| way | p50 ms | p95 ms | requests a second |\n| --- | ---: | ---: | ---: |")
    for name, latencies, seconds in rows:
        cuts = statistics.quantiles(latencies, n=20, method="inclusive")
        print(f"| {name} | {cuts[9] * 1000:.1f} | {cuts[18] * 1000:.1f} | {len(latencies) / seconds:.0f} |")
    return 0


def measure(ask: Callable[[TextInput], object], wanted: Sequence[TextInput], callers: int) -> tuple[list[float], float]:
    """The seconds that each input took, and all of them together, after a few that do not count."""

    def timed(item: TextInput) -> float:
        started = time.perf_counter()
        ask(item)
        return time.perf_counter() - started

    with ThreadPoolExecutor(callers) as threads:
        list(threads.map(timed, INPUTS))
        started = time.perf_counter()
        latencies = list(threads.map(timed, wanted))
        return latencies, time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
