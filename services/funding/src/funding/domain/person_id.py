"""What a person's id may be: whatever the issuer of their tokens calls them.

As the topics have it, without control characters: those are in no real id, and notifier lets none
into a path. A slash may be in it; who is called so is told and mailed, and has no inbox by HTTP.
"""

import re

CHARACTERS_MAX = 200
PATTERN = r"^[^\x00-\x1f\x7f]+$"


def is_person_id(text: str) -> bool:
    return len(text) <= CHARACTERS_MAX and re.fullmatch(PATTERN, text) is not None
