"""Search parameters of our own: posted as SearchParameter, learnt by every process, indexed in the background."""

from __future__ import annotations

from jiankang.foundation.record.reindexing.catalogue import Catalogue
from jiankang.foundation.record.reindexing.definitions import ask
from jiankang.foundation.record.reindexing.progress import Progress, progress

__all__ = ["Catalogue", "Progress", "ask", "progress"]
