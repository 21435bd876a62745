"""The model server's process."""

from __future__ import annotations

import os

# OpenMP reads this when torch is first imported. Its threads would otherwise spin while they wait for each other, and
# beside another busy process, such as a training run on the same machine, a pass of 3 ms then takes over 100.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
