"""Makes Python look for rings of unreachable objects seldom: a batch makes thousands, all reached.

By itself it looks after every 700 new objects, a batch of facts makes a hundred times as many, and
each look that finds them alive goes on to older ones. Nearly everything here is freed without it.
"""

import gc

NEW_OBJECTS = 50_000


def look_seldom() -> None:
    """Leave what the start made out of every look, and look after a batch or so; repeatable."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS)
