"""Everything random or order-dependent in a training run follows from its seed."""

from __future__ import annotations

import hashlib
import os
import random

import torch


def seed_everything(seed: int, threads: int = 0) -> None:
    """Seed all generators and refuse nondeterministic kernels; ``threads`` of 0 means one a core.

    The number of threads is part of what must be equal for equal weights: sums are split between them.
    """
    # Read by cuBLAS when it is first used; without it its deterministic kernels cannot work.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    random.seed(seed)
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(threads or os.cpu_count() or 1)


def generator(seed: int, purpose: str) -> torch.Generator:
    """A generator of its own for one purpose of one run, independent of all others."""
    digest = hashlib.sha256(f"{seed}/{purpose}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8]) >> 1)


def accelerator() -> torch.device:
    """The device to train and evaluate on: the first CUDA device if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
