"""Download links: for one file of one job, one actor and some time, signed so that none can be made up.

https://hl7.org/fhir/uv/bulkdata/export.html#file-request
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from hashlib import sha256

from jiankang.kernel.errors import Forbidden

LINK_SECONDS = 3_600
"""How long a link works; asking for the status again gives fresh ones."""


def sign(secret: bytes, job_id: str, name: str, actor: str, until: int) -> str:
    """The signature of a link that works until `until` (seconds since 1970)."""
    text = "\x1f".join(("bulk file", job_id, name, actor, str(until)))
    return urlsafe_b64encode(hmac.digest(secret, text.encode("utf-8", "surrogatepass"), sha256)).rstrip(b"=").decode()


def link(base_url: str, secret: bytes, job_id: str, name: str, actor: str, now: float) -> str:
    """A link to a file of a job, for this actor."""
    until = int(now) + LINK_SECONDS
    return f"{base_url}/_bulk/{job_id}/{name}?until={until}&signature={sign(secret, job_id, name, actor, until)}"


def check(
    secret: bytes, job_id: str, name: str, actor: str, until: str | None, signature: str | None, now: float
) -> None:
    """Raises Forbidden for a link that is not ours, is another actor's, or is too old."""
    if not until or not signature or not until.isascii() or not until.isdigit() or len(until) > 12:
        raise Forbidden("take the link from the status of the job: it is signed")
    expected = sign(secret, job_id, name, actor, int(until))
    if not hmac.compare_digest(expected.encode(), signature.encode("utf-8", "surrogatepass")):
        raise Forbidden("this link was changed, or is another's: take it from the status of the job")
    if now > int(until):
        raise Forbidden("this link is too old: ask for the status of the job again, it gives fresh ones")
