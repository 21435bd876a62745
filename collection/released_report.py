"""The report inside a release, in which people are called as in the release. For workers: it draws and typesets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from annotators.enrolment import enrolled_people
from annotators.models import Annotator
from collection import reports
from collection.analytics.drawing import draw
from collection.analytics.naming import named, names_people, renamed
from collection.analytics.sections import Section
from collection.analytics.typesetting import typeset
from collection.export.making import plain_json
from collection.export.people import People
from collection.models import Experiment, Report, Validation
from collection.printing import html_of, plain_of
from collection.pseudonyms import pseudonym_of


def report_files(experiment: Experiment, people: People) -> Mapping[str, bytes]:
    """The standing report of an experiment, by file name; nothing if there is none.

    Reports name people by the study's pseudonyms, which pages show too: by them two releases could be joined.
    """
    standing = Report.objects.filter(experiment=experiment, document__isnull=False).first()
    if standing is None:
        return {}
    stored, pictures = reports.stored(standing)
    sections = renamed(stored, _names(experiment, people, stored))
    for section in sections:
        for chart in section.charts:
            # Its points are in the order of the table's rows.
            if names_people(section.table(chart.table)):
                pictures[section.id, chart.id] = draw(section, chart).svg
    colophon = standing.colophon
    return {
        "report.json": plain_json(plain_of(experiment.slug, sections, colophon)),
        "report.html": html_of(experiment.name, sections, pictures, colophon).encode(),
        "report.pdf": typeset(experiment.name, sections, pictures, colophon),
    }


def _names(experiment: Experiment, people: People, sections: Sequence[Section]) -> dict[str, str]:
    """What everybody is called in a release, by the pseudonym in the study.

    Whom it does not lead to anybody (erased since the report was computed), or to two, is "writer" and a number.
    """
    voters = Validation.objects.filter(example__arm__experiment=experiment).values("annotator")
    keys = dict(enrolled_people(experiment.key)) | dict(
        Annotator.objects.filter(pk__in=voters).values_list("pk", "key")
    )
    met = people.meet(keys)
    called: dict[str, list[str]] = {}
    for number, key in keys.items():
        called.setdefault(pseudonym_of(experiment.key, key), []).append(met[number].pseudonym)
    names = {name: found[0] for name, found in called.items() if len(found) == 1}
    nobody = sorted(named(sections) - names.keys(), key=lambda name: people.salted(name.encode()))
    return names | {name: f"writer {number}" for number, name in enumerate(nobody, start=1)}
