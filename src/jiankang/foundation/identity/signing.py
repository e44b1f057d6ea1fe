"""Whether a model file is the one that was written: by the installation's own key, or by the digest of the one we ship.

A model decides who is linked to whom, so nobody may slip in another. A model trained here is signed with the
installation's key (HMAC-SHA-256, RFC 2104) in a file beside it, NAME.sig; of the shipped one the package knows the
SHA-256.
"""

from __future__ import annotations

import hashlib
import hmac
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from jiankang.foundation.identity.weights import Weights, read_weights
from jiankang.kernel.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Callable

_PURPOSE = b"jiankang identity model\0"


def sign(content: bytes, key: bytes) -> str:
    """The signature of a model file."""
    return hmac.new(key, _PURPOSE + content, hashlib.sha256).hexdigest()


def signed(key: bytes, signature: str) -> Callable[[bytes], None]:
    """What raises Invalid for content that the key did not sign so."""
    return partial(_check, lambda content: sign(content, key), signature)


def unchanged(digest: str) -> Callable[[bytes], None]:
    """What raises Invalid for content of another SHA-256."""
    return partial(_check, lambda content: hashlib.sha256(content).hexdigest(), digest)


def _check(made: Callable[[bytes], str], expected: str, content: bytes) -> None:
    if not hmac.compare_digest(made(content).encode(), expected.strip().lower().encode()):
        raise Invalid("This model of identity is not as it was written: its signature is wrong.")


def signature_file(path: Path) -> Path:
    """Where the signature of a model file stands."""
    return path.with_name(path.name + ".sig")


def read_model(path: Path, key: bytes) -> Weights:
    """The model in a file that was signed with the key. Raises Invalid if it was not, or lacks a level."""
    beside = signature_file(path)
    if not beside.is_file():
        raise Invalid(f"The model of identity {path.name} is not signed: {beside.name} is missing.")
    return read_weights(path.read_bytes(), signed(key, beside.read_text("ascii", "replace")))


def write_model(path: Path, content: bytes, key: bytes) -> None:
    """Write a model and its signature; whoever reads meanwhile finds the former two or the new two, or is refused."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for place, text in ((path, content), (signature_file(path), sign(content, key).encode())):
        fresh = place.with_name(place.name + ".new")
        fresh.write_bytes(text)
        fresh.replace(place)
