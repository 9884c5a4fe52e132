"""A suite on servers that ask who one is: a user for each service, with only its own.

Passwords and addresses that hold one are files in the suite's folder that only their owner reads;
the services are given the files' names.
"""

import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pymongo import AsyncMongoClient
from pymongo.errors import OperationFailure

from infra.kafka import read_rights
from infra.kafka.apply import carry_out_rights, plan_rights
from infra.kafka.cluster import connect
from infra.native import Addresses
from infra.native.security import NativeSecurity
from servicekit.kafka import KafkaSecurity

USER_EXISTS = 51003


@dataclass(frozen=True, slots=True)
class SuiteAccess:
    """Users of one suite; its prefix is also theirs, so that suites on one cluster stay apart."""

    folder: Path
    addresses: Addresses
    security: NativeSecurity
    prefix: str

    def administrator(self) -> KafkaSecurity:
        """Who makes topics, users and rights, and looks at everything."""
        own = self.security
        return KafkaSecurity(own.admin_user, own.admin_password, str(own.ca_file))

    def administered_uri(self) -> str:
        """MongoDB for the administrator."""
        return self.security.administered(self.addresses.mongodb_uri)

    def user(self, service: str) -> str:
        return self.prefix + service

    def kafka(self, service: str) -> KafkaSecurity:
        """A service as the brokers know it."""
        password = self._password_file(service).read_text()
        return KafkaSecurity(self.user(service), password, str(self.security.ca_file))

    def mongodb_uri(self, service: str) -> str:
        """MongoDB as a service reaches it."""
        return self._uri_file(service).read_text()

    def environment(self, service: str) -> dict[str, str]:
        """The settings that take the place of an address without a user."""
        return {
            "MONGODB_URI_FILE": str(self._uri_file(service)),
            "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "KAFKA_CA_FILE": str(self.security.ca_file),
            "KAFKA_USER": self.user(service),
            "KAFKA_PASSWORD_FILE": str(self._password_file(service)),
        }

    async def grant(self, service: str, database: str) -> None:
        """Make the service's two users and give them what the topic files say, and its database.

        `dbAdmin` is for `migrate`, which sets validators.
        """
        password = self._password_file(service).read_text()
        async with connect(self.addresses.kafka_bootstrap_servers, self.administrator()) as cluster:
            await cluster.users.set_password(self.user(service), password)
            wanted = read_rights(prefix=self.prefix, service=service)
            await carry_out_rights(cluster, await plan_rights(cluster, wanted, revoke=True))
        roles = [{"role": role, "db": database} for role in ("readWrite", "dbAdmin")]
        client: AsyncMongoClient[dict[str, Any]]
        async with AsyncMongoClient(self.administered_uri()) as client:
            try:
                await client.admin.command(
                    "createUser", self.user(service), pwd=password, roles=roles
                )
            except OperationFailure as failure:
                if failure.code != USER_EXISTS:
                    raise

    def _password_file(self, service: str) -> Path:
        return self._kept(f"{service}-password", secrets.token_hex(24))

    def _uri_file(self, service: str) -> Path:
        password = self._password_file(service).read_text()
        uri = self.security.as_user(self.addresses.mongodb_uri, self.user(service), password)
        return self._kept(f"{service}-mongodb-uri", uri)

    def _kept(self, name: str, content: str) -> Path:
        file = self.folder / "secrets" / name
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.touch(mode=0o600)
            file.write_text(content)
        return file
