"""Ed25519 keys that sign the ledger's heads; public halves are shown to anyone."""

import base64
import binascii
import hashlib
from collections.abc import Mapping, Sequence

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SEED_BYTES = 32


class LedgerKeys:
    """`ports.HeadKeys`: the first key signs, all of them verify."""

    def __init__(self, seeds: Sequence[str]) -> None:
        """Take the keys' seeds: 32 bytes each, in base64; raises `ValueError` for others."""
        if not seeds:
            raise ValueError("there is no key")
        keys = [Ed25519PrivateKey.from_private_bytes(_seed(one)) for one in seeds]
        self._keys = {_id_of(key): key for key in keys}
        self.current = _id_of(keys[0])

    def sign(self, message: bytes) -> str:
        return self._keys[self.current].sign(message).hex()

    def verifies(self, key_id: str, message: bytes, signature: str) -> bool | None:
        key = self._keys.get(key_id)
        if key is None:
            return None
        try:
            key.public_key().verify(bytes.fromhex(signature), message)
        except (InvalidSignature, ValueError):
            return False
        return True

    def public(self) -> Mapping[str, str]:
        return {
            key_id: base64.b64encode(_public(key)).decode() for key_id, key in self._keys.items()
        }


def _seed(text: str) -> bytes:
    try:
        seed = base64.b64decode(text, validate=True)
    except binascii.Error:
        seed = b""
    if len(seed) != SEED_BYTES:
        raise ValueError("a key is 32 bytes in base64")
    return seed


def _public(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()


def _id_of(key: Ed25519PrivateKey) -> str:
    return hashlib.sha256(_public(key)).hexdigest()[:16]
