"""Agreement of label votes, against the krippendorff package, statsmodels and cases worked by hand."""

from __future__ import annotations

import krippendorff
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.inter_rater import fleiss_kappa

from collection.analytics.agreement import Votes, agreement, agreements
from collection.analytics.clustered import Numbers


def _alone(counts: Numbers) -> np.ndarray:
    return np.arange(len(counts))


def _random_counts(seed: int, texts: int = 60, labels: int = 3) -> Numbers:
    """Votes of two to five people who mostly name the same label."""
    random = np.random.default_rng(seed)
    gold = random.integers(0, labels, texts)
    return np.array(
        [
            random.multinomial(random.integers(2, 6), np.where(np.arange(labels) == label, 0.7, 0.3 / (labels - 1)))
            for label in gold
        ],
        dtype=float,
    )


@pytest.mark.parametrize("seed", range(5))
def test_alpha_is_that_of_the_krippendorff_package(seed: int) -> None:
    counts = _random_counts(seed)
    counts[0] = (1, 0, 0)  # a text with one vote is none of the pairable ones
    expected = krippendorff.alpha(value_counts=counts.astype(int), level_of_measurement="nominal")
    assert agreement(counts, _alone(counts)).alpha.value == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(3))
def test_kappa_is_that_of_statsmodels_for_equal_numbers_of_votes(seed: int) -> None:
    counts = np.random.default_rng(seed).multinomial(4, (0.6, 0.3, 0.1), size=50).astype(float)
    assert agreement(counts, _alone(counts)).kappa.value == pytest.approx(fleiss_kappa(counts, method="fleiss"))


def test_kappa_with_unequal_numbers_of_votes_is_the_case_worked_by_hand() -> None:
    # Observed: (1 + 1/3 + 1) / 3; shares of the first label: (1 + 2/3 + 0) / 3 = 5/9, so expected 41/81.
    counts = np.array([[2, 0], [2, 1], [0, 2]], dtype=float)
    expected = (7 / 9 - 41 / 81) / (1 - 41 / 81)
    assert agreement(counts, _alone(counts)).kappa.value == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(3))
def test_texts_of_one_vote_change_no_statistic_of_agreement(seed: int) -> None:
    random = np.random.default_rng(seed)
    paired = random.multinomial(3, (0.6, 0.3, 0.1), size=50).astype(float)
    counts = np.concatenate([paired, np.eye(3)[random.integers(0, 2, 200)]])[random.permutation(250)]
    found, expected = agreement(counts, _alone(counts)), agreement(paired, _alone(paired))
    assert (found.texts, found.paired) == (250, 50)
    assert found.kappa.value == pytest.approx(fleiss_kappa(paired, method="fleiss"))
    for name in ("pairwise", "alpha", "kappa", "ac1"):
        assert getattr(found, name).value == pytest.approx(getattr(expected, name).value)


def test_kappa_and_ac1_with_texts_of_one_vote_are_the_case_worked_by_hand() -> None:
    # Texts of two votes or more: observed (1 + 1/3 + 0) / 3; shares of the first label (1 + 2/3 + 1/2) / 3 = 13/18.
    counts = np.array([[2, 0], [2, 1], [1, 1], [1, 0], [0, 1], [0, 1], [0, 0]], dtype=float)
    found = agreement(counts, _alone(counts))
    observed, share = 4 / 9, 13 / 18
    by_chance = share**2 + (1 - share) ** 2
    assert found.kappa.value == pytest.approx((observed - by_chance) / (1 - by_chance))
    by_chance = 2 * share * (1 - share)
    assert found.ac1.value == pytest.approx((observed - by_chance) / (1 - by_chance))
    assert found.kappa.n == found.ac1.n == 3


def test_two_texts_in_dispute_among_many_of_one_vote_have_no_kappa_below_what_can_be() -> None:
    counts = np.array([[1, 1]] * 2 + [[1, 0]] * 10, dtype=float)
    found = agreement(counts, _alone(counts))
    assert found.kappa.value == pytest.approx(-1)
    assert found.ac1.value == pytest.approx(-1)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 100_000))
def test_an_interval_of_agreement_holds_its_figure(seed: int) -> None:
    random = np.random.default_rng(seed)
    texts, labels = int(random.integers(1, 15)), int(random.integers(2, 4))
    who = np.argsort(random.random((texts, 7)), axis=1)[:, : int(random.integers(1, 4))]
    text, person = np.repeat(np.arange(texts), who.shape[1]), who.ravel()
    kept = random.random(len(text)) < random.random()
    kept[0] = True
    votes = Votes(text[kept], random.integers(0, labels, int(kept.sum())), person[kept])
    counts = np.zeros((texts, labels))
    np.add.at(counts, (votes.text, votes.label), 1)
    found = agreement(counts, np.arange(texts) % int(random.integers(1, 10)), votes)
    for figure in (found.pairwise, found.alpha, found.kappa, found.ac1):
        if figure.value is not None:
            assert -1 - 1e-12 <= figure.value <= 1
        if figure.low is not None:
            assert figure.low <= (figure.value or 0) <= (figure.high or 0)


def test_ac1_of_nearly_one_label_only_is_the_case_worked_by_hand() -> None:
    # Gwet (2008): 125 subjects, both raters say "+" of 118, one of them of 7; kappa is below 0 and AC1 0.94.
    counts = np.array([[2, 0]] * 118 + [[1, 1]] * 7, dtype=float)
    found = agreement(counts, _alone(counts))
    chance = 2 * (243 / 250) * (7 / 250)
    assert found.pairwise.value == pytest.approx(0.944)
    assert found.ac1.value == pytest.approx((0.944 - chance) / (1 - chance))
    assert round(found.ac1.value or 0, 4) == 0.9408
    assert (found.kappa.value or 0) < 0


def test_intervals_hold_their_figures_and_narrow_with_more_texts() -> None:
    few, many = (agreement(counts, _alone(counts)) for counts in (_random_counts(1), _random_counts(1, texts=2000)))
    for name in ("pairwise", "alpha", "kappa", "ac1"):
        small, large = getattr(few, name), getattr(many, name)
        assert small.low < small.value < small.high
        assert large.high - large.low < (small.high - small.low) / 3


def test_texts_of_one_context_widen_the_interval() -> None:
    counts = np.array([[2, 0]] * 5 + [[1, 1]] * 5, dtype=float).repeat(20, axis=0)
    counts[::3] = counts[::3, ::-1]
    alone = agreement(counts, _alone(counts)).alpha
    together = agreement(counts, np.arange(10).repeat(20)).alpha
    assert "context" in together.method
    assert (together.high or 0) - (together.low or 0) > 2 * ((alone.high or 0) - (alone.low or 0))


def test_few_contexts_are_told() -> None:
    counts = _random_counts(2)
    assert "fewer than 5 contexts" in agreement(counts, np.arange(60) % 3).alpha.limit


@pytest.mark.parametrize("counts", [[], [[0, 0]], [[1, 0], [0, 1], [1, 0]]])
def test_without_two_votes_on_a_text_there_is_no_figure(counts: list[list[int]]) -> None:
    found = agreement(np.array(counts, dtype=float).reshape(-1, 2), np.zeros(len(counts), dtype=int))
    for estimate in (found.pairwise, found.alpha, found.kappa, found.ac1):
        assert estimate.value is None
        assert "two label votes" in estimate.limit


def test_a_single_label_leaves_alpha_and_kappa_undefined_and_says_so() -> None:
    counts = np.array([[2, 0]] * 8, dtype=float)
    found = agreement(counts, _alone(counts))
    assert found.alpha.value is None
    assert found.kappa.value is None
    assert "one label" in found.alpha.limit
    assert (found.ac1.value, found.ac1.low) == (1, None)
    assert found.pairwise.value == 1


def test_perfect_agreement_has_no_interval_that_claims_certainty() -> None:
    counts = np.array([[2, 0], [0, 2]] * 5, dtype=float)
    alpha = agreement(counts, _alone(counts)).alpha
    assert (alpha.value, alpha.low, alpha.high) == (1, None, None)
    assert "all votes agree" in alpha.limit


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000))
def test_neither_the_order_of_texts_nor_the_names_of_labels_matter(seed: int) -> None:
    counts = _random_counts(seed, texts=25)
    random = np.random.default_rng(seed)
    rows, labels = random.permutation(25), random.permutation(3)
    contexts = np.arange(25) % 6
    one, other = agreement(counts, contexts), agreement(counts[rows][:, labels], contexts[rows])
    for name in ("pairwise", "alpha", "kappa", "ac1"):
        first, second = getattr(one, name), getattr(other, name)
        assert (first.value, first.low, first.high) == pytest.approx((second.value, second.low, second.high))


def test_agreement_in_several_groups_is_that_of_each_alone() -> None:
    counts = _random_counts(3, texts=90)
    counts[80:] = [1, 0, 0]
    groups = np.random.default_rng(3).permutation(np.repeat([0, 1, 2], 30))
    groups[80:], contexts = 3, np.arange(90) % 12
    found = agreements(counts, contexts, groups, 5)
    assert found[:4] == [agreement(counts[groups == group], contexts[groups == group]) for group in range(4)]
    assert found[4] == agreement(counts[:0], contexts[:0])


def _voted(wrong: np.ndarray, texts: int = 60) -> tuple[np.ndarray, Votes]:
    """Three votes a text by validators who are wrong with these chances, and the counts of labels."""
    random = np.random.default_rng(2)
    who = np.argsort(random.random((texts, len(wrong))), axis=1)[:, :3]
    label = (random.integers(0, 2, texts)[:, None] ^ (random.random((texts, 3)) < wrong[who])).astype(np.intp)
    counts = np.column_stack([3 - label.sum(axis=1), label.sum(axis=1)]).astype(float)
    return counts, Votes(np.repeat(np.arange(texts), 3), label.ravel(), who.ravel())


def test_validators_who_differ_widen_the_intervals() -> None:
    counts, votes = _voted(np.array([0.0, 0.0, 0.02, 0.05, 0.1, 0.45, 0.5]))
    of_these, of_any = agreement(counts, np.arange(60)), agreement(counts, np.arange(60), votes)
    for name in ("alpha", "kappa", "ac1", "pairwise"):
        one, other = getattr(of_these, name), getattr(of_any, name)
        assert one.value == other.value
        assert other.high - other.low > 1.2 * (one.high - one.low)
        assert "validator" not in one.method
        assert "context and validator" in other.method


def test_each_validator_is_left_out_with_all_their_votes() -> None:
    counts, votes = _voted(np.full(5, 0.2), texts=30)
    without = []
    for person in range(5):
        rest = counts.copy()
        own = votes.validator == person
        np.subtract.at(rest, (votes.text[own], votes.label[own]), 1)
        without.append(agreement(rest, np.arange(30)).alpha.value)
    parts = np.bincount(votes.validator) / 90
    value = agreement(counts, np.arange(30)).alpha.value
    moved = np.array(without, dtype=float) - (value or 0)
    least = float(((1 - parts) * moved**2).sum())
    found = agreement(counts, np.zeros(30, dtype=np.intp), votes).alpha
    assert found.high is not None
    # On the scale of the logarithm of 1 - alpha, with at most as many degrees of freedom as validators less one.
    half = np.log((1 - (value or 0)) / (1 - found.high))
    assert half >= 1.96 * least**0.5 / (1 - (value or 0))


def test_of_few_validators_an_interval_says_that_it_is_about_them() -> None:
    counts, votes = _voted(np.full(4, 0.2))
    found, without = agreement(counts, np.arange(60), votes).alpha, agreement(counts, np.arange(60)).alpha
    assert (found.low, found.high) == (without.low, without.high)
    assert found.limit == "fewer than 5 validators: the interval is about these alone"


def test_where_one_validator_is_in_every_pair_an_interval_is_about_these_alone() -> None:
    random = np.random.default_rng(5)
    label = random.integers(0, 2, (60, 2))
    counts = np.column_stack([2 - label.sum(axis=1), label.sum(axis=1)]).astype(float)
    who = np.column_stack([np.zeros(60, dtype=int), random.integers(1, 7, 60)])
    votes = Votes(np.repeat(np.arange(60), 2), label.ravel(), who.ravel())
    found, without = agreement(counts, np.arange(60), votes).alpha, agreement(counts, np.arange(60)).alpha
    assert (found.low, found.high, found.method) == (without.low, without.high, "clustered by context (CR2, t)")
    assert found.limit == "without one validator there is nothing left: the interval is about these alone"


def test_one_pair_tells_nothing_of_the_spread_between_contexts() -> None:
    counts, votes = _voted(np.full(8, 0.2))
    alone = np.where(np.arange(180) % 3 == 0, True, votes.text == 0)
    few = Votes(votes.text[alone], votes.label[alone], votes.validator[alone])
    left = np.zeros_like(counts)
    np.add.at(left, (few.text, few.label), 1)
    found = agreement(left, np.arange(60) % 6, few)
    assert found.paired == 1
    assert "cannot be told" in found.pairwise.limit
