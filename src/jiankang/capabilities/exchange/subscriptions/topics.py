"""What can be subscribed to by name: the topics of this server.

In R4 a topic is known by its canonical URL only (http://hl7.org/fhir/uv/subscriptions-backport/components.html#subscription-topics-in-r4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jiankang.fhir.definitions import load

BASE = "urn:jiankang:SubscriptionTopic:"


@dataclass(frozen=True, slots=True)
class Trigger:
    """What has to happen to a resource of a type: `member` gets one of the values, which it did not have before."""

    type: str
    member: str = ""
    becomes: frozenset[str] = frozenset()

    def happened(self, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> bool:
        """Whether it is what happened between two versions; None: there was, or is, no resource."""
        if not self.becomes:
            return True
        if after is None or after.get(self.member) not in self.becomes:
            return False
        return before is None or before.get(self.member) not in self.becomes


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic. One without triggers is about every change of the types that the subscriber's filters name."""

    name: str
    title: str
    title_zh: str
    triggers: tuple[Trigger, ...] = ()

    @property
    def url(self) -> str:
        """The canonical URL."""
        return BASE + self.name

    def trigger(self, type_name: str) -> Trigger | None:
        """What has to happen to a resource of a type; None when the topic is not about it."""
        if not self.triggers:
            return Trigger(type_name)
        return next((one for one in self.triggers if one.type == type_name), None)

    @property
    def types(self) -> tuple[str, ...]:
        """The types that it is about when the subscriber names none."""
        return tuple(one.type for one in self.triggers)


def _becomes(type_name: str, *values: str) -> Trigger:
    return Trigger(type_name, "status", frozenset(values))


_TOPICS = (
    Topic("any-change", "Anything of the types that the filters name was created, changed or deleted", "任何变更"),
    Topic(
        "patient-admit", "A patient came: an encounter is in progress", "患者入院/就诊",
        (_becomes("Encounter", "in-progress", "arrived", "triaged"),),
    ),
    Topic("patient-discharge", "A patient left: an encounter is finished", "患者出院/离院", (_becomes("Encounter", "finished"),)),
    Topic(
        "result-final", "A report is final", "报告审核发布",
        (_becomes("DiagnosticReport", "final", "amended", "corrected", "appended"),),
    ),
    Topic(
        "result-corrected", "A final report was changed or taken back", "报告更正或撤回",
        (_becomes("DiagnosticReport", "amended", "corrected", "appended", "entered-in-error"),),
    ),
    Topic("order-placed", "Something was ordered or referred", "开立申请/转诊", (_becomes("ServiceRequest", "active"),)),
    Topic("appointment-booked", "An appointment was booked", "预约成功", (_becomes("Appointment", "booked"),)),
    Topic("appointment-cancelled", "An appointment was cancelled", "预约取消", (_becomes("Appointment", "cancelled"),)),
    Topic("document-available", "A document is to be had", "文档可用", (_becomes("DocumentReference", "current"),)),
    Topic("immunization-given", "A vaccine was given", "接种完成", (_becomes("Immunization", "completed"),)),
)  # fmt: skip

TOPICS: Mapping[str, Topic] = {one.url: one for one in _TOPICS}


def topic_or_none(url: str) -> Topic | None:
    """The topic of a canonical URL, with or without a version; `…:any-change:Observation` is about one type alone."""
    plain = url.partition("|")[0]
    found = TOPICS.get(plain)
    if found is not None:
        return found
    base, _, type_name = plain.rpartition(":")
    if base == f"{BASE}any-change" and load().is_resource(type_name):
        return Topic(
            f"any-change:{type_name}", f"Any change of {type_name}", f"{type_name} 的任何变更", (Trigger(type_name),)
        )
    return None


def is_topic(criteria: str) -> bool:
    """Whether criteria are a URL (of a topic) and no search."""
    return criteria.startswith(("http://", "https://", "urn:"))
