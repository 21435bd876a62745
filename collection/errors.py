"""What an operation refuses, in words for the person who asked. Nothing is stored when one of these is raised."""

from __future__ import annotations

from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop


class Refused(Exception):
    """An operation that was not done. ``code`` is for programs, ``message`` for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Invalid(Refused):
    """Bad input; ``field`` names the part that is wrong."""

    def __init__(self, field: str, message: str, code: str = "invalid") -> None:
        super().__init__(code, message)
        self.field = field

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


class Conflict(Refused):
    """The input is fine, but the state of things does not allow it (any more)."""


class NothingToDo(Refused):
    """There is no work to hand out right now; the message says why and when to come back."""


class NotYours(Refused):
    """It does not exist, or not for this person: the two are not told apart."""

    MESSAGES = {
        "assignment": gettext_noop("There is no such assignment."),
        "attempt": gettext_noop("There is no such attempt."),
        "experiment": gettext_noop("There is no such experiment."),
        "example": gettext_noop("There is no such example."),
        "import": gettext_noop("There is no such import."),
        "invitation": gettext_noop("This invitation is not valid (any more)."),
        "member": gettext_noop("There is no such member."),
        "file": gettext_noop("There is no such file."),
        "release": gettext_noop("There is no such release."),
        "report": gettext_noop("There is no such report."),
        "round": gettext_noop("There is no such round."),
        "upload": gettext_noop("There is no such upload (any more)."),
        "version": gettext_noop("There is no such version."),
        "validation": gettext_noop("There is no such validation."),
    }

    def __init__(self, what: str) -> None:
        super().__init__("not_found", _(self.MESSAGES[what]))
