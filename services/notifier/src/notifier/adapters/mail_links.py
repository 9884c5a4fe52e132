"""What only we can have made: return paths of mails, and links that turn mails off.

Both are signed by HMAC-SHA256 and name things by ids alone. A return path fits in front of an `@`,
where sixty-four letters of either case find room; a link that turns off never ends, one that
confirms says when it was made.
"""

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Sequence
from typing import Any

from notifier.domain.follow import FollowWish
from notifier.domain.personal_link import PersonalLink
from notifier.ports.email import ReturnPath, Unsubscription

# A signature for one use is good for no other.
RETURN_PATH = b"sosst notifier return path v1\n"
UNSUBSCRIBE = b"sosst notifier unsubscribe v1\n"
FOLLOW = b"sosst notifier follow v1\n"
PERSONAL = b"sosst notifier personal link v1\n"
SECRET_CHARACTERS_MIN = 16
TEXT_CHARACTERS_MAX = 1_200
_PATH = re.compile(r"bounce\+([0-9a-f]{20})-(\d{1,4})-([0-9a-f]{8})-([0-9a-f]{16})")


class SignedMailLinks:
    """`ports.email.MailLinks`: the first secret signs, all of them verify."""

    def __init__(
        self,
        secrets: Sequence[str],
        domain: str,
        unsubscribe_url: str,
        follow_url: str = "",
        personal_url: str = "",
    ) -> None:
        """Take the secrets; raises `ValueError` for none, or for one that can be guessed."""
        if not secrets or any(len(one) < SECRET_CHARACTERS_MIN for one in secrets):
            raise ValueError(f"a secret has at least {SECRET_CHARACTERS_MIN} characters")
        self._secrets = [one.encode() for one in secrets]
        self._domain = domain
        self._unsubscribe_url = unsubscribe_url
        self._follow_url = follow_url
        self._personal_url = personal_url

    def return_path(self, path: ReturnPath) -> str:
        named = f"{path.delivery_key}-{path.place}-{path.address_mark}"
        signature = _signature(self._secrets[0], RETURN_PATH, named.encode()).hex()[:16]
        return f"bounce+{named}-{signature}@{self._domain}"

    def read_return_path(self, address: str) -> ReturnPath | None:
        mailbox = address.strip().strip("<>").partition("@")[0].casefold()
        found = _PATH.fullmatch(mailbox)
        if found is None:
            return None
        key, place, mark, given = found.groups()
        named = f"{key}-{place}-{mark}".encode()
        made = (_signature(one, RETURN_PATH, named).hex()[:16] for one in self._secrets)
        if not any(hmac.compare_digest(one, given) for one in made):
            return None
        return ReturnPath(key, int(place), mark)

    def unsubscribe(self, person_id: str, campaign_id: str) -> str:
        """Return the link that turns this person's mails about this campaign off."""
        return f"{self._unsubscribe_url}?link={self._token(UNSUBSCRIBE, [person_id, campaign_id])}"

    def follow(self, wish: FollowWish) -> str:
        named = [wish.person_id, wish.campaign_id, wish.asked_at]
        return f"{self._follow_url}?link={self._token(FOLLOW, named)}"

    def read_follow(self, token: str) -> FollowWish | None:
        named = self._read(FOLLOW, token)
        return FollowWish(*named) if named else None

    def personal(self, link: PersonalLink) -> str:
        named = [link.person_id, link.campaign_id, link.issued_at]
        token = self._token(PERSONAL, named)
        return f"{self._personal_url}?link={_key_id(self._secrets[0])}-{token}"

    def read_personal(self, token: str) -> PersonalLink | None:
        """Return what a link says; the key that it names must have signed it."""
        key_id, _, rest = token.partition("-")
        mine = [one for one in self._secrets if _key_id(one) == key_id]
        named = _read(PERSONAL, rest, mine)
        return PersonalLink(*named) if named else None

    def read_unsubscribe(self, token: str) -> Unsubscription | None:
        """Return what a link says, None if it is not one of ours."""
        named = self._read(UNSUBSCRIBE, token)
        return Unsubscription(*named) if named else None

    def _token(self, use: bytes, named: list[Any]) -> str:
        message = json.dumps(named, separators=(",", ":")).encode()
        return f"{_text(message)}.{_text(_signature(self._secrets[0], use, message))}"

    def _read(self, use: bytes, token: str) -> list[Any] | None:
        return _read(use, token, self._secrets)


def _read(use: bytes, token: str, secrets: Sequence[bytes]) -> list[Any] | None:
    """Return what one of these secrets signed for this use, None for anything else."""
    if len(token) > TEXT_CHARACTERS_MAX:
        return None
    named, _, given = token.partition(".")
    try:
        message, signature = _bytes(named), _bytes(given)
    except (ValueError, binascii.Error):
        return None
    made = (_signature(one, use, message) for one in secrets)
    if not any(hmac.compare_digest(one, signature) for one in made):
        return None
    found: list[Any] = json.loads(message)
    return found


def _key_id(secret: bytes) -> str:
    """Return which secret signed, without telling anything of it."""
    return _signature(secret, PERSONAL, b"key id").hex()[:8]


def _signature(secret: bytes, use: bytes, message: bytes) -> bytes:
    return hmac.new(secret, use + message, hashlib.sha256).digest()


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
