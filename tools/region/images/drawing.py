"""Draws what images of a body roughly look like: bodies made of ellipses. Nobody's body, and of no use for a diagnosis."""

from __future__ import annotations

import math
import struct
from random import Random

AIR, LUNG, SOFT, BONE = -1000, -800, 40, 700
"""Hounsfield units."""


def chest_slice(random: Random, side: int, place: float) -> bytes:
    """A slice through a chest, `place` of the way down (0 to 1), in Hounsfield units + 1024, 16 bits."""
    lung = 0.30 * math.sin(math.pi * (0.15 + 0.7 * place))
    values = []
    for row in range(side):
        y = row / side - 0.5
        for column in range(side):
            x = column / side - 0.5
            values.append(_tissue(x, y, lung) + 1024 + random.randint(-18, 18))
    return struct.pack(f"<{len(values)}H", *(max(0, one) for one in values))


def _tissue(x: float, y: float, lung: float) -> int:
    if (x / 0.46) ** 2 + (y / 0.34) ** 2 > 1:
        return AIR
    if (x / 0.05) ** 2 + ((y - 0.20) / 0.06) ** 2 < 1 or 0.93 < (x / 0.44) ** 2 + (y / 0.32) ** 2 < 1:
        return BONE
    for side in (-1, 1):
        if ((x - side * 0.22) / (lung * 0.62 + 0.01)) ** 2 + ((y + 0.02) / (lung * 0.85 + 0.01)) ** 2 < 1:
            return LUNG
    return SOFT


def chest_radiograph(random: Random, side: int) -> bytes:
    """A chest from the front, bright where little passes, 12 bits of 16."""
    values = []
    for row in range(side):
        y = row / side - 0.5
        for column in range(side):
            x = column / side - 0.5
            body = max(0.0, 1 - (x / 0.5) ** 2)
            lungs = sum(max(0.0, 1 - ((x - one * 0.2) / 0.15) ** 2 - (y / 0.38) ** 2) for one in (-1, 1))
            ribs = 0.08 * max(0.0, math.sin(40 * (y + 0.35 * x * x))) if abs(x) < 0.42 else 0
            spine = 0.35 if abs(x) < 0.045 else 0
            values.append(
                round(4095 * min(1, max(0.02, 0.55 * body - 0.5 * lungs + ribs + spine))) + random.randint(0, 40)
            )
    return struct.pack(f"<{len(values)}H", *(min(4095, one) for one in values))


def sweep(random: Random, side: int, frame: int) -> bytes:
    """A frame of an ultrasound sweep with something round in it that moves, 8 bits."""
    values = bytearray()
    for row in range(side):
        for column in range(side):
            x, y = column / side - 0.5, row / side
            if math.hypot(x, y + 0.1) > 1 or abs(x) > 0.75 * (y + 0.1):
                values.append(0)
                continue
            inside = math.hypot(x - 0.02 * frame, y - 0.55) < 0.16
            values.append(
                min(255, int((20 if inside else 95) * random.random() * (1.3 - 0.6 * y)) + (0 if inside else 20))
            )
    return bytes(values)
