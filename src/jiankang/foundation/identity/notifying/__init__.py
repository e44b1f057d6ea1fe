"""Tells others of persons that change: IHE PMIR, https://profiles.ihe.net/ITI/PMIR/; and how any subscriber is reached."""

from __future__ import annotations

from jiankang.foundation.identity.notifying.delivering import Notifier
from jiankang.foundation.identity.notifying.sending import (
    FIRST_WAIT,
    GIVE_UP,
    TIMEOUT_SECONDS,
    TYPE,
    check_endpoint,
    check_host,
    mark,
    may_be_told,
    named_headers,
    open_client,
    send,
    wait_after,
    wrong,
)
from jiankang.foundation.identity.notifying.subscribing import Subscribing, activate, is_for_persons

__all__ = [
    "FIRST_WAIT",
    "GIVE_UP",
    "TIMEOUT_SECONDS",
    "TYPE",
    "Notifier",
    "Subscribing",
    "activate",
    "check_endpoint",
    "check_host",
    "is_for_persons",
    "mark",
    "may_be_told",
    "named_headers",
    "open_client",
    "send",
    "wait_after",
    "wrong",
]
