"""One function for each question: QPD in, the segments of the answer out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from jiankang.capabilities.exchange.hl7v2.out.people import cwe, cx, pid
from jiankang.capabilities.exchange.hl7v2.out.writing import Repeated, Writer, dtm, header, segment
from jiankang.foundation.access import Actor
from jiankang.foundation.record.wire.http import Request
from jiankang.kernel.errors import NotFound, Problem
from jiankang.kernel.jsontext import decode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jiankang.capabilities.exchange.hl7v2.wire import Message, Segment
    from jiankang.capabilities.exchange.model import Sender
    from jiankang.foundation.record.wire.server import Server

Json = dict[str, Any]
KINDS = frozenset({"QBP"})
_MOST = 50
_SEXES = {"M": "male", "F": "female", "O": "other", "U": "unknown", "A": "other"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A question: who asks, its QPD, and how many answers are wanted (RCP-2)."""

    server: Server
    sender: Sender
    query: Segment
    most: int

    @property
    def known_authorities(self) -> Mapping[str, str]:
        """Systems by the names that the sender calls them."""
        return {system: name for name, system in self.sender.authorities.items()}

    async def ask(self, *segments: str, **params: str) -> Json | None:
        """An answer of the FHIR API; None when nothing is known."""
        pairs = [(name.replace("__", ":").replace("_", "-"), value) for name, value in params.items() if value]
        request = Request(
            self.server, Actor(f"sender:{self.sender.id}"), "GET", segments, pairs, {"prefer": "handling=lenient"}, b"",
            self.server.settings.base_url or "http://localhost/fhir",
        )  # fmt: skip
        try:
            response = await self.server.dispatch(request)
        except NotFound:
            return None
        return decode(response.body) if response.status == 200 else None

    def identifier(self, text: Any) -> tuple[str, str]:
        """(system, value) of a CX or of a demographic in it."""
        authority = text.part(4)
        names = (authority.c(1), authority.c(2))
        system = next((self.sender.authorities[one] for one in names if one in self.sender.authorities), "")
        if not system and names[1]:
            system = f"urn:oid:{names[1]}" if names[1][0].isdigit() else names[1]
        return system, text.c(1)


@dataclass(frozen=True, slots=True)
class Answered:
    """Segments after QAK and QPD; `status` is QAK-2 of table HL70208; `wrong` is what ERR tells: code, place, text."""

    segments: tuple[str, ...] = ()
    status: str = "OK"
    wrong: tuple[str, str, str] | None = None


Answering = Callable[[Asked], Awaitable[Answered]]


async def answer(
    server: Server, message: Message, sender: Sender, now: Callable[[], datetime], new_control: Callable[[], str]
) -> bytes:
    """The answer to a question; one that is not understood is answered with AR or AE and an ERR segment."""
    event = message.trigger[1]
    answering, reply = _BY_EVENT.get(event, (None, ("RSP", event.replace("Q", "K", 1), "RSP_K21")))
    query, control = message.first("QPD"), message.first("RCP")
    if answering is None:
        given = Answered(
            status="AR", wrong=("201", "MSH^1^9^1^2", f"the question {event or '(empty)'} is not known here")
        )
    elif query is None:
        given = Answered(status="AE", wrong=("100", "QPD^1", "QPD, the question itself, is missing"))
    else:
        wanted = control[2].c() if control is not None else ""
        most = min(int(wanted), _MOST) if wanted.isdigit() and int(wanted) else _MOST
        try:
            given = await answering(Asked(server, sender, query, most))
        except Problem as problem:
            given = Answered(status="AE", wrong=("207", "QPD^1^3", str(problem)))
    return _written(message, query, given, reply, now(), new_control())


def _written(
    message: Message, query: Segment | None, given: Answered, reply: tuple[str, ...], at: datetime, control: str
) -> bytes:
    head = message.header
    line = header(
        reply, control=control, at=at, sender=(head[5].c(), head[6].c()), receiver=(head[3].c(), head[4].c()),
        version=message.version, processing=head[11].c() or "P",
    )  # fmt: skip
    code = {"OK": "AA", "NF": "AA", "AE": "AE", "AR": "AR"}[given.status]
    writer = Writer(line).add("MSA", f1=code, f2=message.control)
    if given.wrong is not None:
        number, place, text = given.wrong
        writer.segments.append(f"ERR||{place}|{number}^^HL70357|E||||" + segment("X", f1=text)[2:])
    tag, name = ("", "") if query is None else (query[2].c(), query.raw(1))
    writer.segments.append(f"QAK|{segment('X', f1=tag)[2:]}|{given.status}|{name}|{len(_hits(given))}")
    if query is not None:
        writer.segments.append(query.line)
    return writer.extend(given.segments).bytes


def _hits(given: Answered) -> list[str]:
    return [one for one in given.segments if one.startswith("PID")]


# -- the questions --------------------------------------------------------------------------------------------------


async def _find_candidates(asked: Asked) -> Answered:
    """Q22, IHE ITI-21: who has these demographics (QPD-3: @PID.5.1^张~@PID.7^19880305)."""
    told = {value.c(1).lstrip("@"): value for value in asked.query.all(3)}
    unknown = [name for name in told if name.split(".")[:2] not in (["PID", str(n)] for n in (3, 5, 7, 8, 11, 13, 18))]
    if unknown:
        return Answered(status="AE", wrong=("204", "QPD^1^3", f"{unknown[0]} cannot be asked for"))
    if not told:
        return Answered(status="AE", wrong=("101", "QPD^1^3", "QPD-3 names nothing to look for"))
    text = {name: value.c(2) for name, value in told.items()}
    number = text.get("PID.3.1") or text.get("PID.3") or ""
    authority = text.get("PID.3.4.2") or text.get("PID.3.4") or text.get("PID.3.4.1") or ""
    system = asked.sender.authorities.get(authority) or (f"urn:oid:{authority}" if authority[:1].isdigit() else "")
    found = await asked.ask(
        "Patient",
        identifier=f"{system}|{number}" if number and system else number,
        family=text.get("PID.5.1.1") or text.get("PID.5.1") or text.get("PID.5") or "",
        given=text.get("PID.5.2", ""),
        birthdate=_day(text.get("PID.7.1") or text.get("PID.7") or ""),
        gender=_SEXES.get(text.get("PID.8", ""), ""),
        address_city=text.get("PID.11.3", ""),
        address_postalcode=text.get("PID.11.5", ""),
        telecom=text.get("PID.13.1") or text.get("PID.13") or "",
        _count=str(asked.most),
    )
    patients = [entry["resource"] for entry in (found or {}).get("entry", []) if entry["search"]["mode"] == "match"]
    lines = [pid(one, asked.known_authorities) for one in patients if one["resourceType"] == "Patient"]
    return Answered(tuple(lines), "OK" if lines else "NF")


async def _get_demographics(asked: Asked) -> Answered:
    """Q21: the demographics of whoever has this number (QPD-3, CX)."""
    patient = await _by_number(asked)
    return Answered(status="NF") if patient is None else Answered((pid(patient, asked.known_authorities),))


async def _get_identifiers(asked: Asked) -> Answered:
    """Q23, IHE ITI-9: what whoever has this number is called elsewhere (QPD-3 CX; QPD-4: in these domains)."""
    system, number = asked.identifier(asked.query[3])
    if not system or not number:
        return Answered(status="AE", wrong=("204", "QPD^1^3^1^4", "its assigning authority is not known here"))
    found = await asked.ask("Patient", "$ihe-pix", sourceIdentifier=f"{system}|{number}")
    if found is None:
        return Answered(status="AE", wrong=("204", "QPD^1^3^1^1", "there is no patient of this number"))
    wanted = {asked.identifier(value)[0] for value in asked.query.all(4)} - {""}
    numbers = [one["valueIdentifier"] for one in found.get("parameter", []) if "valueIdentifier" in one]
    told = [one for one in numbers if not wanted or one.get("system") in wanted]
    if not told:
        return Answered(status="NF")
    line = segment("PID", f3=Repeated(cx(one, asked.known_authorities) for one in told), f5=Repeated([["", ""], []]))
    return Answered((f"{line}|" if line.endswith("|") else line,))


async def _get_immunizations(asked: Asked) -> Answered:
    """Z34 of the CDC's guide: the immunization history of whoever has this number, or these demographics."""
    patient = await _by_number(asked) or await _by_demographics(asked)
    if patient is None:
        return Answered(status="NF")
    found = await asked.ask("Immunization", patient=str(patient["id"]), _count="200", _sort="date")
    lines = [pid(patient, asked.known_authorities)]
    for entry in (found or {}).get("entry", []):
        given = entry["resource"]
        if given["resourceType"] == "Immunization":
            lines += _immunization(given)
    return Answered(tuple(lines))


def _immunization(given: Json) -> list[str]:
    numbers: list[Json] = given.get("identifier", [])
    number: Json = numbers[0] if numbers else {}
    amount = given.get("doseQuantity", {})
    return [
        segment("ORC", f1="RE", f3=[number.get("value", "") or given["id"]]),
        segment(
            "RXA", f1="0", f2="1", f3=dtm(given.get("occurrenceDateTime")), f4=dtm(given.get("occurrenceDateTime")),
            f5=cwe(given.get("vaccineCode")), f6=str(amount.get("value", "999")), f7=[amount.get("unit", "")],
            f15=given.get("lotNumber", ""), f16=dtm(given.get("expirationDate")),
            f20={"completed": "CP", "not-done": "NA"}.get(given.get("status", ""), ""),
            f21="D" if given.get("status") == "entered-in-error" else "A",
        ),
    ]  # fmt: skip


async def _by_number(asked: Asked) -> Json | None:
    for value in asked.query.all(3):
        system, number = asked.identifier(value)
        if system and number:
            found = await asked.ask("Patient", identifier=f"{system}|{number}", _count="1")
            for entry in (found or {}).get("entry", []):
                return dict(entry["resource"])
    return None


async def _by_demographics(asked: Asked) -> Json | None:
    """QPD-4 name, QPD-6 birth date, QPD-7 sex of Z34: only a single match is an answer."""
    name, born = asked.query[4], _day(asked.query[6].c())
    if not name or not born:
        return None
    found = await asked.ask(
        "Patient",
        family=name.c(1),
        given=name.c(2),
        birthdate=born,
        gender=_SEXES.get(asked.query[7].c(), ""),
        _count="2",
    )
    entries = (found or {}).get("entry", [])
    return dict(entries[0]["resource"]) if len(entries) == 1 else None


def _day(text: str) -> str:
    digits = text[:8]
    return f"{digits[:4]}-{digits[4:6]}-{digits[6:]}" if len(digits) == 8 and digits.isdigit() else ""


_BY_EVENT: Mapping[str, tuple[Answering, tuple[str, ...]]] = {
    "Q21": (_get_demographics, ("RSP", "K21", "RSP_K21")),
    "Q22": (_find_candidates, ("RSP", "K22", "RSP_K21")),
    "Q23": (_get_identifiers, ("RSP", "K23", "RSP_K23")),
    "Z34": (_get_immunizations, ("RSP", "Z32", "RSP_Z32")),
    "Q11": (_get_immunizations, ("RSP", "K11", "RSP_K11")),
}
