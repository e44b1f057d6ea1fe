"""Questions that other systems ask by HL7 v2, answered at once from the record: chapter 5, IHE PDQ, PIX, CDC Z34.

https://profiles.ihe.net/ITI/TF/Volume2/ITI-21.html, https://profiles.ihe.net/ITI/TF/Volume2/ITI-9.html
"""

from __future__ import annotations

from jiankang.capabilities.exchange.hl7v2.queries.answering import KINDS, answer

__all__ = ["KINDS", "answer"]
