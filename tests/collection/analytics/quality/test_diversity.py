"""Different words at equal size, against drawing them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collection.analytics.quality.diversity import common_size, different, rarefied, size, spectra

_TEXTS = st.lists(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=5), min_size=2, max_size=8)


def test_spectra_are_of_all_texts_and_of_all_without_each_cluster() -> None:
    found = spectra([["a", "b"], ["a", "c"], ["a"]], ["x", "x", "y"])
    assert found == [{1: 2, 3: 1}, {1: 1}, {1: 2, 2: 1}]
    assert common_size([found]) == 1
    assert different(found).value == 3


def test_texts_without_a_word_have_no_number_of_different_words() -> None:
    found = different(spectra([[], []], ["x", "y"]))
    assert (found.value, found.limit) == (None, "not enough data: the texts have none")


@given(_TEXTS, st.data())
def test_leaving_a_cluster_out_is_counting_the_others(texts: list[list[str]], data: st.DataObject) -> None:
    clusters = [data.draw(st.sampled_from("xyz")) for _ in texts]
    found = spectra(texts, clusters)
    names = sorted(set(clusters))
    for name, spectrum in zip(names, found[1:], strict=False):
        rest = [text for text, cluster in zip(texts, clusters, strict=True) if cluster != name]
        assert spectrum == spectra(rest, ["x"] * len(rest))[0]


def test_rarefaction_is_what_drawing_gives_on_average() -> None:
    random = np.random.default_rng(0)
    population = np.repeat(np.arange(30), random.integers(1, 12, 30))
    spectrum = spectra([population.tolist()], ["x"])
    drawn = [len(set(random.choice(population, 40, replace=False))) for _ in range(4000)]
    assert rarefied(spectrum, 40).value == pytest.approx(np.mean(drawn), abs=4 * np.std(drawn) / 4000**0.5)
    assert rarefied(spectrum, len(population)).value == pytest.approx(30)
    assert rarefied(spectrum, 1).value == pytest.approx(1)
    assert size(spectrum[0]) == len(population)


def test_the_interval_covers_what_other_contexts_would_give() -> None:
    random = np.random.default_rng(2)
    chances = 1 / np.arange(2, 502)
    chances /= chances.sum()

    def drawn() -> list[dict[int, int]]:
        texts = [random.choice(500, 10, p=chances).tolist() for _ in range(120)]
        return spectra(texts, [f"c{index % 12}" for index in range(120)])

    truth = float(np.mean([rarefied(drawn(), 600).value for _ in range(200)]))
    found = [rarefied(drawn(), 600) for _ in range(200)]
    covered = np.mean([(item.low or 0) <= truth <= (item.high or 0) for item in found])
    assert covered >= 0.9


def test_too_few_words_and_a_single_cluster_are_said() -> None:
    alone = spectra([["a", "b", "c"]], ["x"])
    assert rarefied(alone, 5).limit.startswith("not enough data")
    assert rarefied(alone, 0).value is None
    assert rarefied(alone, 2).value is not None
    assert rarefied(alone, 2).low is None
