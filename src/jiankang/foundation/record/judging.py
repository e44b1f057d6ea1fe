"""Whether what is written is right by the norm, its profiles and its codes, and what becomes of it where it is not.

The record asks a judge, which is handed to it; without one only the shape is checked. http://hl7.org/fhir/R4/validation.html
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from jiankang.foundation.record.store import Prepared, changed_meta, prepare
from jiankang.kernel.errors import Issue, Problem, Unprocessable
from jiankang.kernel.jsontext import decode

if TYPE_CHECKING:
    from psycopg import AsyncConnection

Json = dict[str, Any]
POLICIES = ("refuse", "flag", "warn", "shape")
NOT_VALID = {"system": "urn:jiankang:codes:validation", "code": "not-valid", "display": "Not valid"}
"""The tag of what was stored although it is not valid; `_tag=urn:jiankang:codes:validation|not-valid` finds it."""

Question = tuple[str | None, str, str | None, str | None]
"""What only the terminology room can tell: system, code, value set, display."""

_ROUNDS = 4


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is to be said of a resource. With open `questions` it may still change when they are answered."""

    findings: tuple[Issue, ...] = ()
    questions: frozenset[Question] = frozenset()

    @property
    def valid(self) -> bool:
        """Whether nothing is wrong (warnings do not count)."""
        return not any(issue.severity in {"error", "fatal"} for issue in self.findings)


class Judge(Protocol):
    """Who knows profiles and codes."""

    def policy(self, type_name: str) -> str:
        """What becomes of a resource of this type that is not valid: one of POLICIES."""

    def judge(
        self, resource: Json, *, profiles: Sequence[str] = (), best_practice: bool = False, shaped: bool = False
    ) -> Judgement:
        """What is to be said of a resource by what is known now; from any thread."""

    async def learn(self, questions: Collection[Question], db: AsyncConnection[Any] | None = None) -> None:
        """Have these questions answered for the next judgement, through `db` when one is given."""

    async def refresh(self) -> None:
        """Know profiles and codes as they are now; costs nothing when that was looked at a moment ago."""


def prepared(
    judge: Judge | None, raw: bytes | str | dict[str, Any], *, type_name: str | None = None, id_: str | None = None
) -> Prepared:
    """`prepare`, and of a wrong shape everything else that is wrong as well."""
    try:
        return prepare(raw, type_name=type_name, id_=id_)
    except Unprocessable:
        if judge is None:
            raise
        resource = raw if isinstance(raw, dict) else decode(raw)
        if judge.policy(resource["resourceType"]) == "shape":
            raise
        raise Unprocessable(issues=judge.judge(resource).findings) from None


async def judged(
    judge: Judge | None, ready: Sequence[Prepared], *, aside: bool = False, db: AsyncConnection[Any] | None = None
) -> dict[int, Problem]:
    """Judge what is ready to be written, by the policy of its type: refusals by place, flags put on, findings noted.

    With `aside` the work is done in a thread, so that others are answered meanwhile. Inside a transaction `db` is its
    connection: nothing is asked through another one, which all might be in use by those who wait for one. There the
    judge is refreshed before.
    """
    if judge is None:
        return {}
    if db is None:
        await judge.refresh()
    places = [place for place, one in enumerate(ready) if judge.policy(one.type) != "shape"]
    verdicts = await findings_of(judge, [ready[place].resource for place in places], aside=aside, db=db, shaped=True)
    refused: dict[int, Problem] = {}
    for place, verdict in zip(places, verdicts, strict=True):
        one = ready[place]
        one.findings = verdict.findings
        policy = judge.policy(one.type)
        if policy == "refuse" and not verdict.valid:
            refused[place] = Unprocessable(issues=verdict.findings)
        else:
            _flag(one, wanted=policy == "flag" and not verdict.valid)
    return refused


async def findings_of(
    judge: Judge,
    resources: Sequence[Json],
    *,
    aside: bool = False,
    db: AsyncConnection[Any] | None = None,
    **how: Any,
) -> list[Judgement]:
    """What is to be said of each resource, all questions answered."""

    def judge_them(places: Sequence[int]) -> list[Judgement]:
        return [judge.judge(resources[place], **how) for place in places]

    async def work(job: Callable[[Sequence[int]], list[Judgement]], places: Sequence[int]) -> list[Judgement]:
        return await asyncio.to_thread(job, places) if aside else job(places)

    found: dict[int, Judgement] = {}
    places: Sequence[int] = range(len(resources))
    for _ in range(_ROUNDS):
        found.update(zip(places, await work(judge_them, places), strict=True))
        questions = {question for place in places for question in found[place].questions}
        if not questions:
            break
        await judge.learn(questions, db)
        places = [place for place in places if found[place].questions]
    return [found[place] for place in range(len(resources))]


def is_flagged(one: Prepared) -> bool:
    """Whether it will be stored although it is not valid."""
    return any(issue.severity in {"error", "fatal"} for issue in one.findings)


def _flag(one: Prepared, *, wanted: bool) -> None:
    """Put the tag on, or take away one that has become untrue."""
    tags = one.resource.get("meta", {}).get("tag", [])
    others = [tag for tag in tags if tag.get("system") != NOT_VALID["system"]]
    if len(others) == len(tags) and not wanted:
        return
    changed_meta(one, {"tag": [*others, NOT_VALID] if wanted else others})
