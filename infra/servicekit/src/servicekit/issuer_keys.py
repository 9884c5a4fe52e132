"""The issuer's public keys: fetched from its JWKS URL in time, so that no request waits for it."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import httpx
import jwt
import structlog

from servicekit import metrics
from servicekit.errors import DependencyAway
from servicekit.loops import Pulse, pause

log = structlog.get_logger()

ALGORITHMS = frozenset({"EdDSA", "RS256"})
RSA_BITS_MIN = 2_048
# A key that the issuer takes away stops verifying after this time; a setting may change it.
REFRESH_SECONDS = 30.0
# While the issuer does not answer, the keys that are known go on verifying for so long.
KEPT_SECONDS_MAX = 86_400.0
# An unknown key id fetches at once, but never more often than this, whatever callers send.
FETCH_PAUSE_SECONDS = 10.0
FETCH_TIMEOUT_SECONDS = 3.0
DOCUMENT_BYTES_MAX = 256 * 1024


class IssuerKeys(Protocol):
    """Where public keys are found."""

    async def find(self, key_id: str) -> jwt.PyJWK | None:
        """Return the key, None if the issuer has none of this id; `DependencyAway` if unknown."""
        ...


class FixedKeys:
    """Keys that stay as they are given."""

    def __init__(self, *keys: jwt.PyJWK) -> None:
        self._keys = {key.key_id: key for key in keys}

    async def find(self, key_id: str) -> jwt.PyJWK | None:
        return self._keys.get(key_id)


class PublishedKeys:
    """Keys behind a URL, fetched by a loop and, for a key id never seen, by the request itself.

    A fetch that fails changes nothing: what is known is used until it is `kept_seconds_max` old,
    then, as before the first fetch, nobody's token can be judged and `DependencyAway` is raised.
    One set of keys of a process is `measured`: the age of those of the platform's issuer.
    """

    def __init__(
        self,
        url: str,
        *,
        refresh_seconds: float = REFRESH_SECONDS,
        kept_seconds_max: float = KEPT_SECONDS_MAX,
        fetch_pause_seconds: float = FETCH_PAUSE_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
        measured: bool = True,
    ) -> None:
        self._url = url
        self._refresh_seconds = refresh_seconds
        self._kept_seconds_max = kept_seconds_max
        self._fetch_pause_seconds = fetch_pause_seconds
        self._monotonic = monotonic
        self._measured = measured
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._turn = asyncio.Lock()
        # Reading all authorities takes tens of milliseconds in which nothing else runs: once.
        self._authorities = httpx.create_ssl_context(trust_env=False)

    async def find(self, key_id: str) -> jwt.PyJWK | None:
        if not self._usable() or key_id not in self._keys:
            await self._fetch_unless_just_tried()
        if not self._usable():
            raise DependencyAway("the issuer of tokens does not answer, and no key is known")
        return self._keys.get(key_id)

    async def run(self, pulse: Pulse, stopping: asyncio.Event) -> None:
        """Fetch again and again."""
        while not stopping.is_set():
            pulse.beat()
            await self.fetch()
            await pause(stopping, self._refresh_seconds)

    async def fetch(self) -> bool:
        """Take what the issuer publishes now; False if it does not answer with keys."""
        self._tried_at = self._monotonic()
        try:
            self._keys = keys_of(await self._document())
        except (httpx.HTTPError, TimeoutError, ValueError, RecursionError) as error:
            metrics.ISSUER_KEY_FETCHES.labels("failed").inc()
            log.warning("keys of the issuer not fetched", error=repr(error))
            return False
        self._fetched_at = self._monotonic()
        metrics.ISSUER_KEY_FETCHES.labels("fetched").inc()
        if self._measured:
            metrics.ISSUER_KEYS_FETCHED.set(time.time())
        return True

    async def _fetch_unless_just_tried(self) -> None:
        # Whoever waited for the turn finds what the one before has fetched.
        async with self._turn:
            tried_at = self._tried_at
            if tried_at is None or self._monotonic() - tried_at >= self._fetch_pause_seconds:
                await self.fetch()

    def _usable(self) -> bool:
        if self._fetched_at is None:
            return False
        return self._monotonic() - self._fetched_at < self._kept_seconds_max

    async def _document(self) -> Any:
        body = b""
        async with (
            asyncio.timeout(FETCH_TIMEOUT_SECONDS),
            httpx.AsyncClient(
                timeout=FETCH_TIMEOUT_SECONDS, trust_env=False, verify=self._authorities
            ) as http,
            http.stream("GET", self._url) as response,
        ):
            response.raise_for_status()
            async for part in response.aiter_bytes():
                body += part
                if len(body) > DOCUMENT_BYTES_MAX:
                    raise ValueError("the document of keys is too large")
        return json.loads(body)


def keys_of(document: Any) -> Mapping[str, jwt.PyJWK]:
    """Return the usable keys of a JWKS by id; those for other uses or algorithms are left out.

    Raises `ValueError` for what is no JWKS. One without keys is one: everything was revoked.
    """
    if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
        raise ValueError("this is not a set of keys")
    usable: dict[str, jwt.PyJWK] = {}
    for one in document["keys"]:
        if isinstance(one, dict) and (key := _usable_key(one)) is not None:
            usable.setdefault(str(one["kid"]), key)
    return usable


def _usable_key(parameters: dict[str, Any]) -> jwt.PyJWK | None:
    """Return a public key for signatures, None for anything else."""
    kinds = {"RSA": "RS256", "OKP": "EdDSA"}
    algorithm = kinds.get(str(parameters.get("kty")))
    if (
        algorithm is None
        or parameters.get("alg", algorithm) != algorithm
        or parameters.get("use", "sig") != "sig"
        or not isinstance(parameters.get("kid"), str)
        or "d" in parameters  # A private key in public is nobody's secret any more.
    ):
        return None
    try:
        key = jwt.PyJWK(parameters, algorithm)
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    return key if getattr(key.key, "key_size", RSA_BITS_MIN) >= RSA_BITS_MIN else None
