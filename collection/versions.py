"""Model versions of an experiment: where they come from, what they score, and asking one for a text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count, Q, QuerySet
from django.utils.translation import gettext as _

from collection.analytics.metrics import Estimate, share
from collection.errors import Conflict, Invalid, NothingToDo, NotYours
from collection.models import Evaluation, Example, Experiment, ImportedVersion, Round, TestSet
from collection.states import ExampleState
from modelserver.client import ModelServerError, PredictsText, Rejected
from modelserver.models import ModelVersion, TrainingRun
from modelserver.wire import Prediction, TextInput


@dataclass(frozen=True)
class Score:
    """A version on a test set: accuracy with Wilson's 95% interval, and balanced accuracy, shares of 1."""

    test_set: TestSet
    accuracy: Estimate
    balanced_accuracy: float


@dataclass(frozen=True)
class Lineage:
    """Where a version comes from and what came of it, within one experiment.

    ``round`` trained it, and ``examples`` had been accepted in its arm until then, of which ``version.data_rows``
    were trained on; both are None for the base version. ``run`` is the job that made it, None for a version that none
    has. ``children`` were trained from it, ``played_in`` are the rounds that are played against it.
    """

    version: ModelVersion
    round: Round | None
    run: TrainingRun | None
    examples: int | None
    scores: tuple[Score, ...]
    children: tuple[ModelVersion, ...]
    played_in: tuple[Round, ...]


def versions_of(experiment: Experiment) -> QuerySet[ModelVersion]:
    """The base version and every version that a round of the experiment has trained."""
    trained = Round.objects.filter(arm__experiment=experiment).values("trained_version")
    wanted = Q(pk=experiment.base_version_id) | Q(pk__in=trained)
    return ModelVersion.objects.filter(wanted).select_related("parent").order_by("pk")


def one_of(experiment: Experiment, name: str, version: int) -> ModelVersion:
    """A version of the experiment. Raises NotYours."""
    # A database's whole numbers end somewhere.
    found = versions_of(experiment).filter(name=name, version=version).first() if version < 2**31 else None
    if found is None:
        raise NotYours("version")
    return found


def lineages(experiment: Experiment) -> list[Lineage]:
    """Every version of the experiment: the base version, then arm by arm and round by round."""
    versions = list(versions_of(experiment))
    rounds = list(Round.objects.filter(arm__experiment=experiment).select_related("arm").order_by("arm", "number"))
    # Runs hold a prediction for every row of every test set.
    made = TrainingRun.objects.filter(model_version__in=versions, spec__kind__in=("import", "train")).defer("scores")
    trained = {item.trained_version_id: item for item in rounds}
    runs = {item.model_version_id: item for item in made}
    examples, scores = _examples(experiment, rounds), _scores(experiment, versions)
    played: defaultdict[int | None, list[Round]] = defaultdict(list)
    for item in rounds:
        played[item.model_version_id].append(item)
    children: defaultdict[int | None, list[ModelVersion]] = defaultdict(list)
    for version in versions:
        children[version.parent_id].append(version)
    found = [
        Lineage(
            version,
            trained.get(version.pk),
            runs.get(version.pk),
            examples[trained[version.pk].pk] if version.pk in trained else None,
            tuple(scores[version.pk]),
            tuple(children[version.pk]),
            tuple(played[version.pk]),
        )
        for version in versions
    ]
    return sorted(found, key=lambda item: (item.round.arm.position, item.round.number) if item.round else (-1, 0))


def lineage_of(experiment: Experiment, name: str, version: int) -> Lineage:
    """The same for one version. Raises NotYours."""
    wanted = one_of(experiment, name, version)
    return next(item for item in lineages(experiment) if item.version == wanted)


def check_weights(version: ModelVersion) -> None:
    """Raises Conflict for a version that came with a release: its weights are not on this site."""
    if ImportedVersion.objects.filter(version=version).exists():
        raise Conflict("no_weights", f"{version} came with a release; its weights are not on this site.")


def predict(version: ModelVersion, inputs: Sequence[TextInput], field: str, client: PredictsText) -> list[Prediction]:
    """What a version says of each input, in order. Nothing is stored.

    Raises Invalid naming ``field`` for a text that the version cannot read, Conflict for a version that came without
    its weights, and NothingToDo while no server answers for the version.
    """
    check_weights(version)
    try:
        return client.predict(version.ref, version.labels, inputs)
    except Rejected as error:
        if error.is_input:
            message = _("The model cannot read this: %(reason)s") % {"reason": error}
            raise Invalid(field, message, "unreadable") from None
        raise NothingToDo("no_model", _("The model server does not have this version.")) from None
    except ModelServerError:
        raise NothingToDo("no_model", _("The model does not answer right now. Please try again.")) from None


def _examples(experiment: Experiment, rounds: Sequence[Round]) -> dict[int, int]:
    """How many examples an arm had accepted by the end of each round; by the round's key."""
    accepted = Example.objects.filter(arm__experiment=experiment, state=ExampleState.ACCEPTED)
    counts = dict(accepted.values_list("round").annotate(count=Count("pk")).order_by())
    so_far: defaultdict[int, int] = defaultdict(int)
    found = {}
    for item in rounds:
        so_far[item.arm_id] += counts.get(item.pk, 0)
        found[item.pk] = so_far[item.arm_id]
    return found


def _scores(experiment: Experiment, versions: Sequence[ModelVersion]) -> defaultdict[int, list[Score]]:
    found: defaultdict[int, list[Score]] = defaultdict(list)
    wanted = Evaluation.objects.filter(model_version__in=versions, test_set__in=experiment.test_sets.all())
    for item in wanted.select_related("test_set").defer("predicted", "confidence").order_by("test_set"):
        accuracy = share(round(item.accuracy * item.rows), item.rows)
        found[item.model_version_id].append(Score(item.test_set, accuracy, item.balanced_accuracy))
    return found
