"""Parts of a report that need not be worked out again while what they are made of stays the same."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd

from collection.analytics.study import Study


class Parts(Protocol):
    """Gives the stored part of that name and key, or computes and keeps it. Parts are plain values, ready for JSON."""

    def __call__(self, name: str, key: str, compute: Callable[[], Any]) -> Any:
        """The part: ``key`` must name everything that it is made of, its code's version included."""
        ...


def afresh(name: str, key: str, compute: Callable[[], Any]) -> Any:
    """Keeps nothing: every part is computed."""
    return compute()


P = ParamSpec("P")
T = TypeVar("T")


def shared(make: Callable[Concatenate[Study, P], T]) -> Callable[Concatenate[Study, P], T]:
    """``make``, done once for each study as long as that lives, for all sections that need it, with what else the first
    of them gives. Nobody may change what it gives."""
    known: WeakKeyDictionary[Study, T] = WeakKeyDictionary()

    @wraps(make)
    def of(study: Study, /, *args: P.args, **kwargs: P.kwargs) -> T:
        if study not in known:
            known[study] = make(study, *args, **kwargs)
        return known[study]

    return of


def digest(*things: object) -> str:
    """A short hash of values, arrays and frames: equal things have equal digests."""
    found = hashlib.sha256()
    for thing in things:
        if isinstance(thing, pd.DataFrame):
            found.update(repr(list(thing.columns)).encode())
            found.update(pd.util.hash_pandas_object(thing, index=False).to_numpy().tobytes())
        elif isinstance(thing, np.ndarray):
            found.update(repr((thing.dtype.str, thing.shape)).encode())
            found.update(np.ascontiguousarray(thing).tobytes())
        else:
            found.update(repr(thing).encode())
        found.update(b"\0")
    return found.hexdigest()[:32]
