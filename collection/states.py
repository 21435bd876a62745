"""Every state of collection, and every legal move between them. Nothing else may change a state."""

from __future__ import annotations

from enum import StrEnum
from typing import Any


class ArmKind(StrEnum):
    """Which model, if any, writers of an arm play against."""

    NON_ADVERSARIAL = "non-adversarial"
    STATIC = "static"
    DYNAMIC = "dynamic"


class ExperimentState(StrEnum):
    """``preparing``: the base model is being imported and scored. ``ended``: stopped early. ``importing``: it comes out
    of a release, is not whole yet, and nobody sees it."""

    DRAFT = "draft"
    PREPARING = "preparing"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    ENDED = "ended"
    IMPORTING = "importing"


# Nothing is collected or trained in its loop any more.
OVER = (ExperimentState.FINISHED, ExperimentState.ENDED)


class RoundState(StrEnum):
    """``open`` collects and validates; ``closed`` has its quota; ``failed`` could not be trained or evaluated."""

    OPEN = "open"
    CLOSED = "closed"
    TRAINING = "training"
    EVALUATING = "evaluating"
    DONE = "done"
    FAILED = "failed"
    ENDED = "ended"


class AssignmentState(StrEnum):
    """``leased`` holds one slot of its round until it is submitted, skipped for good, or its lease expires."""

    LEASED = "leased"
    SUBMITTED = "submitted"
    RELEASED = "released"
    EXPIRED = "expired"


class AttemptState(StrEnum):
    """``waiting`` for a verdict because the model server is away; ``recorded`` where no model is shown; ``refused``
    by the model when it came to it after all."""

    WAITING = "waiting"
    JUDGED = "judged"
    RECORDED = "recorded"
    REFUSED = "refused"


class ExampleState(StrEnum):
    """``flagged``: validators found something wrong with the text itself; an expert decides. ``retracted``: taken back
    by its writer before it was decided, or withdrawn (and paid) because its round was ended early."""

    PENDING = "pending"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    FLAGGED = "flagged"
    RETRACTED = "retracted"


class ValidationState(StrEnum):
    """``leased`` to a validator until voted or expired; an expired one may be leased to the same validator again.
    A vote that its validator takes back in time is a lease again."""

    LEASED = "leased"
    VOTED = "voted"
    EXPIRED = "expired"


class ReportState(StrEnum):
    """``due``: what it is made of has changed, or somebody has asked; the one that stands is shown meanwhile."""

    DUE = "due"
    COMPUTING = "computing"
    DONE = "done"
    FAILED = "failed"


class ReleaseState(StrEnum):
    """``held``: the scan has found something in its texts that a person must decide about. ``withdrawn``: its files
    are gone; what it was stays on record."""

    DUE = "due"
    BUILDING = "building"
    HELD = "held"
    DONE = "done"
    FAILED = "failed"
    WITHDRAWN = "withdrawn"


class ImportState(StrEnum):
    """``refused``: something is wrong with the file; ``failed``: with the import. Nothing is stored in either case."""

    DUE = "due"
    WORKING = "working"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


E, R, A, T, X, V = ExperimentState, RoundState, AssignmentState, AttemptState, ExampleState, ValidationState
P, L, M = ReportState, ReleaseState, ImportState

MOVES: dict[str, dict[Any, frozenset[Any]]] = {
    "experiment": {
        E.DRAFT: frozenset({E.PREPARING}),
        E.PREPARING: frozenset({E.RUNNING, E.DRAFT, E.ENDED}),
        E.RUNNING: frozenset({E.PAUSED, E.FINISHED, E.ENDED}),
        E.PAUSED: frozenset({E.RUNNING, E.FINISHED, E.ENDED}),
        E.FINISHED: frozenset(),
        E.ENDED: frozenset(),
        E.IMPORTING: frozenset({E.FINISHED, E.ENDED}),
    },
    "round": {
        R.OPEN: frozenset({R.CLOSED, R.ENDED}),
        R.CLOSED: frozenset({R.TRAINING, R.FAILED, R.ENDED}),
        R.TRAINING: frozenset({R.EVALUATING, R.FAILED, R.ENDED}),
        R.EVALUATING: frozenset({R.DONE, R.FAILED, R.ENDED}),
        R.FAILED: frozenset({R.CLOSED, R.ENDED}),
        R.DONE: frozenset(),
        R.ENDED: frozenset(),
    },
    "assignment": {
        A.LEASED: frozenset({A.SUBMITTED, A.RELEASED, A.EXPIRED}),
        A.SUBMITTED: frozenset(),
        A.RELEASED: frozenset(),
        A.EXPIRED: frozenset(),
    },
    "attempt": {
        T.WAITING: frozenset({T.JUDGED, T.REFUSED}),
        T.JUDGED: frozenset(),
        T.RECORDED: frozenset(),
        T.REFUSED: frozenset(),
    },
    "example": {
        X.PENDING: frozenset({X.ACCEPTED, X.REJECTED, X.FLAGGED, X.RETRACTED}),
        X.FLAGGED: frozenset({X.ACCEPTED, X.REJECTED}),
        X.ACCEPTED: frozenset(),
        X.REJECTED: frozenset(),
        X.RETRACTED: frozenset(),
    },
    "validation": {
        V.LEASED: frozenset({V.VOTED, V.EXPIRED}),
        V.EXPIRED: frozenset({V.LEASED}),
        V.VOTED: frozenset({V.LEASED}),
    },
    "report": {
        P.DUE: frozenset({P.COMPUTING}),
        P.COMPUTING: frozenset({P.DONE, P.FAILED, P.DUE}),
        P.DONE: frozenset({P.DUE}),
        P.FAILED: frozenset({P.DUE}),
    },
    "release": {
        L.DUE: frozenset({L.BUILDING, L.WITHDRAWN}),
        L.BUILDING: frozenset({L.DONE, L.HELD, L.FAILED, L.DUE}),
        L.HELD: frozenset({L.DUE, L.WITHDRAWN}),
        L.FAILED: frozenset({L.DUE, L.WITHDRAWN}),
        L.DONE: frozenset({L.WITHDRAWN}),
        L.WITHDRAWN: frozenset(),
    },
    "import": {
        M.DUE: frozenset({M.WORKING}),
        M.WORKING: frozenset({M.DONE, M.REFUSED, M.FAILED, M.DUE}),
        M.DONE: frozenset(),
        M.REFUSED: frozenset(),
        M.FAILED: frozenset({M.DUE}),
    },
}
