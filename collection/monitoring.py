"""How the rounds of an experiment stand, in figures, and why one does not move, in words. For researchers."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from django.conf import settings
from django.db.models import Avg, Count, F, FilteredRelation, Max, Min, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.utils import timezone

from annotators.enrolment import enrolled_by_group
from collection.analytics.metrics import Estimate, share
from collection.models import Arm, Assignment, Attempt, Example, Experiment, Round, TestSet, Validation
from collection.states import (
    AssignmentState,
    AttemptState,
    ExampleState,
    ExperimentState,
    RoundState,
    ValidationState,
)
from lifecycle.signs import last_signs
from modelserver import runs
from modelserver.models import TrainingRun
from modelserver.states import RunState

# Examples of a round that collects no more can still leave these states, and no other.
_UNDECIDED = (ExampleState.PENDING, ExampleState.FLAGGED)
_KEPT = 10_000


@dataclass(frozen=True)
class RoundFigures:
    """The figures of a round. What its writer took back was never collected.

    ``mer`` is fooled / collected, ``vmer`` validated and fooled / collected, each with Wilson's 95% interval; None
    where no model is shown, as is the rest. ``tries`` is the mean number of texts up to and with the one that fooled
    the model, over all that did ("tries" of Nie et al. 2020, "Adversarial NLI", where only verified ones count).
    ``minutes`` is the median time from claim to submission, over validated fooling examples; both are None without any.
    """

    accepted: int = 0
    pending: int = 0
    flagged: int = 0
    rejected: int = 0
    collected: int = 0
    mer: Estimate | None = None
    vmer: Estimate | None = None
    tries: float | None = None
    minutes: float | None = None


# Figures of rounds that collect no more, counted once a process. Every change of such a round takes an example out of
# a state that it never comes back to, pending or flagged: while these two counts stand, so does all the rest.
_Version = tuple[uuid.UUID, int, int, int]
_kept: dict[_Version, RoundFigures] = {}


def round_statistics(experiment: Experiment) -> list[tuple[Arm, list[tuple[Round, RoundFigures]]]]:
    """Each arm with its rounds so far and their figures, in four queries.

    Rounds that collect no more are counted once a process and then remembered, so that the figures of an experiment
    cost what its open rounds cost.
    """
    arms = list(experiment.arms.all())
    by_number = {arm.pk: arm for arm in arms}
    rounds = list(
        Round.objects.filter(arm__in=arms)
        .select_related("model_version", "training_run", "trained_version")
        # Large, and nothing that is shown.
        .defer("training_run__scores", "training_run__spec")
        .annotate(**{f"left_{state}": _number(state) for state in _UNDECIDED})
        .order_by("number")
    )
    over: dict[int, Any] = {item.pk: item for item in rounds if item.state != RoundState.OPEN}
    known: dict[int, RoundFigures] = {}
    for pk, item in over.items():
        figures = _kept.get((experiment.key, pk, item.left_pending, item.left_flagged))
        if figures is not None:
            known[pk] = figures
    # An arm that shows no model has no verdicts, and so no shares of them.
    shown = {item.pk: by_number[item.arm_id].shows_model for item in rounds}
    counted = _count({pk: shows for pk, shows in shown.items() if pk not in known})
    for pk in over.keys() & counted.keys():
        if len(_kept) >= _KEPT:
            _kept.clear()
        _kept[experiment.key, pk, counted[pk].pending, counted[pk].flagged] = counted[pk]
    found = known | counted
    lists: dict[int, list[tuple[Round, RoundFigures]]] = defaultdict(list)
    for item in rounds:
        item.arm = by_number[item.arm_id]
        lists[item.arm_id].append((item, found[item.pk]))
    return [(arm, lists[arm.pk]) for arm in arms]


def forget() -> None:
    """Count everything anew the next time: for benchmarks."""
    _kept.clear()


@dataclass(frozen=True)
class Surroundings:
    """What rounds wait for, read at ``now`` for a whole experiment at once; keys are rounds' numbers in the database.

    ``enrolled`` is people by arm's slug; ``pending`` the pending texts of an open round as (people who voted on it,
    of these votes those that do not count yet, people looking at it now). ``test_sets`` has each test set once for
    each of the experiment's versions that it has scored, as ``version``, ``accuracy``, ``scored_rows`` and
    ``balanced``, or once without a version. ``runs`` are the unfinished training runs of all experiments, ``signs``
    the last signs of workers and trainers.
    """

    experiment: Experiment
    now: dt.datetime
    test_sets: tuple[Any, ...]
    runs: tuple[TrainingRun, ...]
    signs: Mapping[str, dt.datetime]
    open: Mapping[int, Round] = field(default_factory=dict)
    enrolled: Mapping[str, int] = field(default_factory=dict)
    pending: Mapping[int, list[tuple[int, int, int]]] = field(default_factory=dict)

    @property
    def busy(self) -> int:
        """How many runs of all experiments have a live trainer."""
        late = self.now - dt.timedelta(seconds=settings.TRAINING_DEADLINE_SECONDS)
        return sum(item.heartbeat_at is not None and item.heartbeat_at >= late for item in self._in(RunState.RUNNING))

    @property
    def queued(self) -> int:
        """How many runs of all experiments wait for a trainer."""
        return len(self._in(RunState.QUEUED))

    def missing_scores(self, version: int) -> tuple[int, int]:
        """How many test sets a version has no score on yet, and how many there are."""
        sets = {item.pk for item in self.test_sets}
        return len(sets - {item.pk for item in self.test_sets if item.version == version}), len(sets)

    def _in(self, state: RunState) -> list[TrainingRun]:
        return [item for item in self.runs if item.state == state]


def surroundings(experiment: Experiment, rounds: Iterable[Round]) -> Surroundings:
    """What the words about these rounds of an experiment are made of, in at most six queries."""
    now, rounds = timezone.now(), list(rounds)
    versions = {experiment.base_version_id, *(item.trained_version_id for item in rounds)} - {None}
    unfinished = TrainingRun.objects.filter(state__in=(RunState.QUEUED, RunState.RUNNING)).order_by("pk")
    read: dict[str, Any] = {
        "test_sets": tuple(_scores(experiment, versions)),
        "runs": tuple(unfinished.defer("spec", "scores")),
        "signs": last_signs(),
    }
    collecting = [item.pk for item in rounds if item.state == RoundState.OPEN]
    if collecting:
        read |= {
            "open": _open(collecting, now).in_bulk(),
            "enrolled": enrolled_by_group(experiment.key),
            "pending": _pending(collecting, now),
        }
    return Surroundings(experiment, now, **read)


def why_not_moving(round_: Round, figures: RoundFigures, around: Surroundings) -> str:
    """Why a round does not move on, in words; empty for one that is done. Asks the database nothing.

    ``round_`` and ``figures`` as round_statistics gives them, ``around`` of surroundings. Times are UTC.
    """
    if round_.state == RoundState.OPEN:
        return _collecting(round_, figures, around)
    if round_.state == RoundState.CLOSED:
        every = f"{settings.RECONCILE_SECONDS:g} s"
        return f"has its quota; the worker's next reconcile (every {every}) stores the data and asks for the training"
    if round_.state == RoundState.TRAINING:
        return _training(round_.training_run, around)
    if round_.state == RoundState.EVALUATING:
        return _evaluating(round_, around)
    if round_.state == RoundState.FAILED:
        return f"failed: {round_.problem or 'no reason was recorded'}"
    if round_.state == RoundState.ENDED:
        return "ended early, with its experiment"
    return ""


def run_of(round_: Round, around: Surroundings) -> TrainingRun | None:
    """The run that trains a round's version or, once that is trained, scores it; None while there is none."""
    if round_.state == RoundState.EVALUATING:
        prefix = f"evaluate:{round_.trained_version}:"
        return next((item for item in around.runs if item.key.startswith(prefix)), None)
    return round_.training_run


def span(length: dt.timedelta) -> str:
    """A length of time in words, in its largest unit that makes two of it."""
    seconds = max(0, round(length.total_seconds()))
    for unit, name in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds // unit} {name}"
    return f"{seconds} s"


def _count(shows_model: Mapping[int, bool]) -> dict[int, RoundFigures]:
    """The figures of rounds, counted from their examples."""
    examples = Example.objects.filter(round__in=shows_model).order_by()
    fooled = Q(attempt__fooled=True) & ~Q(state=ExampleState.RETRACTED)
    states = [state for state in ExampleState if state != ExampleState.RETRACTED]
    counts: Any = examples.values("round").annotate(
        **{state.value: Count("pk", filter=Q(state=state)) for state in states},
        fooled=Count("pk", filter=fooled),
        validated=Count("pk", filter=fooled & Q(state=ExampleState.ACCEPTED)),
        tries=Avg("attempt__index", filter=fooled),
    )
    minutes: dict[int, list[float]] = defaultdict(list)
    validated = examples.filter(state=ExampleState.ACCEPTED, attempt__fooled=True)
    for pk, claimed, submitted in validated.values_list("round", "assignment__created_at", "submitted_at"):
        minutes[pk].append((submitted - claimed).total_seconds() / 60)
    found = {pk: RoundFigures(mer=_none(shows), vmer=_none(shows)) for pk, shows in shows_model.items()}
    for row in counts:
        pk = row["round"]
        by_state = {state.value: row[state.value] for state in states}
        collected = sum(by_state.values())
        found[pk] = RoundFigures(
            **by_state,
            collected=collected,
            mer=share(row["fooled"], collected) if shows_model[pk] else None,
            vmer=share(row["validated"], collected) if shows_model[pk] else None,
            tries=row["tries"],
            minutes=median(minutes[pk]) if minutes[pk] else None,
        )
    return found


def _number(state: ExampleState) -> Any:
    """How many examples of a round are in a state; as part of the query for the round."""
    examples = Example.objects.filter(round=OuterRef("pk"), state=state).order_by()
    return Coalesce(Subquery(examples.values("round").annotate(found=Count("pk")).values("found")), 0)


def _none(shows_model: bool) -> Estimate | None:
    return share(0, 0) if shows_model else None


def _scores(experiment: Experiment, versions: set[int | None]) -> QuerySet[TestSet]:
    """The test sets of an experiment, with the scores of these versions on them."""
    theirs = FilteredRelation("evaluations", condition=Q(evaluations__model_version__in=versions))
    return (
        TestSet.objects.filter(experiments=experiment)
        .annotate(
            of=theirs,
            version=F("of__model_version"),
            accuracy=F("of__accuracy"),
            scored_rows=F("of__rows"),
            balanced=F("of__balanced_accuracy"),
        )
        .order_by("pk", "of__pk")
    )


def _open(rounds: list[int], now: dt.datetime) -> QuerySet[Round]:
    """Open rounds with their live leases and the end of the first, the texts that wait for a verdict, the votes that
    do not count yet and the time of the last."""
    live = Assignment.objects.filter(round=OuterRef("pk"), state=AssignmentState.LEASED, expires_at__gt=now)
    waiting = Attempt.objects.filter(assignment__round=OuterRef("pk"), state=AttemptState.WAITING)
    votes = Validation.objects.filter(example__round=OuterRef("pk"), state=ValidationState.VOTED, settled_at=None)

    def one(rows: QuerySet[Any], by: str, what: Count | Min | Max) -> Subquery:
        return Subquery(rows.order_by().values(by).annotate(found=what).values("found"))

    return Round.objects.filter(pk__in=rounds).annotate(
        leases=one(live, "round", Count("pk")),
        first_end=one(live, "round", Min("expires_at")),
        waiting=one(waiting, "assignment__round", Count("pk")),
        uncounted=one(votes, "example__round", Count("pk")),
        last_vote=one(votes, "example__round", Max("voted_at")),
    )


def _pending(rounds: list[int], now: dt.datetime) -> dict[int, list[tuple[int, int, int]]]:
    voted = Q(validations__state=ValidationState.VOTED)
    looking = Q(validations__state=ValidationState.LEASED, validations__expires_at__gt=now)
    rows = (
        Example.objects.filter(round__in=rounds, state=ExampleState.PENDING)
        .annotate(
            voters=Count("validations", filter=voted),
            uncounted=Count("validations", filter=voted & Q(validations__settled_at=None)),
            lookers=Count("validations", filter=looking),
        )
        .order_by()
    )
    found: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    for pk, *counts in rows.values_list("round", "voters", "uncounted", "lookers"):
        found[pk].append((counts[0], counts[1], counts[2]))
    return found


def _collecting(round_: Round, figures: RoundFigures, around: Surroundings) -> str:
    if figures.accepted >= round_.quota:
        return "has its quota; the worker's next reconcile closes it"
    parts = [f"needs {round_.quota - figures.accepted} more accepted examples"]
    if around.experiment.state == ExperimentState.PAUSED:
        return f"the experiment is paused; {parts[0]}"
    facts: Any = around.open.get(round_.pk)
    if facts is None:
        # It was opened, or left the state open, since the surroundings were read.
        return parts[0]
    parts.append(_writing(round_, figures, facts, around))
    if facts.waiting:
        parts.append(f"{_texts(facts.waiting)} for the model server")
    parts.append(_validating(around.pending.get(round_.pk, []), around))
    if facts.uncounted:
        until = facts.last_vote + dt.timedelta(seconds=around.experiment.undo_seconds)
        does = "vote does" if facts.uncounted == 1 else "votes do"
        parts.append(f"{facts.uncounted} {does} not count yet (can be taken back until {_clock(until, around.now)})")
    return "; ".join(part for part in parts if part)


def _writing(round_: Round, figures: RoundFigures, facts: Any, around: Surroundings) -> str:
    """Who is to write what is missing."""
    leases = facts.leases or 0
    free = round_.quota - figures.accepted - figures.pending - leases
    enrolled = around.enrolled.get(round_.arm.slug, 0)
    holding = ""
    if leases:
        people = "1 person holds an assignment" if leases == 1 else f"{leases} people hold assignments"
        holding = f"{people} (the first lease ends at {_clock(facts.first_end, around.now)})"
    if free <= 0:
        return holding
    writers = f"waits for writers of {'1 text' if free == 1 else f'{free} texts'}"
    if not enrolled:
        return f"{writers}: nobody is enrolled in this arm"
    if not leases:
        people = "the 1 person" if enrolled == 1 else f"any of the {enrolled} people"
        return f"{writers}: no live lease, {people} enrolled in this arm may take one"
    return f"{writers}: {holding}"


def _validating(pending: list[tuple[int, int, int]], around: Surroundings) -> str:
    """Who is to validate what is pending. A text whose votes only have to begin to count waits for nobody."""
    quorum = around.experiment.quorum
    open_to_others = [item for item in pending if item[0] < quorum or not item[1]]
    if not open_to_others:
        return ""
    # Everybody who is enrolled may validate, but its writer, and nobody twice.
    everybody = sum(around.enrolled.values())
    stuck = sum(everybody - 1 - voters <= 0 for voters, _, _ in open_to_others)
    looked_at = sum(lookers > 0 for _, _, lookers in open_to_others)
    said = f"{_texts(len(open_to_others))} for validators"
    if stuck:
        whose = "" if stuck == len(open_to_others) else f" for {stuck} of them"
        return f"{said}{whose}: nobody but writers and those who have voted already is enrolled"
    return f"{said}, {looked_at} of them being looked at" if looked_at else f"{said}, none of them being looked at"


def _training(run: TrainingRun | None, around: Surroundings) -> str:
    if run is None:
        return "training has no run; the worker's next reconcile asks for one"
    if run.state == RunState.SUCCEEDED:
        return "trained; the worker's next reconcile goes on"
    if run.state in (RunState.FAILED, RunState.CANCELLED):
        return f"training {run.state}: {run.error or 'no reason was recorded'}; the worker's next reconcile says so"
    return _running("training", run, around) if run.state == RunState.RUNNING else _queued("training", run, around)


def _evaluating(round_: Round, around: Surroundings) -> str:
    missing, of = around.missing_scores(round_.trained_version_id or 0)
    if not missing:
        return "trained and scored; the worker's next reconcile ends it"
    said = f"evaluating: {missing} of {of} test sets have no score yet"
    run = run_of(round_, around)
    if run is None:
        return f"{said}; the worker's next reconcile asks for them"
    state = _running if run.state == RunState.RUNNING else _queued
    return f"{said}; {state('scoring', run, around)}"


def _queued(what: str, run: TrainingRun, around: Surroundings) -> str:
    error = f"; last error: {run.error}" if run.error else ""
    if run.not_before is not None and run.not_before > around.now:
        return f"{what} is tried again at {_clock(run.not_before, around.now)} (attempt {run.attempts + 1}){error}"
    if around.busy:
        others = "1 other run" if around.busy == 1 else f"{around.busy} other runs"
        return f"{what} is queued; trainers are busy with {others}{error}"
    seen = around.signs.get(runs.TRAINER)
    if seen is not None and around.now - seen <= dt.timedelta(seconds=settings.TRAINING_DEADLINE_SECONDS):
        return f"{what} is queued; a trainer is there and takes it within {settings.RECONCILE_SECONDS:g} s{error}"
    since = "ever" if seen is None else f"since {_clock(seen, around.now)}"
    return f"{what} is queued; no sign of a trainer was seen {since}: is one running?{error}"


def _running(what: str, run: TrainingRun, around: Surroundings) -> str:
    step, steps = run.progress.get("step", 0), run.progress.get("steps", 0)
    loss, eta = run.progress.get("loss"), run.progress.get("eta_s")
    parts = [f"{what}: {run.progress.get('phase', 'starting')}" + (f" {step}/{steps}" if steps else "")]
    if loss is not None:
        parts.append(f"loss {loss:.3f}")
    if eta is not None:
        parts.append(f"about {span(dt.timedelta(seconds=eta))} left")
    late = dt.timedelta(seconds=settings.TRAINING_DEADLINE_SECONDS)
    if run.heartbeat_at is not None and run.heartbeat_at < around.now - late:
        parts.append(f"no heartbeat since {_clock(run.heartbeat_at, around.now)}; the next reconcile gives it up")
    return ", ".join(parts)


def _texts(count: int) -> str:
    return "1 text waits" if count == 1 else f"{count} texts wait"


def _clock(at: dt.datetime, now: dt.datetime) -> str:
    """A time of today, or with its date."""
    at = at.astimezone(dt.UTC)
    day = "" if at.date() == now.astimezone(dt.UTC).date() else f"{at:%Y-%m-%d} "
    return f"{day}{at:%H:%M:%S} UTC"
