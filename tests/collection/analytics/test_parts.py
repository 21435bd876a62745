"""What sections of a report have in common is worked out once a study."""

from __future__ import annotations

import dataclasses

from collection.analytics.parts import shared
from collection.analytics.study import Study
from tests.collection.analytics.studies_collecting import collected_study


def test_what_sections_share_is_made_once_for_each_study() -> None:
    made: list[Study] = []

    @shared
    def rows(study: Study) -> int:
        made.append(study)
        return len(study.examples)

    study = collected_study(rounds=1, texts=5)
    shorter = dataclasses.replace(study, examples=study.examples.iloc[:4])
    assert [rows(study), rows(shorter), rows(study)] == [15, 4, 15]
    assert made == [study, shorter]
