"""Whether a model file is the one that was trained here.

A model decides who is linked to whom, so nobody may slip in another. One trained here is signed with the installation's
key (HMAC-SHA-256, RFC 2104) in the first line of its file; of the one that we ship the code knows the SHA-256
(`weights.SHIPPED`).
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

from jiankang.foundation.identity.weights import Weights, first_weights, read_weights
from jiankang.kernel.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_PURPOSE = b"jiankang identity model\0"


def sign(content: bytes, key: bytes) -> str:
    """The signature of a model file."""
    return hmac.new(key, _PURPOSE + content, hashlib.sha256).hexdigest()


def signed(key: bytes, signature: bytes) -> Callable[[bytes], None]:
    """What raises Invalid for content that the key did not sign so."""

    def verify(content: bytes) -> None:
        if not hmac.compare_digest(sign(content, key).encode(), signature.strip()):
            raise Invalid("This model of identity is not as it was written here: its signature is wrong.")

    return verify


def write_model(path: Path, content: bytes, key: bytes) -> None:
    """Write a model below its signature, at once: whoever reads meanwhile finds the former model or this."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(path.name + ".new")
    fresh.write_bytes(sign(content, key).encode() + b"\n" + content)
    fresh.replace(path)


def read_model(path: Path, key: bytes) -> Weights:
    """The model in a file that was signed with the key. Raises Invalid if it was not, or lacks a level."""
    signature, _, content = path.read_bytes().partition(b"\n")
    return read_weights(content, signed(key, signature))


def model_file(folder: Path) -> Path:
    """Where an installation keeps the model that it trained."""
    return folder / "identity.model"


def weights_in_force(folder: Path, key: Callable[[], bytes]) -> Weights:
    """The model trained here, if one was; else the one that a new region starts with."""
    path = model_file(folder)
    return read_model(path, key()) if path.exists() else first_weights()
