"""Replies sealed by AES-256-GCM under keys of our settings, each for its own place alone."""

import hashlib
import json
import secrets
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from servicekit.documents import read_as
from updates.domain.reward_reply import Sealed
from updates.ports.questionnaires import Address, KeyAway, ReplyPlace, Words

# What is sealed for this use opens for no other.
USE = b"sosst updates reward reply v1\n"
KEY_CHARACTERS_MIN = 32
NONCE_BYTES = 12


class AesReplySealer:
    """`ports.Sealer`: the first key seals, all of them open."""

    def __init__(self, keys: Sequence[str]) -> None:
        """Take the keys; raises `ValueError` for none, or for one that can be guessed."""
        if not keys or any(len(key) < KEY_CHARACTERS_MIN for key in keys):
            raise ValueError(f"a key has at least {KEY_CHARACTERS_MIN} characters")
        self._keys = {_key_id(key): AESGCM(_made_of(key)) for key in keys}
        self.key_id = _key_id(keys[0])

    def seal(self, place: ReplyPlace, words: Words) -> Sealed:
        nonce = secrets.token_bytes(NONCE_BYTES)
        box = self._keys[self.key_id].encrypt(nonce, _bytes_of(words), _bound_to(place))
        return Sealed(self.key_id, nonce + box)

    def open(self, place: ReplyPlace, sealed: Sealed) -> Words:
        key = self._keys.get(sealed.key_id)
        if key is None:
            raise KeyAway(f"a reply needs the key {sealed.key_id}, which is not configured")
        nonce, box = sealed.box[:NONCE_BYTES], sealed.box[NONCE_BYTES:]
        try:
            return _words_of(key.decrypt(nonce, box, _bound_to(place)))
        except InvalidTag:
            raise KeyAway("a reply was changed, or sealed for another pledge") from None


def _bound_to(place: ReplyPlace) -> bytes:
    return USE + json.dumps(place).encode()


def _made_of(key: str) -> bytes:
    return hashlib.sha256(USE + b"key material\n" + key.encode()).digest()


def _key_id(key: str) -> str:
    """Return what names a key and tells nothing of it."""
    return hashlib.sha256(USE + b"key name\n" + key.encode()).hexdigest()[:16]


def _bytes_of(words: Words) -> bytes:
    address = words.address
    fields = None
    if address is not None:
        names = ("name", "lines", "postcode", "city", "region", "country", "telephone")
        fields = {name: getattr(address, name) for name in names}
    return json.dumps({"choices": dict(words.choices), "address": fields}).encode()


def _words_of(text: bytes) -> Words:
    said = json.loads(text)
    address = said["address"]
    if address is not None:
        address = read_as(Address, address, lines=tuple(address["lines"]))
    return Words(said["choices"], address)
