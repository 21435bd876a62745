"""What is trained and scored beside the loop, and the report that is made of it all."""

from __future__ import annotations

from django.db import models

from collection.models.studies import Experiment, Round
from collection.states import MOVES, ReportState
from lifecycle.models import Movable
from modelserver.models import ModelVersion, TrainingRun


class CurveVersion(models.Model):
    """A version for the learning curve, on equally many examples in every arm; nobody plays against it.

    ``index`` counts the training seeds from 0. ``version`` is empty until ``run`` has made it; there is no run where
    the round's own version is the very same.
    """

    round = models.ForeignKey(Round, on_delete=models.PROTECT, related_name="curve_versions")
    index = models.PositiveIntegerField()
    seed = models.BigIntegerField()
    data_sha256 = models.CharField(max_length=64)
    rows = models.PositiveIntegerField()
    run = models.ForeignKey(TrainingRun, null=True, blank=True, on_delete=models.PROTECT, related_name="+")
    version = models.ForeignKey(ModelVersion, null=True, blank=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["round", "index"], name="one_curve_version_a_seed")]

    def __str__(self) -> str:
        return f"{self.round}, seed {self.index}"


class RoundScore(models.Model):
    """A version on the accepted examples of a round: ``examples`` are their keys, ``predicted`` a label index each."""

    model_version = models.ForeignKey(ModelVersion, on_delete=models.PROTECT, related_name="round_scores")
    round = models.ForeignKey(Round, on_delete=models.PROTECT, related_name="scores")
    run = models.ForeignKey(TrainingRun, on_delete=models.PROTECT, related_name="round_scores")
    examples = models.JSONField()
    predicted = models.JSONField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["model_version", "round"], name="one_score_a_round")]

    def __str__(self) -> str:
        return f"{self.model_version} on {self.round}"


class Report(Movable):
    """The report on an experiment, as it was last computed; ``made_of`` is the digest of what it was computed from.

    ``owner`` is the token of the worker that computes it: whoever lost it can store nothing.
    """

    MOVES = MOVES["report"]

    experiment = models.OneToOneField(Experiment, on_delete=models.PROTECT, related_name="report")
    state = models.CharField(
        max_length=20, default=ReportState.DUE, choices=[(state.value, state.value) for state in ReportState]
    )
    problem = models.TextField(blank=True)
    made_of = models.CharField(max_length=64, blank=True)
    owner = models.UUIDField(null=True, blank=True)
    heartbeat_at = models.DateTimeField(null=True, blank=True)
    computed_at = models.DateTimeField(null=True, blank=True)
    seconds = models.FloatField(null=True, blank=True)
    # Settings and versions of what computed it.
    colophon = models.JSONField(default=dict, blank=True)

    def __str__(self) -> str:
        return f"report on {self.experiment}"


class ReportSection(models.Model):
    """A section of a report, as analytics.sections.Section.to_plain gives it."""

    report = models.ForeignKey(Report, on_delete=models.CASCADE, related_name="sections")
    position = models.PositiveIntegerField()
    slug = models.SlugField(max_length=60)
    title = models.CharField(max_length=200)
    content = models.JSONField()

    class Meta:
        ordering = ["position"]
        constraints = [models.UniqueConstraint(fields=["report", "slug"], name="one_section_a_slug")]

    def __str__(self) -> str:
        return f"{self.title} of {self.report}"


class ReportChart(models.Model):
    """A chart of a section, drawn."""

    section = models.ForeignKey(ReportSection, on_delete=models.CASCADE, related_name="charts")
    slug = models.SlugField(max_length=100)
    svg = models.TextField()
    png = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["section", "slug"], name="one_chart_a_slug")]

    def __str__(self) -> str:
        return self.slug


class ReportDocument(models.Model):
    """A report, printed."""

    report = models.OneToOneField(Report, on_delete=models.CASCADE, related_name="document")
    pdf = models.BinaryField()

    def __str__(self) -> str:
        return str(self.report)


class ReportPart(models.Model):
    """A part of a report that stays as it is while what it is made of does (see analytics.parts)."""

    report = models.ForeignKey(Report, on_delete=models.CASCADE, related_name="parts")
    name = models.CharField(max_length=60)
    key = models.CharField(max_length=64)
    content = models.JSONField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["report", "name", "key"], name="one_part_a_key")]

    def __str__(self) -> str:
        return self.name
