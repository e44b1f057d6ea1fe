"""What is answered for one entry, and which entry a refusal is about."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from jiankang.fhir.outcome import outcome
from jiankang.foundation.record.wire.bundles import text
from jiankang.foundation.record.wire.http import Response
from jiankang.kernel.clock import instant
from jiankang.kernel.errors import Issue, Problem
from jiankang.kernel.jsontext import encode

if TYPE_CHECKING:
    from jiankang.foundation.record.interactions.bundles.work import Work

MOST_ISSUES = 100


_REASONS = {
    200: "OK", 201: "Created", 204: "No Content", 304: "Not Modified", 400: "Bad Request", 403: "Forbidden",
    404: "Not Found", 405: "Method Not Allowed", 406: "Not Acceptable", 409: "Conflict", 410: "Gone",
    412: "Precondition Failed", 413: "Content Too Large", 415: "Unsupported Media Type", 422: "Unprocessable Content",
    500: "Internal Server Error", 503: "Service Unavailable", 507: "Insufficient Storage",
}  # fmt: skip


def placed(problem: Problem, number: int) -> list[Issue]:
    """The problem's issues, each saying which entry it is about."""
    entry = f"Bundle.entry[{number}]"

    def below(place: str) -> str:
        return f"{entry}.resource.{place.partition('.')[2]}" if "." in place else entry

    return [
        replace(issue, text=f"entry {number}: {issue.text}", expression=tuple(map(below, issue.expression)) or (entry,))
        for issue in problem.issues
    ]


def renamed(problem: Problem, number: int) -> Problem:
    """The same problem, said of an entry."""
    return type(problem)(issues=placed(problem, number))


def refused(problem: Problem, number: int) -> Response:
    """The answer to an entry that was refused."""
    return Response(problem.status, encode(outcome(placed(problem, number))))


async def guarded(work: Work, doing: Any) -> Any:
    """Await `doing`; a problem in it names the entry."""
    try:
        return await doing
    except Problem as problem:
        raise renamed(problem, work.number) from None


def entry_of(response: Response) -> bytes:
    """A response as an entry of the answering Bundle."""
    found = dict(response.headers)
    status = f"{response.status} {_REASONS.get(response.status, '')}".strip()
    parts = [b'"status":%s' % text(status)]
    if "Location" in found:
        parts.append(b'"location":%s' % text(found["Location"]))
    if "ETag" in found:
        parts.append(b'"etag":%s' % text(found["ETag"]))
    if response.updated is not None:
        parts.append(b'"lastModified":"%s"' % instant(response.updated).encode())
    if response.status >= 400 or (response.body.startswith(b'{"resourceType":"OperationOutcome"')):
        parts.append(b'"outcome":%s' % response.body)
        return b'{"response":{%s}}' % b",".join(parts)
    if any(issue.severity == "error" for issue in response.findings):
        parts.append(b'"outcome":%s' % encode(outcome(response.findings)))
    resource = b'"resource":%s,' % response.body if response.body else b""
    return b'{%s"response":{%s}}' % (resource, b",".join(parts))
