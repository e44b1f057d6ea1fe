"""How often Python looks for circular garbage: seldom, in processes that make and drop many small objects."""

from __future__ import annotations

import gc

_NEW_OBJECTS = 20_000
_GENERATIONS = (20, 100)


def collect_seldom() -> None:
    """What is there now is never looked at again, what is made later every 20,000 objects instead of every 700.

    Bodies of resources are trees, so next to nothing circular comes about; a fifth of the time of preparing them for
    writing went into looking for it.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, *_GENERATIONS)
