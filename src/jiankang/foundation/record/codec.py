"""How a resource's text is kept: compressed with a trained dictionary, and spliced together again on reading.

What is stored is `members of meta that the sender wrote NUL the rest of the text`, each exactly as it arrived;
resourceType, id, versionId and lastUpdated are put in front when it is read. Zstandard: RFC 8878.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, cast

import zstandard

from jiankang.kernel.clock import instant
from jiankang.kernel.errors import Invalid
from jiankang.kernel.jsontext import encode, top_members

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

LEVEL = 3
DICTIONARY_BYTES = 262_144
_SERVER_META = ("versionId", "lastUpdated")


def split_text(raw: bytes) -> bytes:
    """The payload to store of a resource's JSON text: the sender's meta members, NUL, all other members."""
    members = top_members(raw)
    members.pop("resourceType", None)
    members.pop("id", None)
    meta_raw = members.pop("meta", None)
    meta = b""
    if meta_raw is not None:
        inner = top_members(meta_raw)
        meta = b"".join(b',"%s":%s' % (name.encode(), text) for name, text in inner.items() if name not in _SERVER_META)
    rest = b"".join(b',"%s":%s' % (name.encode(), text) for name, text in members.items())
    return meta + b"\x00" + rest + b"}"


def with_meta(payload: bytes, meta: Mapping[str, Any]) -> bytes:
    """The payload with other members of meta."""
    members = b"".join(b',"%s":%s' % (name.encode(), encode(v)) for name, v in meta.items() if name not in _SERVER_META)
    return members + payload[payload.index(b"\x00") :]


def join_text(type_name: str, id_: str, version: int, updated: datetime, payload: bytes) -> bytes:
    """The resource's full JSON text, from its stored payload."""
    meta, _, rest = payload.partition(b"\x00")
    head = f'{{"resourceType":"{type_name}","id":"{id_}","meta":{{"versionId":"{version}","lastUpdated":"{instant(updated)}"'
    return head.encode() + meta + b"}" + rest


class UnknownDictionary(Invalid):
    """A body was written with a dictionary that another process made."""


class Codec:
    """Compresses with the newest dictionary and reads what any known dictionary wrote. Safe among threads."""

    def __init__(self, dictionaries: Mapping[int, bytes] | None = None) -> None:
        self._dictionaries: dict[int, zstandard.ZstdCompressionDict] = {}
        self._newest = 0
        self._local = threading.local()
        for id_, data in (dictionaries or {}).items():
            self.add(id_, data)

    def add(self, id_: int, data: bytes) -> None:
        """Know the dictionary `id_`, and write with it from now on."""
        self._dictionaries[id_] = zstandard.ZstdCompressionDict(data)
        self._newest = id_

    def __len__(self) -> int:
        """How many dictionaries are known."""
        return len(self._dictionaries)

    @property
    def newest(self) -> int:
        """The dictionary written with; 0 while there is none."""
        return self._newest

    def compress(self, payload: bytes) -> bytes:
        """The bytes to store."""
        local: dict[object, Any] = cast("dict[object, Any]", self._local.__dict__)
        compressor = local.get(("c", self._newest))
        if compressor is None:
            dictionary = self._dictionaries.get(self._newest)
            compressor = zstandard.ZstdCompressor(level=LEVEL, dict_data=dictionary, write_checksum=False)
            local["c", self._newest] = compressor
        return bytes(compressor.compress(payload))

    def decompress(self, blob: bytes) -> bytes:
        """The payload that was stored. Raises UnknownDictionary when its dictionary is to be loaded first."""
        id_ = zstandard.get_frame_parameters(blob).dict_id
        local: dict[object, Any] = cast("dict[object, Any]", self._local.__dict__)
        decompressor = local.get(("d", id_))
        if decompressor is None:
            if id_ and id_ not in self._dictionaries:
                raise UnknownDictionary(
                    f"body was written with dictionary {id_}, which is not loaded", code="not-found"
                )
            decompressor = zstandard.ZstdDecompressor(dict_data=self._dictionaries.get(id_))
            local["d", id_] = decompressor
        return bytes(decompressor.decompress(blob))


SAMPLES = 4_000
"""How many payloads make a good dictionary: with half of them bodies are 4 % larger, with more no smaller."""


def train(samples: Sequence[bytes]) -> tuple[int, bytes]:
    """A dictionary for payloads like these: its id (as written in each frame) and its bytes.

    Segments of 1,024 bytes (k) are whole codings with their displays; left to choose, the trainer often takes a k with
    which bodies come out two thirds larger.
    """
    trained = zstandard.train_dictionary(DICTIONARY_BYTES, list(samples), level=LEVEL, k=1024, d=8)
    return trained.dict_id(), trained.as_bytes()
