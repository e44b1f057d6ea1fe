"""MLLP: messages over a connection, each in a frame. HL7 Minimal Lower Layer Protocol, release 1.

https://www.hl7.org/documentcenter/public/wg/inm/mllp_transport_specification.PDF
"""

from __future__ import annotations

from jiankang.capabilities.exchange.hl7v2.mllp.framing import END, START, framed
from jiankang.capabilities.exchange.hl7v2.mllp.listening import Limits, Listener, Peer
from jiankang.capabilities.exchange.hl7v2.mllp.sending import Outlet, Unanswered, send
from jiankang.capabilities.exchange.hl7v2.mllp.tls import client_tls, server_tls

__all__ = [
    "END",
    "START",
    "Limits",
    "Listener",
    "Outlet",
    "Peer",
    "Unanswered",
    "client_tls",
    "framed",
    "send",
    "server_tls",
]
