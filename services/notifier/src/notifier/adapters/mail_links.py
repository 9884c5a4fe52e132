"""What only we can have made: return paths of mails, and links that turn mails off.

Both are signed by HMAC-SHA256 and name things by ids alone. A return path fits in front of an `@`,
where sixty-four letters of either case find room; a link that turns off never ends, one that
confirms says when it was made.
"""

import re
from collections.abc import Sequence

from notifier.domain.follow import FollowWish
from notifier.domain.personal_link import PersonalLink
from notifier.ports.email import ReturnPath, Unsubscription
from servicekit.signatures import Signatures, SignedFields

# A signature for one use is good for no other.
RETURN_PATH = b"sosst notifier return path v1\n"
UNSUBSCRIBE = b"sosst notifier unsubscribe v1\n"
FOLLOW = b"sosst notifier follow v1\n"
PERSONAL = b"sosst notifier personal link v1\n"
RETURN_PATH_CHARACTERS = 16
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
        """Take the secrets; raises `ValueError` as `Signatures` does."""
        self._paths = Signatures(RETURN_PATH, secrets, RETURN_PATH_CHARACTERS)
        self._unsubscriptions = SignedFields(UNSUBSCRIBE, secrets)
        self._follows = SignedFields(FOLLOW, secrets)
        # By the id of their key, the one that signs first.
        self._personal = {_key_id(one): SignedFields(PERSONAL, [one]) for one in secrets}
        self._domain = domain
        self._unsubscribe_url = unsubscribe_url
        self._follow_url = follow_url
        self._personal_url = personal_url

    def return_path(self, path: ReturnPath) -> str:
        named = f"{path.delivery_key}-{path.place}-{path.address_mark}"
        return f"bounce+{named}-{self._paths.sign(named)}@{self._domain}"

    def read_return_path(self, address: str) -> ReturnPath | None:
        mailbox = address.strip().strip("<>").partition("@")[0].casefold()
        found = _PATH.fullmatch(mailbox)
        if found is None:
            return None
        key, place, mark, given = found.groups()
        if not self._paths.verifies(given, f"{key}-{place}-{mark}"):
            return None
        return ReturnPath(key, int(place), mark)

    def unsubscribe(self, person_id: str, campaign_id: str) -> str:
        """Return the link that turns this person's mails about this campaign off."""
        return f"{self._unsubscribe_url}?link={self._unsubscriptions.write(person_id, campaign_id)}"

    def read_unsubscribe(self, token: str) -> Unsubscription | None:
        """Return what a link says, None if it is not one of ours."""
        fields = self._unsubscriptions.read(token)
        return Unsubscription(*fields) if fields else None

    def follow(self, wish: FollowWish) -> str:
        token = self._follows.write(wish.person_id, wish.campaign_id, wish.asked_at)
        return f"{self._follow_url}?link={token}"

    def read_follow(self, token: str) -> FollowWish | None:
        fields = self._follows.read(token)
        return FollowWish(*fields) if fields else None

    def personal(self, link: PersonalLink) -> str:
        key_id, signed = next(iter(self._personal.items()))
        token = signed.write(link.person_id, link.campaign_id, link.issued_at)
        return f"{self._personal_url}?link={key_id}-{token}"

    def read_personal(self, token: str) -> PersonalLink | None:
        """Return what a link says; the key that it names must have signed it."""
        key_id, _, rest = token.partition("-")
        signed = self._personal.get(key_id)
        fields = signed.read(rest) if signed else None
        return PersonalLink(*fields) if fields else None


def _key_id(secret: str) -> str:
    """Return which secret signed, without telling anything of it."""
    return Signatures(PERSONAL, [secret], 8).sign("key id")
