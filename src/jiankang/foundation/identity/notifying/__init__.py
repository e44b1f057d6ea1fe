"""Tells others of persons that change: IHE PMIR, https://profiles.ihe.net/ITI/PMIR/."""

from __future__ import annotations

from jiankang.foundation.identity.notifying.delivering import Notifier
from jiankang.foundation.identity.notifying.subscribing import Subscribing

__all__ = ["Notifier", "Subscribing"]
