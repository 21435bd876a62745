"""Seeded permuted-block randomisation: who comes n-th gets which group."""

from __future__ import annotations

import random
from collections.abc import Sequence


def permuted_block_group(groups: Sequence[str], seed: int, position: int) -> str:
    """The group of the ``position``-th person (from 0) of a study.

    Each block of ``len(groups)`` people holds every group once in an order of its own, so that group sizes never
    differ by more than one, and the order cannot be guessed without the seed. The same arguments always give
    the same group. Source: Matts & Lachin (1988), "Properties of permuted-block randomization in clinical trials".
    Raises ValueError if there are no groups or the position is negative.
    """
    if not groups or position < 0:
        raise ValueError("needs at least one group and a position from 0")
    block, place = divmod(position, len(groups))
    order = list(groups)
    random.Random(f"permuted-block:{seed}:{block}").shuffle(order)
    return order[place]
