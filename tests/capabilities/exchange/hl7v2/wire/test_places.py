"""Places in the words of people: PID-3(2).4.1."""

from __future__ import annotations

import pytest

from jiankang.capabilities.exchange.hl7v2.wire import Message, locate, location

MESSAGE = Message(
    b"MSH|^~\\&|HIS|CM\rPID|1||5^^^A&1.2&ISO~~6^^^B&1.3\\T\\x&ISO||Wang^Wei\rOBX|1||a||1\rOBX|2||b||2~3\rZHN|own\r"
)
FOUND = [
    ("PID-3", "5^^^A&1.2&ISO~~6^^^B&1.3\\T\\x&ISO"), ("PID-3(1)", "5^^^A&1.2&ISO"), ("PID-3(2)", ""), ("PID-3(4)", None),
    ("PID-3(3).4.2", "1.3&x"), ("PID-3.4", "A&1.2&ISO"), ("PID-3.4.3", "ISO"), ("PID-5.2", "Wei"), ("PID-99", ""),
    ("OBX[2]-5(2)", "3"), ("OBX[2]", "OBX|2||b||2~3"), ("OBX[3]", None), ("ZHN-1", "own"), ("MSH-1", "|"),
    ("MSH-2", "^~\\&"), ("MSH-3", "HIS"), ("PV1-2", None), ("nonsense", None), ("PID-3.0", None), ("PID-3(0)", None),
    ("PID-3.1.0", None), ("PID-" + "9" * 5000, None), ("", None),
]  # fmt: skip


@pytest.mark.parametrize(("place", "expected"), FOUND)
def test_a_place_is_found_by_its_numbers(place: str, expected: str | None) -> None:
    assert locate(MESSAGE, place) == expected


def test_a_place_with_a_number_of_any_length_makes_no_error() -> None:
    assert location("PID[" + "9" * 5000 + "]-3") == "PID^1"
