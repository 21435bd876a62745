"""Everything measured on the accepted texts of a study, row by row, round by round and arm by arm, each once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from collection.analytics.parts import Parts, digest
from collection.analytics.quality import artifacts, diversity, duplicates, hypothesis_only, inter_bleu, syntax
from collection.analytics.quality.overlap import word_overlap
from collection.analytics.quality.readability import grade
from collection.analytics.quality.words import bigrams, tokens, words
from collection.analytics.sections import Options
from collection.analytics.study import Study

# Part of every key: to be raised whenever what a part is made of is computed in another way.
_VERSION = 2
_READ = ["arm", "round", "writer", "context", "context_text", "text", "label"]
_TEXT = ["length", "grade", "overlap", "negated"]
_LIKE = ["nearest", "of_others", "mean"]
_AGAINST = [f"{name}_{suffix}" for name in (*_LIKE, "told") for suffix in ("round", "arm")] + ["told_even_arm"]

Floats = NDArray[np.float64]
# An arm and its round, or the arm in all rounds.
Group = tuple[str, int | None]
# A text's words.
Split = Callable[[str], list[str]]


@dataclass(frozen=True)
class Measured:
    """``rows``: the accepted examples by round, in the order of submission, with a column a measure, NaN where there is
    none; what is measured against others of the round ends in ``_round``, of the arm in ``_arm``. ``told_even_arm`` is
    that of equally many examples in every arm. ``repeats_*`` flags texts that nearly repeat an earlier one.

    ``places``: which rows a group has. ``keys``: a digest of what its figures are made of, but for the parser, and for
    ``repeats_*`` and ``told_even_arm``, which are about others' texts too. ``words``, ``bigrams``: their spectra by
    group. ``leanings``: words that lean to a label, by arm. ``pairs``: places in ``rows`` of texts that are nearly the
    same.
    """

    rows: pd.DataFrame
    places: Mapping[Group, NDArray[np.intp]]
    keys: Mapping[Group, str]
    words: Mapping[Group, Sequence[diversity.Spectrum]]
    bigrams: Mapping[Group, Sequence[diversity.Spectrum]]
    leanings: Mapping[str, Sequence[artifacts.Leaning]]
    pairs: tuple[duplicates.Places, duplicates.Places]

    def group(self, group: Group) -> pd.DataFrame:
        """The rows of a group."""
        return self.rows.take(self.places.get(group, []))


def blocks(rows: pd.DataFrame) -> pd.Series:
    """Which rows belong together where rows are left out in blocks: those of a context, or of a writer where there is
    but one context."""
    return rows["context"] if rows["context"].nunique() > 1 else rows["writer"]


def measure(study: Study, options: Options, parts: Parts) -> Measured:
    """Measure a study; what is of one round or one arm is made again only where its texts have changed."""
    # Round by round, so that what an arm's rounds are made of tells what the arm is made of.
    rows = study.accepted.sort_values("round", kind="stable")[_READ].reset_index(drop=True)
    hashes = pd.util.hash_pandas_object(rows, index=False).to_numpy()
    # A text is in its round and in its arm, and in each for several figures.
    split = cache(words)
    measures: dict[str, Floats] = {name: np.full(len(rows), np.nan) for name in (*_TEXT, "distance", *_AGAINST)}
    counted: dict[Group, Mapping[str, Any]] = {}
    keys: dict[Group, str] = {}
    of_group = dict(_groups(rows, study))
    leanings = {}
    fewest = int(rows.groupby("arm").size().min()) if len(rows) else 0
    for group, places in of_group.items():
        arm, number = group
        own = rows.take(places)
        key = keys[group] = digest(_VERSION, options.as_released, options.seed, hashes[places])
        counted[group] = parts("quality-diversity", key, partial(_diversity, own, split, options.as_released))
        suffix = "arm" if number is None else "round"
        like = parts("quality-likeness", key, partial(_likeness, own, options))
        told = parts("quality-told", key, partial(_told, own, split))
        for name, values in {**like, "told": told}.items():
            measures[f"{name}_{suffix}"][places] = _numbers(values)
        if number is None:
            leanings[arm] = [
                artifacts.Leaning(*item) for item in parts("quality-words", key, partial(_words, own, split))
            ]
            even = own.sample(fewest, random_state=options.seed).sort_index()
            if len(own) > fewest:
                told = parts("quality-told", digest(_VERSION, hashes[even.index]), partial(_told, even, split))
            measures["told_even_arm"][even.index] = _numbers(told)
            continue
        texts = parts("quality-texts", key, partial(_texts, own, split, options.as_released))
        for name in _TEXT:
            measures[name][places] = _numbers(texts[name])
        if syntax.parser():
            parsed = digest(key, syntax.parser())
            distances = parts("quality-syntax", parsed, partial(syntax.distances, own["text"].tolist()))
            measures["distance"][places] = _numbers(distances)
    pairs = _pairs(rows, split, hashes, parts)
    rows = rows.assign(**measures, **_repeats(rows, pairs))
    return Measured(rows, of_group, keys, _spectra(counted, "words"), _spectra(counted, "bigrams"), leanings, pairs)


def _groups(rows: pd.DataFrame, study: Study) -> Iterator[tuple[Group, NDArray[np.intp]]]:
    """Each arm's rounds and then the arm, with the places of their rows."""
    arms, numbers = rows["arm"].to_numpy(dtype=object), rows["round"].to_numpy()
    for arm in study.arms:
        own = np.flatnonzero(arms == arm)
        for number in np.unique(numbers[own]).tolist():
            yield (arm, number), own[numbers[own] == number]
        if len(own):
            yield (arm, None), own


def _diversity(rows: pd.DataFrame, split: Split, as_released: bool) -> dict[str, list[list[tuple[int, int]]]]:
    clusters = blocks(rows).tolist()
    if as_released:
        # The source study's script lower-cases words but not bigrams, and counts punctuation.
        cased = [tokens(text) for text in rows["text"]]
        counts = [[token.lower() for token in item] for item in cased]
    else:
        counts = cased = [split(text) for text in rows["text"]]
    counted: dict[str, list[list[Any]]] = {"words": counts, "bigrams": [bigrams(item) for item in cased]}
    return {
        name: [list(spectrum.items()) for spectrum in diversity.spectra(items, clusters)]
        for name, items in counted.items()
    }


def _spectra(counted: Mapping[Group, Mapping[str, Any]], name: str) -> dict[Group, list[dict[int, int]]]:
    return {group: [dict(map(tuple, spectrum)) for spectrum in item[name]] for group, item in counted.items()}


def _likeness(rows: pd.DataFrame, options: Options) -> dict[str, list[float | None]]:
    texts, labels = rows["text"].tolist(), rows["label"].tolist()
    found = inter_bleu.likeness(texts, labels)
    figures = {name: getattr(found, name) for name in _LIKE}
    if options.as_released:
        figures["nearest"] = inter_bleu.nearest_as_released(texts, labels, options.seed)
    return {name: _plain(values) for name, values in figures.items()}


def _texts(rows: pd.DataFrame, split: Split, as_released: bool) -> dict[str, list[float | None]]:
    count = tokens if as_released else split
    return {
        "length": [float(len(count(text))) for text in rows["text"]],
        "grade": [grade(text) for text in rows["text"]],
        "overlap": [
            word_overlap(text, context, as_released=as_released) if context else None
            for text, context in zip(rows["text"], rows["context_text"], strict=True)
        ],
        "negated": [float(artifacts.negated(text)) for text in rows["text"]],
    }


def _told(rows: pd.DataFrame, split: Split) -> list[float | None]:
    labels, groups = rows["label"].tolist(), blocks(rows).tolist()
    if hypothesis_only.refusal(labels, groups):
        return [None] * len(rows)
    return _plain(hypothesis_only.told([split(text) for text in rows["text"]], labels, groups))


def _words(rows: pd.DataFrame, split: Split) -> list[tuple[Any, ...]]:
    found = artifacts.leanings([split(text) for text in rows["text"]], rows["label"].tolist())
    return [(item.word, item.label, item.texts, item.elsewhere, item.pmi, item.z, item.q) for item in found]


def _pairs(
    rows: pd.DataFrame, split: Split, hashes: NDArray[np.uint64], parts: Parts
) -> tuple[duplicates.Places, duplicates.Places]:
    """Pairs of texts that are nearly the same; a round's with all texts before them are a part."""
    near = duplicates.NearTexts(rows["text"].tolist(), split)
    ends = np.flatnonzero(np.diff(rows["round"], append=np.inf)) + 1
    earlier: list[int] = []
    later: list[int] = []
    start = 0
    for end in ends.tolist():
        found = parts("quality-pairs", digest(_VERSION, start, hashes[:end]), partial(_pairs_from, near, start, end))
        earlier += found[0]
        later += found[1]
        start = end
    return np.array(earlier, dtype=np.int64), np.array(later, dtype=np.int64)


def _pairs_from(near: duplicates.NearTexts, start: int, end: int) -> list[list[int]]:
    return [side.tolist() for side in near.pairs(start, end)]


def _repeats(rows: pd.DataFrame, pairs: tuple[duplicates.Places, duplicates.Places]) -> dict[str, Floats]:
    """The later of two texts that are nearly the same repeats the earlier."""
    earlier, later = pairs
    arm, number = rows["arm"].to_numpy(dtype=object), rows["round"].to_numpy()
    in_arm = arm[earlier] == arm[later]
    found = {}
    for suffix, together in (("arm", in_arm), ("round", in_arm & (number[earlier] == number[later]))):
        flags = found[f"repeats_{suffix}"] = np.zeros(len(rows))
        flags[later[together]] = 1.0
    return found


def _plain(values: Any) -> list[float | None]:
    return [None if np.isnan(value) else value for value in np.asarray(values, dtype=float).tolist()]


def _numbers(values: Sequence[float | None]) -> np.ndarray:
    return np.array(values, dtype=float)
