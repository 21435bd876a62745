"""What came of an experiment, as Markdown tables: collection a round, and every model version on every test set."""

from __future__ import annotations

from collections.abc import Sequence

from django.db.models import Count, Q

from collection.analytics.metrics import Accuracy, Estimate, accuracy, share
from collection.models import Arm, Evaluation, Example, Experiment, Round, TestSet
from collection.states import ExampleState


def tables(experiment: Experiment) -> str:
    """All tables of one experiment."""
    parts = [_collection(experiment)]
    parts += [_test_set(experiment, item) for item in experiment.test_sets.order_by("pk")]
    return "\n\n".join(parts)


def _collection(experiment: Experiment) -> str:
    lines = [
        f"### {experiment.name}: collection",
        "",
        "| arm | round | state | accepted | collected | attempts | MER | vMER | collecting, s | training, s |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for round_ in _rounds(experiment):
        collected = Example.objects.filter(round=round_).exclude(state=ExampleState.RETRACTED)
        counts = collected.aggregate(
            collected=Count("pk"),
            accepted=Count("pk", filter=Q(state=ExampleState.ACCEPTED)),
            fooled=Count("pk", filter=Q(attempt__fooled=True)),
            validated=Count("pk", filter=Q(attempt__fooled=True, state=ExampleState.ACCEPTED)),
        )
        attempts = round_.assignments.aggregate(n=Count("attempts"))["n"]
        shown = round_.arm.shows_model
        mer = _percent(share(counts["fooled"], counts["collected"])) if shown else "no model shown"
        vmer = _percent(share(counts["validated"], counts["collected"])) if shown else "no model shown"
        collecting = _seconds((round_.closed_at - round_.opened_at).total_seconds() if round_.closed_at else None)
        version = round_.trained_version
        training = _seconds(version.metrics.get("train_seconds") if version else None)
        lines.append(
            f"| {round_.arm.slug} | {round_.number} | {round_.state} | {counts['accepted']} | {counts['collected']} | "
            f"{attempts} | {mer} | {vmer} | {collecting} | {training} |"
        )
    return "\n".join(lines)


def _test_set(experiment: Experiment, test_set: TestSet) -> str:
    items = list(test_set.items.order_by("index").values_list("texts", "label"))
    names = experiment.task.schema.label_names
    gold = [names.index(label) for _, label in items]
    clusters = [texts[0] for texts, _ in items]
    shares = " | ".join(f"predicted {name}" for name in names)
    lines = [
        f"### {experiment.name}: test set {test_set.name}, {test_set.get_kind_display()}, n = {test_set.rows}",
        "",
        f"| arm | trained on rounds | examples | accuracy | balanced accuracy | majority | {shares} |",
        "| --- | --- | --- | --- | --- | --- |" + " --- |" * len(names),
    ]
    scored = {
        item.model_version_id: accuracy(gold, item.predicted, clusters, len(names))
        for item in Evaluation.objects.filter(test_set=test_set, model_version__in=_versions(experiment))
    }
    if experiment.base_version_id in scored:
        lines.append(_line("(base)", "none", 0, scored[experiment.base_version_id]))
    for round_ in _rounds(experiment):
        if round_.trained_version is not None and round_.trained_version_id in scored:
            rows = round_.trained_version.data_rows
            lines.append(_line(round_.arm.slug, f"1–{round_.number}", rows, scored[round_.trained_version_id]))
    return "\n".join(lines)


def _line(arm: str, trained_on: str, rows: int, scored: Accuracy) -> str:
    shares = " | ".join(f"{100 * value:.1f}%" for value in scored.predicted_shares)
    return (
        f"| {arm} | {trained_on} | {rows} | {_percent(scored.accuracy)} | {_percent(scored.balanced)} | "
        f"{100 * scored.majority:.1f}% | {shares} |"
    )


def _rounds(experiment: Experiment) -> Sequence[Round]:
    arms: Sequence[Arm] = list(experiment.arms.all())
    found = Round.objects.filter(arm__in=arms).select_related("arm", "trained_version")
    return list(found.order_by("arm__position", "number"))


def _versions(experiment: Experiment) -> list[int]:
    trained = [round_.trained_version_id for round_ in _rounds(experiment)]
    return [pk for pk in (experiment.base_version_id, *trained) if pk is not None]


def _percent(estimate: Estimate) -> str:
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return "no data"
    return f"{100 * estimate.value:.1f}% [{100 * estimate.low:.1f}, {100 * estimate.high:.1f}]"


def _seconds(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"
