"""Who may: the actor of every interaction and the restriction that limits what they see.

A restriction is one predicate in two forms: a function over the facts of a resource, and SQL over its row in
`resource`. Search, include, chain, count, history, export and every operation apply the same one, so that no
route can forget it. People, tokens and consent fill it in later; until then there is the local operator.
"""

from jiankang.foundation.access.keeping import keep, restore
from jiankang.foundation.access.model import LOCAL_OPERATOR, Actor, Audit, AuditEvent, NoAudit
from jiankang.foundation.access.restrictions import (
    EVERYTHING,
    NOTHING,
    AllOf,
    AnyOf,
    InCompartment,
    Labelled,
    Not,
    Restriction,
    TypeIn,
    compartment_key,
    label_key,
    resource_key,
)

__all__ = [
    "EVERYTHING",
    "LOCAL_OPERATOR",
    "NOTHING",
    "Actor",
    "AllOf",
    "AnyOf",
    "Audit",
    "AuditEvent",
    "InCompartment",
    "Labelled",
    "NoAudit",
    "Not",
    "Restriction",
    "TypeIn",
    "compartment_key",
    "keep",
    "label_key",
    "resource_key",
    "restore",
]
