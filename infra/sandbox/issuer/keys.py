"""Keys that sign tokens, and the file that they outlive a restart in."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from jwt.algorithms import OKPAlgorithm, RSAAlgorithm

ALGORITHMS = ("EdDSA", "RS256")


class KeysUnreadable(Exception):
    """The file is not one that this program wrote."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key with the id under which its public half is published."""

    key_id: str
    algorithm: str
    private: Ed25519PrivateKey | RSAPrivateKey

    @classmethod
    def generate(cls, algorithm: str = "EdDSA") -> SigningKey:
        key_id = secrets.token_hex(8)
        if algorithm == "RS256":
            return cls(key_id, algorithm, generate_private_key(65_537, 2_048))
        return cls(key_id, algorithm, Ed25519PrivateKey.generate())

    def sign(self, claims: Mapping[str, Any], headers: Mapping[str, Any] | None = None) -> str:
        """Return the token, whatever the claims say."""
        named = {"kid": self.key_id} | dict(headers or {})
        return jwt.encode(dict(claims), self.private, self.algorithm, named)

    def public(self) -> dict[str, Any]:
        """Return the public half as the issuer publishes it."""
        return self._described(_parameters(self.private.public_key()))

    def stored(self) -> dict[str, Any]:
        return self._described(_parameters(self.private))

    @classmethod
    def restored(cls, stored: Mapping[str, Any]) -> SigningKey:
        return cls(stored["kid"], stored["alg"], jwt.PyJWK(dict(stored)).key)

    def _described(self, parameters: dict[str, Any]) -> dict[str, Any]:
        return parameters | {"kid": self.key_id, "alg": self.algorithm, "use": "sig"}


def _parameters(key: Any) -> dict[str, Any]:
    rsa = hasattr(key, "key_size")
    return (RSAAlgorithm if rsa else OKPAlgorithm).to_jwk(key, as_dict=True)


class KeyFile:
    """The issuer's keys, newest last; the newest signs, all of them are published."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.keys: Sequence[SigningKey] = self._read()
        if not self.keys:
            self._keep([SigningKey.generate()])

    @property
    def current(self) -> SigningKey:
        return self.keys[-1]

    def rotate(self, algorithm: str = "EdDSA", *, forget: bool) -> SigningKey:
        """Sign with a new key from now on; `forget` takes the old ones out of what is published."""
        new = SigningKey.generate(algorithm)
        self._keep([new] if forget else [*self.keys, new])
        return new

    def _read(self) -> list[SigningKey]:
        if not self._path.exists():
            return []
        try:
            first, *more = json.loads(self._path.read_text())
            return [SigningKey.restored(one) for one in (first, *more)]
        except (ValueError, KeyError, TypeError, jwt.PyJWTError) as error:
            raise KeysUnreadable(f"{self._path.name} holds no keys: {error!r}") from None

    def _keep(self, keys: list[SigningKey]) -> None:
        """Write all keys; a kill leaves the old file or the new one."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        written = self._path.with_suffix(".new")
        with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump([key.stored() for key in keys], file)
            file.flush()
            os.fsync(file.fileno())
        written.replace(self._path)
        self.keys = keys
