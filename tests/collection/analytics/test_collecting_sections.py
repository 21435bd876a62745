"""The sections "collection", "writers" and "agreement": hand-counted figures, and every gap that data can have."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
import vl_convert

from collection.analytics import collecting, validators, writers
from collection.analytics.metrics import Estimate, share
from collection.analytics.parts import Parts, afresh
from collection.analytics.sections import Cell, Options, Section, flat
from collection.analytics.study import Study, table
from tests.collection.analytics.studies_collecting import awkward_studies, collected_study

Builder = Callable[[Study, Options, Parts], Section]
BUILDERS: tuple[Builder, ...] = (collecting.section, writers.section, validators.section)
STUDIES = awkward_studies()


def _rows(section: Section, name: str) -> list[dict[str, Cell]]:
    found = next(each for each in section.tables if each.id == name)
    assert all(set(row) <= {column.name for column in found.columns} for row in found.rows)
    return [dict(row) for row in found.rows]


def _figure(cell: Cell) -> Estimate:
    assert isinstance(cell, Estimate)
    return cell


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        for each in value.values():
            yield from _numbers(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _numbers(each)
    elif isinstance(value, float):
        yield value


@pytest.mark.parametrize("build", BUILDERS, ids=["collection", "writers", "agreement"])
@pytest.mark.parametrize("study", STUDIES.values(), ids=STUDIES)
def test_every_gap_in_the_data_gives_a_limit_and_no_number_that_is_none(build: Builder, study: Study) -> None:
    section = build(study, Options(), afresh)
    json.dumps(section.to_plain(), allow_nan=False)
    assert all(math.isfinite(number) for number in _numbers(section.to_plain()))
    names = [section.id, *(each.id for each in section.tables), *(each.id for each in section.charts)]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z][a-z0-9-]*", name) for name in names)
    for each in section.tables:
        for row in each.rows:
            assert set(row) <= {column.name for column in each.columns}
            for cell in row.values():
                if isinstance(cell, Estimate):
                    assert cell.value is not None or cell.limit
                    assert cell.low is not None or cell.limit
                    assert cell.low is None or cell.low - 1e-9 <= (cell.value or 0) <= (cell.high or 0) + 1e-9


@pytest.mark.parametrize("build", BUILDERS, ids=["collection", "writers", "agreement"])
@pytest.mark.parametrize("name", ["usual", "one round", "no examples"])
def test_charts_draw_the_rows_of_their_tables(build: Builder, name: str) -> None:
    section = build(STUDIES[name], Options(), afresh)
    tables = {each.id: each for each in section.tables}
    for chart in section.charts:
        values = list(flat(tables[chart.table].columns, tables[chart.table].rows))
        assert vl_convert.vegalite_to_svg(json.dumps(dict(chart.spec) | {"data": {"values": values}, "width": 560}))
        assert chart.description


@pytest.mark.parametrize("build", BUILDERS, ids=["collection", "writers", "agreement"])
def test_the_order_of_rows_changes_nothing(build: Builder) -> None:
    study = STUDIES["usual"]
    shuffled = dataclasses.replace(
        study,
        examples=study.examples.sample(frac=1, random_state=1),
        attempts=study.attempts.sample(frac=1, random_state=2),
        votes=study.votes.sample(frac=1, random_state=3),
    )
    for one, other in zip(
        build(study, Options(), afresh).tables, build(shuffled, Options(), afresh).tables, strict=True
    ):
        first, second = (sorted(map(_rounded, flat(each.columns, each.rows))) for each in (one, other))
        assert first == second


def _rounded(row: dict[str, Any]) -> str:
    return repr({name: f"{value:.6g}" if isinstance(value, float) else value for name, value in row.items()})


def _by_hand() -> Study:
    """Four texts of one round by one writer each: accepted and fooling, accepted, rejected though fooling, flagged."""
    study = collected_study(arms={"dynamic": "dynamic"}, rounds=1, texts=4, writers=4)
    keys = ["a", "b", "c", "d"]
    examples = study.examples.assign(
        key=keys,
        writer=["u", "v", "w", "x"],
        state=["accepted", "accepted", "rejected", "flagged"],
        fooled=np.array([True, False, True, False]),
        tries=[2, 3, 1, 3],
        seconds=[60.0, 90.0, 30.0, 120.0],
        cost=[50.0, 40.0, 10.0, 10.0],
        label="entailment",
    )
    votes = [
        {
            "example": key,
            "arm": "dynamic",
            "round": 1,
            "validator": validator,
            "label": label,
            "flagged": label == "",
            "seconds": 15.0,
            "cost": 5.0,
            "voted_at": study.examples["submitted_at"].iloc[0],
        }
        for key, labels in zip(keys, ("ee", "ee", "nn", "e "), strict=True)
        for validator, label in zip(
            "pq", ({"e": "entailment", "n": "not_entailment", " ": ""}[each] for each in labels), strict=True
        )
    ]
    first = study.attempts.iloc[0].to_dict()
    attempts = [
        first | {"key": f"{key}{index}", "example": key if index == tries else "", "writer": writer, "index": index}
        for key, writer, tries in zip(keys, "uvwx", (2, 3, 1, 3), strict=True)
        for index in range(1, tries + 1)
    ]
    return dataclasses.replace(
        study, examples=examples, votes=table("votes", votes), attempts=table("attempts", attempts)
    )


def test_figures_of_collecting_are_those_counted_by_hand() -> None:
    section = collecting.section(_by_hand(), Options(), afresh)
    (outcomes,) = _rows(section, "collection-outcomes")
    assert (outcomes["writers"], outcomes["collected"]) == (4, 4)
    assert [_figure(outcomes[name]).value for name in ("accepted", "rejected", "flagged", "pending")] == [
        0.5,
        0.25,
        0.25,
        0,
    ]
    (fooling,) = _rows(section, "collection-fooling-by-round")
    assert (_figure(fooling["mer"]).value, _figure(fooling["vmer"]).value) == (0.5, 0.25)
    assert _figure(fooling["vmer_wilson"]) == share(1, 4)
    assert "fewer than 5 writers" in _figure(fooling["vmer"]).limit
    # Nine texts were put forward for the one that succeeded, which itself took two.
    assert _figure(fooling["tries_spent"]).value == pytest.approx(9)
    assert _figure(fooling["tries_of_fooling"]).value == 2
    (spent,) = _rows(section, "collection-spending")
    assert (spent["writing_hours"], spent["voting_hours"]) == pytest.approx((300 / 3600, 120 / 3600))
    assert _figure(spent["seconds_per_accepted"]).value == pytest.approx(210)
    assert _figure(spent["seconds_per_validated"]).value == pytest.approx(420)
    assert _figure(spent["cost_per_validated"]).value == pytest.approx(150)


def _open_round() -> tuple[Study, Study]:
    """A study whose last round is still being validated, and the same without the texts that wait."""
    study = collected_study(rounds=4, texts=80, writers=6, wrong=0.0, votes=1)
    waits = (study.examples["round"] == 4) & (np.arange(len(study.examples)) % 3 > 0)
    examples = study.examples.assign(state=study.examples["state"].mask(waits, "pending"))
    return dataclasses.replace(study, examples=examples), dataclasses.replace(study, examples=examples[~waits])


def test_texts_that_are_not_decided_are_no_failures_of_the_writers() -> None:
    waiting, decided = _open_round()
    sections = [
        (collecting.section(item, Options(), afresh), writers.section(item, Options(), afresh))
        for item in (waiting, decided)
    ]
    (fooling, effects), (expected_fooling, expected_effects) = sections
    for name in ("collection-fooling", "collection-fooling-by-round"):
        for row, expected in zip(_rows(fooling, name), _rows(expected_fooling, name), strict=True):
            assert [row[column] for column in ("vmer", "vmer_wilson")] == [
                expected[column] for column in ("vmer", "vmer_wilson")
            ]
    shown = _rows(fooling, "collection-fooling")[1]
    assert _figure(shown["mer"]).n == shown["judged"] == 320
    assert _figure(shown["vmer"]).n < 320
    assert _rows(fooling, "collection-trends") == _rows(expected_fooling, "collection-trends")
    for row, expected in zip(
        _rows(effects, "writers-effects"), _rows(expected_effects, "writers-effects"), strict=True
    ):
        # What waits was written all the same: it is practice for what came after.
        assert _figure(row.pop("practice")).n == _figure(expected.pop("practice")).n
        assert row == expected
    people, expected_people = (
        {(row["arm"], row["writer"]): row for row in _rows(item, "writers-people")}
        for item in (effects, expected_effects)
    )
    for key, row in people.items():
        for column in ("accepted", "judged", "vmer", "standing", "arm_vmer", "usual_low", "usual_high"):
            assert row.get(column) == expected_people[key].get(column)


def _tables(study: Study) -> dict[tuple[str, str, object], dict[str, Cell]]:
    """The rows of what was collected, by table, arm and round."""
    section = collecting.section(study, Options(), afresh)
    return {(each.id, str(row["arm"]), row.get("round")): dict(row) for each in section.tables for row in each.rows}


def test_what_a_text_took_is_counted_over_decided_texts_and_totals_over_all() -> None:
    waiting, decided = map(_tables, _open_round())
    for place, row in waiting.items():
        if not place[0].startswith("collection-spending"):
            continue
        expected = decided[place]
        for name in ("accepted", "validated", "seconds_per_accepted", "cost_per_accepted"):
            assert row[name] == expected[name], (place, name)
        for name in ("seconds_per_validated", "cost_per_validated"):
            assert row[name] == expected[name], (place, name)
        if place[2] in (None, 4):
            for name in ("writing_hours", "voting_hours", "cost"):
                assert float(str(row[name])) > float(str(expected[name]))


def test_tries_spent_are_those_of_rounds_whose_texts_are_all_decided() -> None:
    waiting, _ = _open_round()
    closed = dataclasses.replace(
        waiting,
        examples=waiting.examples[waiting.examples["round"] < 4],
        attempts=waiting.attempts[waiting.attempts["round"] < 4],
    )
    found, expected = _tables(waiting), _tables(closed)
    for arm in ("static", "dynamic"):
        total, without = (_figure(each["collection-fooling", arm, None]["tries_spent"]) for each in (found, expected))
        assert dataclasses.replace(total, limit="") == without
        assert total.limit == "without rounds that have undecided texts"
        in_round = _figure(found["collection-fooling-by-round", arm, 4]["tries_spent"])
        assert in_round.value is None
        assert in_round.limit == "not enough data: its texts are not all decided yet"
        third = "collection-fooling-by-round", arm, 3
        assert found[third] == expected[third]


def test_a_round_of_which_nothing_is_decided_leaves_an_arm_comparable_with_others() -> None:
    study = collected_study(arms={"dynamic": "dynamic"}, rounds=2, texts=80)
    waits = study.examples["state"].mask(study.examples["round"] == 2, "pending")
    found = _tables(dataclasses.replace(study, examples=study.examples.assign(state=waits)))
    for name in ("seconds_per_accepted", "cost_per_accepted", "seconds_per_validated", "cost_per_validated"):
        total, first = "collection-spending", "collection-spending-by-round"
        assert found[total, "dynamic", None][name] == found[first, "dynamic", 1][name]
    total, first = "collection-fooling", "collection-fooling-by-round"
    tries = _figure(found[total, "dynamic", None]["tries_spent"])
    assert dataclasses.replace(tries, limit="") == found[first, "dynamic", 1]["tries_spent"]


def test_a_limit_says_of_which_rounds_tries_spent_are_not_told() -> None:
    waiting, decided = _open_round()
    told = (
        "Time and cost per accepted, or validated fooling, text are of the decided ones; totals are of all.",
        "Tries spent per validated fooling text leave out rounds with undecided texts: 4 of static; 4 of dynamic.",
    )
    found, without = (collecting.section(each, Options(), afresh).limits for each in (waiting, decided))
    assert set(told) <= set(found)
    assert not set(told) & set(without)


def test_attempts_of_a_round_without_texts_count_for_no_other() -> None:
    study = collected_study(rounds=1)
    early = study.attempts[study.attempts["arm"] == "static"].assign(example="")
    ahead = pd.concat([study.attempts, *(early.assign(round=number) for number in (2, 3, 4))], ignore_index=True)
    before, after = (
        collecting.section(each, Options(), afresh) for each in (study, dataclasses.replace(study, attempts=ahead))
    )
    for name in ("collection-fooling-by-round", "collection-fooling"):
        assert _rows(after, name) == _rows(before, name)


def test_how_many_texts_wait_for_a_decision_is_told() -> None:
    waiting, decided = _open_round()
    many = int((waiting.examples["state"] == "pending").sum())
    told = f"{many} texts are not decided yet; vMER, its trends and comparisons of writers leave them out."
    for build in (collecting.section, writers.section):
        assert told in build(waiting, Options(), afresh).limits
        assert not any("not decided" in limit for limit in build(decided, Options(), afresh).limits)


def test_an_arm_without_a_model_has_no_fooling_and_yet_a_price() -> None:
    section = collecting.section(STUDIES["usual"], Options(), afresh)
    fooling = next(row for row in _rows(section, "collection-fooling") if row["arm"] == "plain")
    spending = next(row for row in _rows(section, "collection-spending") if row["arm"] == "plain")
    for name in ("mer", "vmer", "tries_spent", "tries_of_fooling"):
        assert (_figure(fooling[name]).value, _figure(fooling[name]).limit) == (None, "no model shown")
    assert _figure(spending["seconds_per_validated"]).limit == "no model shown"
    assert _figure(spending["seconds_per_accepted"]).value is not None
    assert any("plain" in limit for limit in section.limits)


def test_with_enough_writers_intervals_are_clustered_and_wilsons_stand_beside_them() -> None:
    section = collecting.section(collected_study(writers=12, texts=120, seed=3), Options(), afresh)
    row = _rows(section, "collection-fooling")[1]
    clustered, independent = _figure(row["vmer"]), _figure(row["vmer_wilson"])
    assert "writer" in clustered.method
    assert clustered.value == independent.value
    assert (clustered.high or 0) - (clustered.low or 0) > (independent.high or 0) - (independent.low or 0)


def test_unknown_times_are_told_and_do_not_pass_for_none() -> None:
    section = collecting.section(STUDIES["some unknown"], Options(), afresh)
    row = _rows(section, "collection-spending")[0]
    assert row["writing_hours"] is None
    assert _figure(row["seconds_per_accepted"]).value is None
    assert _figure(row["cost_per_accepted"]).value is not None
    assert any("time of writing" in limit for limit in section.limits)
    assert any("no verdict" in limit for limit in section.limits)


def test_a_rise_in_fooling_is_found_and_chance_is_not_taken_for_one() -> None:
    study = collected_study(arms={"dynamic": "dynamic"}, rounds=5, texts=200, writers=10, wrong=0.0)
    random = np.random.default_rng(6)
    risen = study.examples["round"].to_numpy() * 0.15 > random.random(len(study.examples))
    rising = collecting.section(
        dataclasses.replace(study, examples=study.examples.assign(fooled=risen)), Options(), afresh
    )
    assert any("more frequent" in finding and "percentage points" in finding for finding in rising.findings)
    flat_one = collecting.section(
        dataclasses.replace(study, examples=study.examples.assign(fooled=np.arange(1000) % 5 < 2)), Options(), afresh
    )
    assert any("cannot tell whether validated fooling" in finding for finding in flat_one.findings)


@pytest.mark.parametrize(("times", "said"), [(40.0, "40.0 seconds"), (90.0, "1.5 minutes")])
def test_what_a_text_took_is_told_in_a_unit_that_shows_it(times: float, said: str) -> None:
    study = collected_study(arms={"dynamic": "dynamic"}, rounds=2, texts=20, writers=4, wrong=0.0)
    timed = dataclasses.replace(
        study, examples=study.examples.assign(seconds=times, state="accepted"), votes=study.votes.assign(seconds=0.0)
    )
    told = [item for item in collecting.section(timed, Options(), afresh).findings if "of writing and" in item]
    assert said in told[0]


def test_writers_are_listed_with_what_they_did_and_who_stands_out_is_marked() -> None:
    study = collected_study(arms={"dynamic": "dynamic"}, rounds=2, texts=150, writers=6, wrong=0.0)
    best = study.examples["writer"] == study.examples["writer"].iloc[0]
    section = writers.section(
        dataclasses.replace(study, examples=study.examples.assign(fooled=best)), Options(), afresh
    )
    people = _rows(section, "writers-people")
    assert sum(int(str(row["texts"])) for row in people) == 300
    assert people == sorted(people, key=lambda row: -int(str(row["texts"])))
    standing = {str(row["writer"]): row["standing"] for row in people}
    assert standing.pop(str(study.examples["writer"].iloc[0])) == writers.MORE
    assert set(standing.values()) == {writers.LESS}
    (effects,) = _rows(section, "writers-effects")
    assert effects["lowest_without"] == study.examples["writer"].iloc[0]
    assert _figure(effects["lowest"]).value == 0


def test_one_writer_is_told_and_nothing_is_left_out() -> None:
    section = writers.section(STUDIES["one writer"], Options(), afresh)
    assert any("one writer" in limit for limit in section.limits)
    row = _rows(section, "writers-effects")[1]
    assert _figure(row["fooling_icc"]).value is None
    assert _figure(row["lowest"]).value is None


def test_figures_of_agreement_are_those_counted_by_hand_and_flags_stand_by_themselves() -> None:
    section = validators.section(_by_hand(), Options(), afresh)
    (total,) = _rows(section, "agreement-total")
    assert (total["texts"], total["votes"]) == (4, 7)
    assert _figure(total["flagged"]).value == pytest.approx(1 / 8)
    assert _figure(total["with_writer"]).value == pytest.approx(5 / 7)
    assert (_figure(total["pairwise"]).n, _figure(total["pairwise"]).value) == (3, 1)
    assert _figure(total["alpha"]).value == 1
    first, second = _rows(section, "agreement-validators")
    assert (first["validator"], first["votes"], _figure(first["flagged"]).value) == ("p", 4, 0)
    assert _figure(second["flagged"]).value == pytest.approx(0.25)
    assert _figure(first["others"]).n == 3
    assert _figure(first["seconds"]).value == 15


def test_votes_on_texts_taken_back_are_not_held_against_the_writer() -> None:
    study = STUDIES["usual"]
    fewer = dataclasses.replace(study, examples=study.examples[study.examples["round"] > 1])
    section = validators.section(fewer, Options(), afresh)
    first = next(row for row in _rows(section, "agreement-by-round") if row["round"] == 1)
    assert _figure(first["with_writer"]).n == 0
    assert any("taken back" in limit for limit in section.limits)


def test_votes_without_any_text_that_is_left_are_counted_and_warn_of_nothing() -> None:
    study = collected_study(rounds=1, texts=5)
    without = dataclasses.replace(study, examples=table("examples", []), attempts=table("attempts", []))
    section = validators.section(without, Options(), afresh)
    assert _rows(section, "agreement-total")[-1]["votes"] == int((~study.votes["flagged"]).sum())
    assert any("30 votes are on texts that were taken back" in limit for limit in section.limits)


@pytest.mark.parametrize("name", ["all fooled", "none fooled"])
def test_where_all_texts_are_alike_nobody_is_named_as_who_the_figure_hangs_on(name: str) -> None:
    for row in _rows(writers.section(STUDIES[name], Options(), afresh), "writers-effects")[1:]:
        assert row["lowest_without"] is None
        assert row["highest_without"] is None
        for end in ("lowest", "highest"):
            assert _figure(row[end]).value == _figure(row["vmer"]).value
            assert "no writer's absence changes it" in _figure(row[end]).limit
        assert _figure(row["practice"]).limit == "not enough data: all texts had the same outcome"


def test_nobody_is_named_where_several_writers_would_change_the_figure_as_much() -> None:
    study = collected_study(arms={"dynamic": "dynamic"}, rounds=1, texts=6)
    tied = study.examples.assign(
        writer=["u", "u", "v", "v", "w", "w"], state="accepted", fooled=[True, False, True, False, False, False]
    )
    (row,) = _rows(writers.section(dataclasses.replace(study, examples=tied), Options(), afresh), "writers-effects")
    assert (_figure(row["lowest"]).value, row["lowest_without"]) == (0.25, None)
    assert "several writers' absence gives the same" in _figure(row["lowest"]).limit
    assert (_figure(row["highest"]).value, row["highest_without"]) == (0.5, "w")
    assert "absence" not in _figure(row["highest"]).limit


def test_writers_who_differ_less_than_by_chance_are_not_told_apart() -> None:
    study = collected_study(arms={"dynamic": "dynamic"}, rounds=1, texts=80)
    even = study.examples.assign(
        writer=[f"w{index % 4}" for index in range(80)], state="accepted", fooled=[index % 8 < 4 for index in range(80)]
    )
    section = writers.section(dataclasses.replace(study, examples=even), Options(), afresh)
    (row,) = _rows(section, "writers-effects")
    part = _figure(row["fooling_icc"])
    assert (part.value, part.low) == (0, None)
    assert "We cannot tell whether writers of dynamic differ in how often they fool the model." in section.findings
