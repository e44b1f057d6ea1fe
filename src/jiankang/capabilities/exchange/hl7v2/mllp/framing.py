"""Frames: 0x0B, the message, 0x1C 0x0D."""

from __future__ import annotations

START = b"\x0b"
END = b"\x1c\x0d"


def framed(message: bytes) -> bytes:
    """A message in its frame."""
    return START + message + END


_AGAIN = START + b"MSH"


def _last(frame: bytes) -> bytes:
    """The message of a frame: the last, when its sender broke one off and began anew without ending the frame."""
    again = frame.rfind(_AGAIN)
    return frame if again < 0 else frame[again + 1 :]


class Frames:
    """Cuts what arrives into messages; what is between frames is left out."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._buffer = bytearray()
        self._looked = 0
        self._inside = False
        self.over = False
        """Whether a frame has more bytes than are taken: nothing more is read."""

    @property
    def begun(self) -> bool:
        """Whether a frame began and did not end yet."""
        return self._inside

    def feed(self, data: bytes) -> list[bytes]:
        """The messages that are whole now."""
        if self.over:
            return []
        self._buffer += data
        found: list[bytes] = []
        while True:
            if not self._inside:
                start = self._buffer.find(START)
                if start < 0:
                    self._buffer.clear()
                    return found
                del self._buffer[: start + 1]
                self._inside, self._looked = True, 0
            end = self._buffer.find(END, max(self._looked - 1, 0))
            if end < 0:
                self._looked = len(self._buffer)
                self.over = self._looked > self.most
                return found
            if end > self.most:
                self.over = True
                return found
            found.append(_last(bytes(self._buffer[:end])))
            del self._buffer[: end + 2]
            self._inside = False
