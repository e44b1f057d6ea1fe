"""Subscriptions: whoever subscribed is told of what happens, by HTTP, on a socket, or by mail."""

from __future__ import annotations

from jiankang.capabilities.exchange.subscriptions.couriers import Couriers, Patience
from jiankang.capabilities.exchange.subscriptions.opening import open_subscriptions
from jiankang.capabilities.exchange.subscriptions.operations import SOCKET
from jiankang.capabilities.exchange.subscriptions.records import Standing, standing
from jiankang.capabilities.exchange.subscriptions.sockets import listen

__all__ = ["SOCKET", "Couriers", "Patience", "Standing", "listen", "open_subscriptions", "standing"]
