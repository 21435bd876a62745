"""The sections "learning-curves" and "comparison" on studies of known truth, and on those that lack something."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import vl_convert

from collection.analytics import comparison_section, cross_section, curves, returns_section
from collection.analytics.parts import afresh
from collection.analytics.report import sections_of
from collection.analytics.scores import standing
from collection.analytics.sections import Section, flat
from collection.analytics.study import Study
from collection.models import ReportPart
from tests.collection.analytics.kept import Kept
from tests.collection.analytics.sections_compare import OPTIONS, SECTIONS, made, rows
from tests.collection.analytics.studies_compare import (
    ARMS,
    empty,
    study,
    with_accuracy,
    with_one_writer,
    with_table,
    with_writers,
)


def plain_values(thing: object) -> Iterator[object]:
    if isinstance(thing, dict):
        for value in thing.values():
            yield from plain_values(value)
    elif isinstance(thing, list | tuple):
        for value in thing:
            yield from plain_values(value)
    else:
        yield thing


def without_version(given: Study, arm: str, number: int) -> Study:
    versions = given.versions
    return with_table(given, "versions", versions[~((versions["arm"] == arm) & (versions["round"] == number))])


def with_fooled(given: Study, flag: bool) -> Study:
    examples = given.examples.copy()
    examples["fooled"] = examples["fooled"].where(examples["fooled"].isna(), flag)
    return with_table(given, "examples", examples)


def with_nan(given: Study) -> Study:
    examples = given.examples.copy()
    examples.loc[examples.index[::2], ["seconds", "cost"]] = np.nan
    return with_table(given, "examples", examples)


def with_one_label(given: Study) -> Study:
    items = given.test_items.copy()
    items["label"] = given.labels[0]
    return with_table(given, "test_items", items)


def with_unequal_sizes(given: Study) -> Study:
    versions = given.versions.copy()
    versions.loc[versions["arm"] == "dynamic", "rows"] += 37
    return with_table(given, "versions", versions)


POOR: dict[str, Callable[[], Study]] = {
    "one round": lambda: study(rounds=1),
    "one arm": lambda: study(arms={"dynamic": "dynamic"}),
    "no test set": lambda: empty(study(), "test_sets", "test_items", "evaluations"),
    "an empty test set": lambda: empty(study(), "test_items", "evaluations"),
    "a test set without scores": lambda: empty(study(), "evaluations"),
    "a single gold label": lambda: with_one_label(study()),
    "a label that the task lacks": lambda: dataclasses.replace(study(), labels=("yes", "perhaps")),
    "all fooled": lambda: with_fooled(study(), True),
    "none fooled": lambda: with_fooled(study(), False),
    "a round without a version": lambda: without_version(study(), "static", 2),
    "an arm without versions": lambda: empty(study(), "versions"),
    "unequal sizes": lambda: with_unequal_sizes(study()),
    "unknown times and pay": lambda: with_nan(study()),
    "one writer": lambda: with_one_writer(study()),
    "one context": lambda: study(contexts=1, test_contexts=1),
    "no contexts": lambda: study(contexts=0, test_contexts=0),
    "no examples": lambda: empty(study(), "examples", "votes"),
    "no votes": lambda: empty(study(), "votes"),
    "no scores of rounds": lambda: empty(study(), "round_scores"),
    "one example a round": lambda: study(quota=1, contexts=1, writers=1),
    "one test row": lambda: study(test_rows=1, test_contexts=1),
    "a perfect arm": lambda: study(gains={"dynamic": 9.0, "static": 9.0}, test_rows=30),
    "two seeds": lambda: study(seeds=2, rounds=2),
    "nothing but arms": lambda: empty(
        study(), "examples", "votes", "versions", "test_sets", "test_items", "evaluations", "round_scores"
    ),
}


@pytest.mark.parametrize("name", SECTIONS)
@pytest.mark.parametrize("case", POOR)
def test_a_study_that_lacks_something_has_sections_of_plain_finite_figures(name: str, case: str) -> None:
    found = made(name, POOR[case]())
    assert found.id == name
    for value in plain_values(found.to_plain()):
        assert value is None or isinstance(value, str | int | float | bool), value
        assert not isinstance(value, float) or math.isfinite(value)
    if not found.tables:
        assert found.limits
    tables = {item.id: item for item in found.tables}
    for chart in found.charts:
        assert list(flat(tables[chart.table].columns, tables[chart.table].rows))
    for item in found.tables:
        names = {column.name for column in item.columns}
        assert all(set(row) <= names for row in item.rows)
        assert item.method


def test_curves_start_from_the_base_version_and_add_up_effort() -> None:
    found = made("learning-curves", study(seeds=3))
    dynamic = [row for row in rows(found, "learning-curve") if row["arm"] == "dynamic"]
    assert [row["round"] for row in dynamic] == [0, 1, 2, 3, 4]
    assert [row["role"] for row in dynamic] == ["base", "curve", "curve", "curve", "curve"]
    assert [row["validated"] for row in dynamic] == [0, 36, 72, 108, 144]
    assert dynamic[2]["hours"] == pytest.approx(2 * 40 * 72 / 3600)
    assert dynamic[2]["cost"] == pytest.approx(2 * 40 * 55)
    assert dynamic[4]["sizes"] == "matched"
    accuracy = dynamic[4]["accuracy"]
    assert accuracy.value == pytest.approx(1 - dynamic[4]["error"].value)
    assert accuracy.value > dynamic[0]["accuracy"].value
    assert dynamic[0]["accuracy"] == next(
        row["accuracy"] for row in rows(found, "learning-curve") if row["arm"] == "static" and row["round"] == 0
    )


@pytest.mark.parametrize(
    ("section", "table"), [("learning-curves", "learning-curve"), ("comparison", "comparison-last")]
)
def test_sizes_are_a_word_in_a_row_and_explained_once_under_the_table(section: str, table: str) -> None:
    unequal = made(section, with_unequal_sizes(study()))
    assert rows(unequal, table)[-1]["sizes"] == "unequal"
    said = [note for note in unequal.table(table).notes if note.startswith("Examples across arms, ")]
    assert len(said) == len({row["sizes"] for row in rows(unequal, table)} - {""})
    assert any("unequal: compare along the axis of examples" in note for note in said)
    equal = made(section, study())
    assert rows(equal, table)[-1]["sizes"] == "equal"
    assert "Examples across arms, equal: by construction." in equal.table(table).notes
    assert not any("unequal" in note for note in equal.table(table).notes)


@pytest.mark.parametrize(("column", "figure"), [("seconds", "hours"), ("cost", "cost")])
def test_a_total_with_a_part_that_is_not_known_is_not_given_and_that_is_said(column: str, figure: str) -> None:
    given = study(rounds=3)
    examples = given.examples.copy()
    examples.loc[(examples["arm"] == "static") & (examples["round"] == 2) & (examples.index % 2 == 0), column] = np.nan
    found = made("learning-curves", with_table(given, "examples", examples))
    totals = {(row["arm"], row["round"]): row[figure] for row in rows(found, "learning-curve")}
    assert [totals["static", number] for number in (2, 3)] == [None, None]
    assert totals["static", 1] == totals["dynamic", 1] == pytest.approx(totals["dynamic", 3] / 3)
    said = [limit for limit in found.limits if "is not known" in limit]
    assert len(said) == 1
    assert f"20 texts of static, or of votes on them, is not known: its {figure} " in said[0]


def test_what_votes_on_texts_that_were_taken_back_took_is_neither_counted_nor_missed() -> None:
    given = study(rounds=2)
    gone = given.examples["key"].isin(["static-1-3"])
    votes = given.votes.copy()
    votes.loc[votes["example"] == "static-1-3", ["seconds", "cost"]] = np.nan
    found = made("learning-curves", with_table(with_table(given, "votes", votes), "examples", given.examples[~gone]))
    assert all(row["hours"] is not None and row["cost"] is not None for row in rows(found, "learning-curve"))
    assert not any("is not known" in limit for limit in found.limits)


def test_equal_numbers_of_versions_from_the_loop_and_from_beside_it_are_not_equal_by_construction() -> None:
    given = study(rounds=1, seeds=2)
    versions = given.versions
    mixed = versions[(versions["role"] != "curve") | (versions["arm"] == "dynamic")]
    sizes = made("learning-curves", with_table(given, "versions", mixed)).tables[0].rows[-1]["sizes"]
    assert sizes == "mixed"


def test_a_finding_about_arms_with_unequally_many_examples_says_how_many() -> None:
    unequal = made("comparison", with_unequal_sizes(study(rounds=1)))
    said = [sentence for sentence in unequal.gist if "(trained on" in sentence]
    assert len(said) == 2
    assert "after round 1 (trained on 73 examples of dynamic and 36 of static): " in said[1]
    assert not any("trained on" in sentence for sentence in made("comparison", study(rounds=1)).findings)


@pytest.mark.parametrize("name", ["learning-curves", "comparison"])
def test_one_training_seed_is_said_to_leave_intervals_about_test_rows_only(name: str) -> None:
    one, three = made(name, study(rounds=1)), made(name, study(rounds=1, seeds=3))
    assert "Versions have one training seed: their intervals are about test rows only" in one.limits[0]
    assert not any("one training seed" in limit for limit in three.limits)
    mixed = study(rounds=1, seeds=3)
    versions = mixed.versions[(mixed.versions["role"] != "curve") | (mixed.versions["arm"] != "dynamic")]
    assert made(name, with_table(mixed, "versions", versions)).limits[0].count("Some versions have one") == 1


@pytest.mark.parametrize("seeds", [1, 3])
def test_the_first_limit_says_that_each_arm_was_collected_once_and_by_how_many(seeds: int) -> None:
    given = with_writers(study(rounds=3, writers=4, seeds=seeds), "static", "only")
    examples = given.examples
    # Whoever wrote what was not accepted, or after the last round compared, made no model.
    late = (examples["arm"] == "dynamic") & (examples["round"] == 3)
    turned_down = (examples["arm"] == "static") & (examples["state"] == "rejected")
    given = with_table(
        given, "examples", examples.assign(writer=examples["writer"].where(~(late | turned_down), "another"))
    )
    given = without_version(given, "dynamic", 3)
    summary, *sections = sections_of(given, OPTIONS)
    limit = next(section.limits[0] for section in sections if section.id == "comparison")
    assert limit.startswith(
        "Each arm was collected once (non-adversarial by 12 writers, static by 1 writer, dynamic by 8 writers): "
    )
    assert limit.count("about collecting again with other writers") == 1
    assert ("test rows and training again" in limit) == (seeds == 3)
    assert ("one training seed" in limit) == (seeds == 1)
    assert any(limit in told for told in summary.limits[:1])


def test_an_arm_is_of_one_writer_if_it_was_by_the_round_of_the_comparison() -> None:
    given = with_accuracy(study(arms={"a": "static", "b": "dynamic"}, rounds=2, test_rows=1000), {"b/1": 0.9})
    first = given.versions[(given.versions["arm"] != "a") | (given.versions["round"] < 2)]
    examples = given.examples
    of_one = examples["writer"].mask((examples["arm"] == "b") & (examples["round"] == 1), "the only one")
    given = with_table(with_table(given, "versions", first), "examples", examples.assign(writer=of_one))
    (told,) = (finding for finding in made("comparison", given).findings if "b against a" in finding)
    assert "All examples collected in b are of one writer" in told


def test_how_many_wrote_is_not_said_where_a_writer_is_not_known() -> None:
    limit = made("comparison", with_writers(study(rounds=1), "static", "")).limits[0]
    assert "static by an unknown number of writers, dynamic by 4 writers" in limit
    assert "dynamic by an unknown number of writers" in made("comparison", empty(study(rounds=1), "examples")).limits[0]


def test_arms_of_one_writer_are_not_called_apart() -> None:
    three = {"a": "static", "b": "static", "c": "dynamic"}
    ahead = {**{f"c/{number}": 0.9 for number in (3, 4)}, **{f"a/{number}": 0.9 for number in (1, 2)}}
    given = with_accuracy(study(arms=three, test_rows=1000), ahead)
    told = made("comparison", given).findings
    assert sum("fewer errors" in finding for finding in told) == 2
    assert any("c stays ahead of a" in finding for finding in told)
    for alone in (("c",), ("c", "a")):
        changed = given
        for arm in alone:
            changed = with_writers(changed, arm, f"only writer of {arm}")
        found = made("comparison", changed)
        of_c = [finding for finding in found.findings if "c against" in finding]
        assert len(of_c) == 2
        assert all(finding.endswith("the two arms are not called apart.") for finding in of_c)
        assert not any("better" in finding and "cannot tell" not in finding for finding in found.findings)
        assert not any("fewer errors" in finding or "stays ahead" in finding for finding in found.findings)
    assert "All examples collected in c and all of a are of one writer" in of_c[0]


def test_a_better_arm_is_found_with_its_share_of_errors_spared() -> None:
    found = made("comparison", study(gains={"dynamic": 0.08, "non-adversarial": 0.01}, test_rows=1500, seeds=3))
    row = next(item for item in rows(found, "comparison-last") if item["pair"] == "dynamic against non-adversarial")
    assert row["p_adjusted"] >= row["p"]
    assert row["difference"].low > 0.1
    own, other = (
        next(item["accuracy"].value for item in rows(found, "comparison-beside") if item["arm"] == arm)
        for arm in ("dynamic", "non-adversarial")
    )
    assert row["fewer"].value == pytest.approx(1 - (1 - own) / (1 - other))
    assert row.get("mcnemar_exact") is None
    assert any("dynamic made" in sentence and "fewer errors" in sentence for sentence in found.findings)


def test_arms_that_do_not_differ_are_not_told_apart() -> None:
    found = made("comparison", study(gains=dict.fromkeys(ARMS, 0.05)))
    row = rows(found, "comparison-last")[0]
    assert row["mcnemar_mid_p"] < row["mcnemar_exact"]
    assert any("we cannot tell whether" in sentence for sentence in found.findings)


def test_a_gain_by_saying_the_common_label_more_often_is_called_that() -> None:
    given = study(arms={"non-adversarial": "non-adversarial", "dynamic": "dynamic"}, rounds=1, test_rows=400)
    gold = np.where(np.arange(400) % 10 == 0, "no", "yes")
    items = given.test_items.assign(label=gold)
    random = np.random.default_rng(0)
    said = {"base": random.integers(0, 2, 400), "dynamic/1": np.zeros(400, dtype=int)}
    said["non-adversarial/1"] = (random.random(400) < 0.4).astype(int)
    evaluations = given.evaluations.assign(predicted=[said[version] for version in given.evaluations["version"]])
    found = made("comparison", with_table(with_table(given, "test_items", items), "evaluations", evaluations))
    claims = [sentence for sentence in found.gist if "fewer errors" in sentence or "the better one" in sentence]
    assert len(claims) == 1
    assert "balanced accuracy does not follow" in claims[0], "a claim and its caution are not parted"
    assert claims[0] in found.findings


def test_a_test_set_of_one_models_errors_is_said_to_favour_an_arm() -> None:
    given = study()
    sets = given.test_sets.assign(kind="adversarial")
    assert any(
        "errors of one model" in words for words in made("comparison", with_table(given, "test_sets", sets)).findings
    )


SPEAKING_OF_TEST_SETS: dict[str, Callable[..., Section]] = {
    "learning-curves": curves.section,
    "comparison": comparison_section.section,
    "diminishing-returns": returns_section.section,
}


@pytest.mark.parametrize("name", SPEAKING_OF_TEST_SETS)
@pytest.mark.parametrize(
    ("given", "said"),
    [
        (with_one_label(study(seeds=2)), "expert-written: all rows have the label yes, "),
        (study(seeds=2, test_contexts=1), "expert-written: all rows are of one context: "),
    ],
    ids=["one label", "one context"],
)
def test_what_a_test_set_cannot_tell_is_said_once_wherever_it_is_used(name: str, given: Study, said: str) -> None:
    limits = SPEAKING_OF_TEST_SETS[name](given, OPTIONS, afresh).limits
    assert len([limit for limit in limits if limit.startswith(said)]) == 1
    usual = SPEAKING_OF_TEST_SETS[name](study(seeds=2), OPTIONS, afresh).limits
    assert not any(limit.startswith(said) for limit in usual)


@pytest.mark.parametrize("name", SPEAKING_OF_TEST_SETS)
def test_a_test_set_of_errors_has_its_warning_wherever_it_is_used(name: str) -> None:
    given = study(seeds=2)
    errors = with_table(given, "test_sets", given.test_sets.assign(kind="adversarial"))
    for made_of, times in ((errors, 1), (given, 0)):
        found = SPEAKING_OF_TEST_SETS[name](made_of, OPTIONS, afresh)
        assert len([told for told in (*found.findings, *found.limits) if "the errors of one model" in told]) == times


def test_accuracy_on_a_single_label_is_not_held_against_always_giving_it() -> None:
    given = with_one_label(study(seeds=2, gains={"dynamic": 0.09, "static": 0.0, "non-adversarial": 0.0}))
    findings = made("learning-curves", given).findings
    assert all(finding.endswith("of rows, all of which have the label yes.") for finding in findings)
    always = [
        np.zeros(200, dtype=int) if "dynamic" in name else np.ones(200, dtype=int)
        for name in given.evaluations["version"]
    ]
    clear = made("comparison", with_table(given, "evaluations", given.evaluations.assign(predicted=always)))
    claims = [finding for finding in clear.findings if "fewer errors" in finding]
    assert claims
    assert all("Take care: all rows of expert-written have the label “yes”." in claim for claim in claims)


def test_the_first_page_has_whole_test_sets_with_their_cautions_first() -> None:
    names = ("a", "b", "c", "errors")
    given = study(rounds=1, test_sets=names)
    kinds = given.test_sets.assign(kind=["adversarial", "imported", "imported", "adversarial"])
    found = made("comparison", with_table(given, "test_sets", kinds))
    begins = [sentence.partition(" is made")[0].partition(",")[0] for sentence in found.gist]
    assert begins[:-1] == ["a"] * 4 + ["b"] * 3 + ["c"] * 3
    assert "errors of one model" in found.gist[0]
    assert found.gist[-1].startswith("Further findings on arms and test sets (4) stand under")
    at = [sentence.startswith("errors is made of the errors of one model") for sentence in found.findings].index(True)
    assert not any(sentence.startswith("errors") for sentence in found.findings[:at])


@pytest.mark.parametrize("seed", range(6))
def test_arms_with_the_same_true_curve_are_not_said_to_overtake(seed: int) -> None:
    two = {"static": "static", "dynamic": "dynamic"}
    found = made("comparison", study(arms=two, rounds=6, gains=dict.fromkeys(two, 0.03), seed=seed))
    assert not any("stays ahead" in sentence for sentence in found.findings)


def test_an_overtaking_whose_round_is_known_is_a_finding() -> None:
    two = {"static": "static", "dynamic": "dynamic"}
    ahead = {"static/1": 0.9, "static/2": 0.9, "dynamic/3": 0.9, "dynamic/4": 0.9}
    found = made("comparison", with_accuracy(study(arms=two, test_rows=1000), ahead))
    said = [sentence for sentence in found.findings if "stays ahead" in sentence]
    assert said == [
        "expert-written: dynamic stays ahead of static from round 3 on (95% interval: from round 3 to round 3)."
    ]


def test_an_arm_whose_lead_is_not_clear_is_not_said_to_stay_ahead() -> None:
    even = dict.fromkeys(ARMS, 0.03)
    given = study(
        rounds=6, quota=4, test_rows=120, test_contexts=30, seeds=3, test_sets=("A", "B"), gains=even, seed=15
    )
    found = made("comparison", given)
    assert any("B, after round 6: we cannot tell whether" in item for item in found.findings)
    assert any(row["overtakes"] == "dynamic" and row["round"].low > 1 for row in rows(found, "comparison-crossovers"))
    assert not [sentence for sentence in found.findings if "stays ahead" in sentence]


def test_an_overtaking_is_worked_out_once_and_then_read() -> None:
    kept: dict[tuple[str, str], Any] = {}
    computed = []

    def parts(name: str, key: str, compute: Callable[[], Any]) -> Any:
        if (name, key) not in kept:
            computed.append(name)
            kept[name, key] = compute()
        return kept[name, key]

    given = study()
    first = comparison_section.section(given, OPTIONS, parts)
    count = len(computed)
    assert count == 3
    assert comparison_section.section(given, OPTIONS, parts) == first
    assert len(computed) == count
    assert first == made("comparison", given)


@pytest.mark.parametrize("name", SECTIONS)
def test_every_chart_can_be_drawn(name: str) -> None:
    found = made(name, study())
    tables = {item.id: item for item in found.tables}
    assert found.charts
    assert len({chart.id for chart in found.charts}) == len(found.charts)
    for chart in found.charts:
        values = list(flat(tables[chart.table].columns, tables[chart.table].rows))
        svg = vl_convert.vegalite_to_svg({**chart.spec, "data": {"values": values}, "width": 300})
        assert "<path" in svg
        assert chart.description


def test_names_of_parts_fit_their_column_however_long_arms_are_called() -> None:
    arms = {f"{kind[:3]}-{'x' * 26}": kind for kind in ARMS.values()}
    given, parts = study(arms=arms, rounds=2), Kept()
    for build in (comparison_section.section, returns_section.section, cross_section.section):
        build(given, OPTIONS, parts)
    longest = ReportPart._meta.get_field("name").max_length
    assert longest is not None
    assert max(map(len, parts.computed)) <= longest
    # Of three arms three pairs, of which each has a part of its own.
    assert sum(name.startswith("crossover") for name in parts.computed) == 3


def test_errors_spared_of_an_arm_without_errors_are_missing_and_no_zero() -> None:
    found = made("comparison", perfect_start())
    row = next(item for item in rows(found, "comparison-last") if item["reference"] == "non-adversarial")
    assert row["fewer"].value is None
    assert row["fewer"].limit == "not enough data: the reference made no errors"


def perfect_start() -> Study:
    given = study(rounds=1, test_rows=40)
    gold = given.test_items["label"].map(given.labels.index).to_numpy()
    right = given.evaluations["version"] == "non-adversarial/1"
    said = [gold if yes else was for yes, was in zip(right, given.evaluations["predicted"], strict=True)]
    return with_table(given, "evaluations", given.evaluations.assign(predicted=said))


def test_a_loops_own_version_that_is_the_first_seed_of_the_curve_counts_as_one_of_its_seeds() -> None:
    given = study(rounds=2, seeds=3)
    versions = given.versions
    first = versions["version"].str.endswith("/0") & (versions["role"] == "curve")
    # As it is stored when the round was trained on the very same rows: one version with two rows.
    own = versions[first]["version"].str.removesuffix("/0")
    versions = versions.copy()
    versions.loc[first, "version"] = own
    found = standing(with_table(given, "versions", versions), given.evaluations["version"])
    assert {(item.role, len(item.versions)) for item in found if item.round} == {("curve", 3)}


def test_intervals_on_a_test_set_without_contexts_speak_of_rows() -> None:
    with_contexts, without = (
        row["difference"].method
        for given in (study(seeds=3), study(seeds=3, test_contexts=0))
        for row in rows(made("comparison", given), "comparison-last")[:1]
    )
    assert with_contexts.startswith("two-way (contexts and training seeds)")
    assert without.startswith("two-way (rows and training seeds)")
