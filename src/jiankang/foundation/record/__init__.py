"""The record: one FHIR R4 store for the region. Write, read, history, search, transactions, feed, bulk.

Other rooms enter here; `README.md` names the parts.
"""

from __future__ import annotations

from jiankang.foundation.record.store import Change, Prepared, Record, Stored, Transaction, prepare

__all__ = ["Change", "Prepared", "Record", "Stored", "Transaction", "prepare"]
