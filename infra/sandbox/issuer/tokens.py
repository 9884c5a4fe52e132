"""What stands in a development token, and who it can be made for."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from servicekit.auth import DEVELOPMENT_ISSUER

DEVELOPMENT_AUDIENCE = "sosst"
VALID_SECONDS = 3_600


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who calls: a person or a service, and what they are."""

    subject: str
    roles: tuple[str, ...] = ()


STAFF = Caller("staff-1", ("staff",))
SERVICE = Caller("platform", ("service",))


def creator(person_id: str) -> Caller:
    return Caller(person_id, ("creator",))


def backer(person_id: str) -> Caller:
    return Caller(person_id, ("backer",))


def claims_of(
    caller: Caller, seconds_valid: int = VALID_SECONDS, audience: str = DEVELOPMENT_AUDIENCE
) -> Mapping[str, Any]:
    """Return the claims of a token for this caller."""
    now = int(time.time())
    return {
        "iss": DEVELOPMENT_ISSUER,
        "aud": audience,
        "sub": caller.subject,
        "roles": list(caller.roles),
        "iat": min(now, now + seconds_valid),
        "exp": now + seconds_valid,
    }
