"""Exchange: what arrives from hospitals and leaves to them, in the languages that they speak already."""

from __future__ import annotations

from jiankang.capabilities.exchange.room import Exchange, open_exchange

__all__ = ["Exchange", "open_exchange"]
