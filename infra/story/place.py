"""Where a suite is: its servers, the prefix of its names, and its services if they are known."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

from infra.native import NativeStack, given_addresses
from infra.native.addresses import Addresses
from infra.native.folders import state_folder
from infra.sandbox.issuer.client import IssuerClient
from infra.sandbox.issuer.tokens import STAFF
from infra.suite import Suite
from servicekit.kafka import KafkaConnection

PREFIX_VARIABLE = "TOPIC_PREFIX"
TOKEN_VARIABLE = "STORY_TOKEN"


class NothingThere(Exception):
    """No suite was started here and no addresses are given."""


@dataclass(frozen=True, slots=True)
class Place:
    """Names on the servers begin with `prefix`; `urls` holds the services that can be asked.

    `issuer` is a development issuer, which gives anybody a token.
    """

    addresses: Addresses
    prefix: str
    urls: Mapping[str, str] = field(default_factory=dict)
    issuer: IssuerClient | None = None

    @property
    def connection(self) -> KafkaConnection:
        servers = self.addresses.kafka_bootstrap_servers
        return KafkaConnection(servers, "story", topic_prefix=self.prefix)

    async def token(self, environment: Mapping[str, str] = os.environ) -> str | None:
        """Return the token that is given, else one of staff from the suite's issuer, else None."""
        given = environment.get(TOKEN_VARIABLE)
        if given or self.issuer is None:
            return given
        try:
            return await self.issuer.token(STAFF)
        except httpx.HTTPError:
            return None


async def find_place(environment: Mapping[str, str] = os.environ) -> Place:
    """Return the suite of `make up`, on its own servers or on those that are given.

    With `TOPIC_PREFIX` and given addresses it is any suite; its services are then not asked.
    """
    given = given_addresses(environment)
    prefix = environment.get(PREFIX_VARIABLE)
    if given is not None and prefix is not None:
        return Place(given, prefix)
    folder = state_folder() / "suite"
    if not folder.exists():
        raise NothingThere(
            "nothing was started with make up; else give both addresses and TOPIC_PREFIX"
        )
    suite = Suite(folder, given or NativeStack(detached=True).addresses, detached=True)
    await suite.provider.http.aclose()
    urls = {name: service.url for name, service in suite.services.items()}
    return Place(suite.addresses, suite.prefix, urls, suite.tokens)
