"""Parts of a report, kept as a database keeps them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any


class Kept:
    """Parts in memory, as JSON. ``computed`` names those that were worked out, in order."""

    def __init__(self) -> None:
        self._parts: dict[tuple[str, str], str] = {}
        self.computed: list[str] = []

    def __call__(self, name: str, key: str, compute: Callable[[], Any]) -> Any:
        """The part, computed the first time."""
        if (name, key) not in self._parts:
            self._parts[name, key] = json.dumps(compute(), allow_nan=False)
            self.computed.append(name)
        return json.loads(self._parts[name, key])
