"""The secret that a subscriber shares with this server, and the signature over what it is sent.

A secret is derived from the server's key, so none is kept: https://www.rfc-editor.org/rfc/rfc2104.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from hashlib import sha256

SIGNATURE = "X-Jiankang-Signature"
EVENT = "X-Jiankang-Event"
"""The event's number; the same number may come twice, and says then the same."""


def secret_of(key: bytes, subscriber: str, number: int) -> str:
    """The `number`-th secret of a subscriber, as 64 hexadecimal digits."""
    return hmac.new(key, f"subscription\x1f{subscriber}\x1f{number}".encode(), sha256).hexdigest()


def signature(secret: str, body: bytes) -> str:
    """The value of the header over a body: `sha256=` and the HMAC with the secret's text as key."""
    return "sha256=" + hmac.new(secret.encode(), body, sha256).hexdigest()


TOKEN_SECONDS = 300
_BETWEEN = "~"
"""No id has it."""


def token_for(key: bytes, subscribers: Sequence[str], expires: int) -> str:
    """A token that lets whoever has it be told of subscriptions on a socket, until a moment (seconds since 1970)."""
    named = _BETWEEN.join(subscribers)
    return f"{expires}.{_seal(key, named, expires)}.{named}"


def bearer_of(key: bytes, token: str, now: float) -> list[str]:
    """The subscribers that a token is for; none when it is not ours or too old."""
    expires, _, rest = token.strip().partition(".")
    seal, _, named = rest.partition(".")
    if not (expires.isascii() and expires.isdigit() and len(expires) < 16) or int(expires) < now:
        return []
    genuine = hmac.compare_digest(seal.encode("utf-8", "replace"), _seal(key, named, int(expires)).encode())
    return named.split(_BETWEEN) if genuine else []


def _seal(key: bytes, named: str, expires: int) -> str:
    return hmac.new(key, f"socket\x1f{named}\x1f{expires}".encode("utf-8", "surrogatepass"), sha256).hexdigest()
