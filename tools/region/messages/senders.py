"""The systems that send, and how each writes: fictitious ones of real kinds."""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32

CITIZEN = "urn:oid:2.16.156.10011.1.3"
CARD = "urn:oid:2.16.156.10011.1.19"


@dataclass(frozen=True, slots=True)
class System:
    """A sending system: MSH-3, MSH-4, the authority of its patients' numbers, and how it writes."""

    id: str
    name: str
    application: str
    facility: str
    authority: str
    charset: str = "UNICODE UTF-8"
    encoding: str = "utf-8"
    version: str = "2.5.1"

    @property
    def names(self) -> list[str]:
        """How its messages name it."""
        return [f"{self.application}|{self.facility}"]

    @property
    def authorities(self) -> dict[str, str]:
        """What the region agreed on: the numbers of each house, and those of everybody."""
        houses = {one.authority: f"urn:jiankang:facility:{one.facility}" for one in SENDERS}
        return {**houses, "NID": CITIZEN, "EHC": CARD}


_GB = {"charset": "GB 18030-2000", "encoding": "gb18030"}
PEOPLES_HIS = System("cm-rmyy-his", "澄迈县人民医院 HIS", "HIS", "CMRMYY", "CMRMYY")
PEOPLES_LIS = System("cm-rmyy-lis", "澄迈县人民医院 LIS", "LIS", "CMRMYY", "CMRMYY", version="2.4")
CHINESE_HIS = System("cm-zyy-his", "澄迈县中医院 HIS", "HIS", "CMZYY", "CMZYY", version="2.4", **_GB)
CHINESE_LIS = System("cm-zyy-lis", "澄迈县中医院 LIS", "LIS", "CMZYY", "CMZYY", version="2.3.1", **_GB)
MOTHERS_HIS = System("cm-fby-his", "澄迈县妇幼保健院 HIS", "HIS", "CMFBY", "CMFBY", version="2.8")
LABORATORY = System("hk-lab", "海口区域检验中心 LIS", "RLIS", "HKLAB", "HKLAB", version="2.5.1")
CENTRE = System("cm-jjzx", "金江镇中心卫生院", "PHIS", "CMJJZX", "CMJJZX", version="2.4")
CLINIC = System("cm-cws", "澄迈县村卫生室平台", "VHIS", "CMCWS", "CMCWS", version="2.3", **_GB)
PRIVATE = System("cm-mygs", "澄迈民营诊所联合系统", "CLOUD", "CMMYGS", "CMMYGS")
VACCINES = System("cm-yfjz", "澄迈县预防接种平台", "IIS", "CMYFJZ", "CMYFJZ")
AMBULANCE = System("cm-120", "澄迈县 120 急救", "EMS", "CM120", "CM120")
TRAVEL = System("sy-lymz", "三亚旅游门诊", "TRAVEL", "SYLYMZ", "SYLYMZ")
SENDERS = (
    PEOPLES_HIS, PEOPLES_LIS, CHINESE_HIS, CHINESE_LIS, MOTHERS_HIS, LABORATORY, CENTRE, CLINIC, PRIVATE, VACCINES,
    AMBULANCE, TRAVEL,
)  # fmt: skip
_BY_KIND = {
    "hospital": (PEOPLES_HIS, CHINESE_HIS, MOTHERS_HIS), "centre": (CENTRE,), "clinic": (CLINIC,), "archive": (CENTRE,),
    "vaccination": (VACCINES,), "private": (PRIVATE,), "emergency": (AMBULANCE,), "travel": (TRAVEL,),
}  # fmt: skip
LABORATORIES = {"CMRMYY": PEOPLES_LIS, "CMZYY": CHINESE_LIS}
"""The laboratory system of a facility; the others send their samples to the regional one."""


def system_of(source: str, kind: str) -> System:
    """The system that registers people for a source of the population."""
    among = _BY_KIND[kind]
    return among[crc32(source.encode()) % len(among)]
