"""Who is who: registrations made comparable, scored, and judged by rules that a steward can read."""

from __future__ import annotations

from jiankang.foundation.identity.blocking import KINDS, Key, keys
from jiankang.foundation.identity.linking import say_one
from jiankang.foundation.identity.model import Record, Written, WrittenAddress, WrittenDocument, WrittenName
from jiankang.foundation.identity.normalise import Normaliser, written, written_row
from jiankang.foundation.identity.opening import open_index
from jiankang.foundation.identity.reasons import MENDABLE, REASONS, Reason, reason
from jiankang.foundation.identity.rules import Answer, Verdict, judge
from jiankang.foundation.identity.score import Part, Score, explain, score_pair, score_sql, scorer
from jiankang.foundation.identity.signing import weights_in_force
from jiankang.foundation.identity.weights import Weights, first_weights, read_weights

__all__ = [
    "KINDS", "MENDABLE", "REASONS", "Answer", "Key", "Normaliser", "Part", "Reason", "Record", "Score", "Verdict", "Weights", "Written",
    "WrittenAddress", "WrittenDocument", "WrittenName", "explain", "first_weights", "judge", "keys", "open_index", "read_weights", "reason",
    "say_one", "score_pair", "score_sql", "scorer", "weights_in_force", "written", "written_row",
]  # fmt: skip
