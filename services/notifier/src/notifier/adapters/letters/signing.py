"""DKIM: a signature by the sender's domain, over what readers see and may press.

The library counts RSA in Python itself, which takes a hundred times as long as the rest of a mail
and keeps everything else in the process waiting; OpenSSL does that one step in its place.
"""

from functools import lru_cache
from typing import Any

import dkim
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPrivateNumbers,
    RSAPublicNumbers,
)
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256

SIGNED = (
    b"From",
    b"To",
    b"Subject",
    b"Date",
    b"Message-ID",
    b"In-Reply-To",
    b"References",
    b"MIME-Version",
    b"Content-Type",
    b"List-Unsubscribe",
    b"List-Unsubscribe-Post",
)


class DkimSigner:
    """Signs with an RSA key (PEM); the public half stands in `SELECTOR._domainkey.DOMAIN`."""

    def __init__(self, domain: str, selector: str, key: str) -> None:
        self._domain, self._selector, self._key = domain.encode(), selector.encode(), key.encode()
        dkim.RSASSA_PKCS1_v1_5_sign = _signed

    def __call__(self, content: bytes) -> bytes:
        """Return the header that goes in front of the mail."""
        present = {line.partition(b":")[0].lower() for line in _head(content)}
        signed = [name for name in SIGNED if name.lower() in present]
        header: bytes = dkim.sign(
            content,
            self._selector,
            self._domain,
            self._key,
            signature_algorithm=b"rsa-sha256",
            canonicalize=(b"relaxed", b"relaxed"),
            include_headers=signed,
        )
        return header


def _signed(hashed: Any, numbers: dict[str, int]) -> bytes:
    """Sign as the library's own function does, with the key as it has read it."""
    return _key(*sorted(numbers.items())).sign(hashed.digest(), PKCS1v15(), Prehashed(SHA256()))


@lru_cache(maxsize=4)
def _key(*numbers: tuple[str, int]) -> RSAPrivateKey:
    named = dict(numbers)
    private = RSAPrivateNumbers(
        p=named["prime1"],
        q=named["prime2"],
        d=named["privateExponent"],
        dmp1=named["exponent1"],
        dmq1=named["exponent2"],
        iqmp=named["coefficient"],
        public_numbers=RSAPublicNumbers(e=named["publicExponent"], n=named["modulus"]),
    )
    return private.private_key()


def _head(content: bytes) -> list[bytes]:
    return content.partition(b"\r\n\r\n")[0].split(b"\r\n")
