"""The image archives that send, and how each writes: fictitious ones of real kinds."""

from __future__ import annotations

from dataclasses import dataclass

from region.messages.senders import CHINESE_HIS, MOTHERS_HIS, PEOPLES_HIS, System


@dataclass(frozen=True, slots=True)
class Archive:
    """An image archive: its application entity title, and how it writes names."""

    id: str
    name: str
    title: str
    system: System
    """The hospital's information system: its patients' numbers are the archive's too."""
    charset: str
    encoding: str

    @property
    def names(self) -> list[str]:
        """How the region knows it."""
        return [f"{self.title}|"]

    @property
    def authorities(self) -> dict[str, str]:
        """What the region agreed on: the same as for the hospital's messages."""
        return self.system.authorities


ARCHIVES = (
    Archive("cm-rmyy-pacs", "澄迈县人民医院 PACS", "CMRMYY_PACS", PEOPLES_HIS, "ISO_IR 192", "utf-8"),
    Archive("cm-zyy-pacs", "澄迈县中医院 PACS", "CMZYY_PACS", CHINESE_HIS, "GB18030", "gb18030"),
    Archive("cm-fby-pacs", "澄迈县妇幼保健院 超声", "CMFBY_US", MOTHERS_HIS, "GBK", "gbk"),
)
