"""The one family of errors: each carries an HTTP status and an issue code, and says what to do.

Codes are those of http://hl7.org/fhir/R4/valueset-issue-type.html. Each edge translates once (OperationOutcome,
page, HL7 ACK, exit code). Facts in messages are ids, dates and counts, never names or results.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing that is wrong: severity and code of the norm, a sentence, and where (paths into the input).

    `message_id` names the rule that was broken, `expected` what it asks for, `kind` the kind of the value found there.
    """

    code: str
    text: str
    expression: tuple[str, ...] = ()
    severity: str = "error"
    message_id: str = ""
    expected: str = ""
    kind: str = ""


class Problem(Exception):  # noqa: N818 - read as a sentence: `raise NotFound(...)`
    """A refusal that its caller can understand. `issues` holds all that is wrong at once."""

    status = 500
    code = "exception"

    def __init__(
        self, text: str = "", *, expression: Sequence[str] = (), issues: Sequence[Issue] = (), code: str | None = None
    ) -> None:
        if not issues:
            issues = [Issue(code or self.code, text or (self.__doc__ or "").split("\n")[0], tuple(expression))]
        self.issues: tuple[Issue, ...] = tuple(issues)
        super().__init__(text or "; ".join(issue.text for issue in self.issues))


class Invalid(Problem):
    """What was sent is not well-formed or not valid (400)."""

    status, code = 400, "invalid"


class NotSupported(Problem):
    """What was asked for is not supported here (400)."""

    status, code = 400, "not-supported"


class Forbidden(Problem):
    """The actor may not do this (403). What the actor may not know of is NotFound."""

    status, code = 403, "forbidden"


class NotFound(Problem):
    """No such thing is known (404)."""

    status, code = 404, "not-found"


class MethodNotAllowed(Problem):
    """The address exists, the method does not (405)."""

    status, code = 405, "not-supported"


class NotAcceptable(Problem):
    """The answer cannot be given in the format asked for (406)."""

    status, code = 406, "not-supported"


class Conflict(Problem):
    """Somebody else changed it at the same moment, or the request contradicts itself (409)."""

    status, code = 409, "conflict"


class Gone(Problem):
    """It was deleted (410)."""

    status, code = 410, "deleted"


class PreconditionFailed(Problem):
    """The condition sent with the request does not hold (412)."""

    status, code = 412, "conflict"


class TooLarge(Problem):
    """What was sent is larger than this server takes (413)."""

    status, code = 413, "too-long"


class UnsupportedMediaType(Problem):
    """The format or encoding of what was sent is not understood (415)."""

    status, code = 415, "not-supported"


class Unprocessable(Problem):
    """What was sent is well-formed but breaks a rule of the record (422)."""

    status, code = 422, "processing"


class TooCostly(Problem):
    """Answering would take more work than is allowed; the text says how to ask for less (400/too-costly)."""

    status, code = 400, "too-costly"


class Unavailable(Problem):
    """The record cannot be reached just now; try again (503)."""

    status, code = 503, "transient"


class OutOfStorage(Problem):
    """There is no room left to keep what was sent (507)."""

    status, code = 507, "no-store"
