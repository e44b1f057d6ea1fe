"""The stream: all stories in the order of time, with what goes wrong on the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from random import Random

from region.messages.senders import LABORATORIES, System, system_of
from region.messages.stories import Story, Told
from region.population import Registration, registrations

_TODAY = datetime(2026, 11, 16, 7, 30, tzinfo=timezone(timedelta(hours=8)))
_TWICE, _LATE, _BROKEN = 0.03, 0.03, 0.01


@dataclass(frozen=True, slots=True)
class Sent:
    """A message on the wire; `fault` is what is wrong with it: twice, late, or a kind of breakage. Empty: nothing."""

    system: System
    kind: str
    control: str
    at: datetime
    raw: bytes
    fault: str = ""


def stream(seed: int, people: int) -> list[Sent]:
    """What is sent about so many people in a week: the same for the same seed."""
    random = Random(f"{seed}:messages")
    told: list[tuple[datetime, Told]] = []
    seen: dict[tuple[str, str], Registration] = {}
    for number, row in enumerate(registrations(seed, people), start=1):
        system = system_of(row.source, row.source_kind)
        begin = _TODAY + timedelta(minutes=random.uniform(0, 7 * 24 * 60 - 600))
        story = Story(row, system, begin, random, number)
        told += [(one.at, one) for one in _events(story, row, random)]
        before = seen.setdefault((system.id, row.person_id), row)
        if before is not row and system.facility in {*LABORATORIES, "CMFBY"} and random.random() < 0.5:
            merge = story.merged(before.local_id)
            told.append((merge.at, merge))
    told.sort(key=lambda pair: (pair[0], pair[1].control))
    return list(_on_the_wire([one for _, one in told], random))


def _events(story: Story, row: Registration, random: Random) -> Iterator[Told]:
    match row.source_kind:
        case "vaccination":
            yield from story.vaccinated()
        case "archive":
            yield from story.registered()
        case "emergency":
            yield from story.emergency()
        case "hospital" if random.random() < 0.4:
            yield from story.inpatient()
        case _:
            yield from story.outpatient()


def _on_the_wire(told: list[Told], random: Random) -> Iterator[Sent]:
    late: list[tuple[int, Sent]] = []
    for place, one in enumerate(told):
        yield from (sent for due, sent in late if due == place)
        late = [(due, sent) for due, sent in late if due != place]
        sent = _written(one)
        chance = random.random()
        if chance < _LATE:
            late.append((place + random.randint(2, 30), _with(sent, sent.raw, "late")))
        elif chance < _LATE + _TWICE:
            yield sent
            late.append((place + random.randint(1, 10), _with(sent, sent.raw, "twice")))
        elif chance < _LATE + _TWICE + _BROKEN:
            yield _broken(sent, random)
        else:
            yield sent
    yield from (sent for _, sent in late)


def _written(one: Told) -> Sent:
    raw = "".join(f"{segment}\r" for segment in one.segments).encode(one.system.encoding, "replace")
    return Sent(one.system, one.kind, one.control, one.at, raw)


def _with(sent: Sent, raw: bytes, fault: str) -> Sent:
    return Sent(sent.system, sent.kind, sent.control, sent.at, raw, fault)


def _broken(sent: Sent, random: Random) -> Sent:
    """What goes wrong in real life: no number of the patient, an impossible date, an unknown event, half a message."""
    lines = sent.raw.split(b"\r")
    how = random.choice(("no number", "bad date", "unknown event", "cut", "no patient"))
    place = next((index for index, line in enumerate(lines) if line.startswith(b"PID")), None)
    if how == "unknown event":
        lines[0] = lines[0].replace(sent.kind.encode(), b"ADT^A99")
    elif how == "cut":
        return _with(sent, sent.raw[: random.randint(10, 60)], how)
    elif place is not None and how == "no patient":
        del lines[place]
    elif place is not None:
        fields = lines[place].split(b"|")
        if how == "no number":
            fields[3] = b""
        elif len(fields) > 7:
            fields[7] = b"19881399"
        lines[place] = b"|".join(fields)
    return _with(sent, b"\r".join(lines), how)
