"""Sandbox and four services on given Kafka and MongoDB, apart from any other suite there."""

import asyncio
import base64
import hashlib
import json
import secrets
import subprocess
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Self

from infra.kafka import ensure_topics, read_topics
from infra.native import Addresses
from infra.native.security import NativeSecurity
from infra.sandbox.issuer.client import IssuerClient
from infra.sandbox.issuer.tokens import DEVELOPMENT_AUDIENCE
from infra.sandbox.mail.client import MailClient
from infra.sandbox.provider.client import SandboxClient
from infra.suite.access import SuiteAccess
from infra.suite.processes import (
    HttpProcess,
    IssuerProcess,
    MailProcess,
    SandboxProcess,
    ServiceProcess,
)
from servicekit.auth import DEVELOPMENT_ISSUER
from servicekit.kafka import KafkaConnection
from servicekit.mongo import Database
from servicekit.schema import migrate

SERVICES = ("funding", "payouts", "updates", "notifier")
SANDBOX_KEY = "sk_test_suite"
FLOAT_CURRENCIES = ("EUR",)
FLOAT_MINOR_UNITS = 10_000_000

# Nobody, with a number that a check of its digits takes.
SELLER = json.dumps(
    {
        "name": "Plateforme SAS",
        "address": "1 rue de l'Exemple, 75001 Paris",
        "siren": "123456782",
        "vat_id": "FR32123456782",
    }
)
# Seconds instead of minutes and days, so that a story is told while somebody watches.
QUICK_SETTINGS: dict[str, dict[str, str]] = {
    "funding": {"SETTLE_SECONDS": "1"},
    "payouts": {
        "COOLING_OFF_SECONDS": "0",
        "LEASE_SECONDS": "6",
        "PROVIDER_TIMEOUT_SECONDS": "2",
        "PROVIDER_CONSISTENCY_SECONDS": "0",
        "BOOKS_CHECK_SECONDS": "1",
    },
    "updates": {"RECOVERY_PLAN_SECONDS": "6", "RECOVERY_REMINDERS_SECONDS": "2,4"},
    "notifier": {"LEASE_SECONDS": "4"},
}


class Suite:
    """All processes of one suite, with their state below one folder.

    As an asynchronous context manager it starts everything and stops it at the end; its
    processes die with this one. `detached=True` lives until `stop()`, from whatever process.
    Topics and databases carry `prefix`, which stays with the folder. With `mail` notifier writes to
    people by a mail sandbox; without it that channel is off. On a secured stack `security`
    is the stack's own, and each service has users of its own (`access`).
    """

    def __init__(
        self,
        folder: Path,
        addresses: Addresses,
        *,
        detached: bool = False,
        seed: int = 0,
        settings: Mapping[str, Mapping[str, str]] = QUICK_SETTINGS,
        security: NativeSecurity | None = None,
        mail: bool = False,
    ) -> None:
        self.folder = folder
        self.addresses = addresses
        self._detached = detached
        self._settings = settings
        folder.mkdir(parents=True, exist_ok=True)
        self.prefix = self._kept_prefix()
        self.access = SuiteAccess(folder, addresses, security, self.prefix) if security else None
        self.sandbox = SandboxProcess(folder / "sandbox", detached, seed)
        self.provider = SandboxClient(self.sandbox.url)
        self.mail = MailProcess(folder / "mail", detached) if mail else None
        self.issuer = IssuerProcess(folder / "issuer", detached)
        self.tokens = IssuerClient(self.issuer.url)
        self.services = {name: self.instance(name, 1) for name in SERVICES}

    @property
    def surroundings(self) -> list[HttpProcess]:
        """What stands around the four services and is not part of the suite."""
        return [self.sandbox, self.issuer, *([self.mail] if self.mail else [])]

    def instance(self, service: str, number: int, *, wait: bool = True) -> ServiceProcess:
        """Return a further instance of a service, not started."""
        instance = f"{service}-{number}"
        return ServiceProcess(
            self.folder / instance,
            self._detached,
            service,
            instance,
            self._environment(service),
            wait=wait,
        )

    def database(self, service: str) -> str:
        """Return the name of a service's database."""
        return f"{self.prefix}{service}"

    def connection(self, client_id: str) -> KafkaConnection:
        """Return the way to Kafka for whoever looks at the suite, or plays the platform."""
        servers = self.addresses.kafka_bootstrap_servers
        security = self.access.administrator() if self.access else None
        return KafkaConnection(servers, client_id, self.prefix, security)

    @property
    def mongodb_uri(self) -> str:
        """MongoDB for whoever looks at the suite."""
        return self.access.administered_uri() if self.access else self.addresses.mongodb_uri

    def topic(self, name: str) -> str:
        """Return the name of a topic on the cluster."""
        return f"{self.prefix}{name}"

    async def start(self, *services: str) -> None:
        """Start the surroundings, topics, schemas and the services (default all)."""
        await self.start_surroundings(*services)
        await asyncio.gather(
            *(asyncio.to_thread(self.services[name].start) for name in services or SERVICES)
        )

    async def start_missing(self) -> None:
        """Start what does not run yet, or nothing (`make up` twice is one suite)."""
        all_of_it = [*self.surroundings, *self.services.values()]
        missing = [process for process in all_of_it if process.process is None]
        try:
            if any(process.process is None for process in self.surroundings):
                await self.start_surroundings()
            stopped = [p for p in self.services.values() if p.process is None]
            await asyncio.gather(*(asyncio.to_thread(process.start) for process in stopped))
        except BaseException:
            # Nobody who was refused looks for processes that run on.
            await asyncio.gather(*(asyncio.to_thread(process.stop) for process in missing))
            raise

    async def start_surroundings(self, *services: str, topics: bool = True) -> None:
        """Start what the services (default all) need: sandboxes with a float, topics, databases."""
        stopped = [process for process in self.surroundings if process.process is None]
        await asyncio.gather(*(asyncio.to_thread(process.start) for process in stopped))
        for currency in FLOAT_CURRENCIES:
            await self.provider.top_up(FLOAT_MINOR_UNITS, currency, key=f"float-{currency}")
        await self._register_webhooks()
        if self.mail is not None:
            url = f"{self.services['notifier'].url}/mail-reports"
            await MailClient(self.mail.url).report_to(url, self.report_secret)
        if topics:
            await self.make_topics()
        if self.access is not None:
            for name in SERVICES:
                await self.access.grant(name, self.database(name))
        await asyncio.gather(
            *(asyncio.to_thread(self.migrate, name) for name in services or SERVICES)
        )

    async def make_topics(self) -> None:
        """Make every topic that the contracts name."""
        security = self.access.administrator() if self.access else None
        servers = self.addresses.kafka_bootstrap_servers
        await ensure_topics(servers, read_topics(), self.prefix, security=security)

    def migrate(self, service: str) -> None:
        """Make a service's collections and indexes.

        From here: a third of what a suite costs until it runs was the start of four processes for
        it. Where each service has a user of its own, it is done by that one's right to do it.
        """
        if self.access is None:
            asyncio.run(self._migrate(service))
            return
        command = self.services[service].command("migrate")
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    async def _migrate(self, service: str) -> None:
        schema = import_module(f"{service}.adapters.schema").SCHEMA
        database = Database.connect(self.addresses.mongodb_uri, self.database(service), "suite")
        await migrate(database, schema)
        database.close()

    async def stop(self) -> None:
        """Stop everything that runs; data stays."""
        processes = [*self.services.values(), *self.surroundings]
        await asyncio.gather(*(asyncio.to_thread(process.stop) for process in processes))

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()
        await self.provider.http.aclose()

    async def _register_webhooks(self) -> None:
        secret_file = self.folder / "webhook-secret"
        if not secret_file.exists():
            url = f"{self._payouts_url()}/webhooks/sandbox"
            endpoint = await self.provider.register_endpoint(url, key="payouts")
            secret_file.write_text(endpoint["secret"])
        self.services = {name: self.instance(name, 1) for name in SERVICES}

    def _payouts_url(self) -> str:
        return self.services["payouts"].url

    def _environment(self, service: str) -> dict[str, str]:
        environment = {
            "MONGODB_DATABASE": self.database(service),
            "KAFKA_BOOTSTRAP_SERVERS": self.addresses.kafka_bootstrap_servers,
            "TOPIC_PREFIX": self.prefix,
            "TOPIC_RETRY_SECONDS": "0.5",
            "MODE": "development",
            "AUTH_ISSUER": DEVELOPMENT_ISSUER,
            "AUTH_AUDIENCE": DEVELOPMENT_AUDIENCE,
            "AUTH_JWKS_URL": self.tokens.keys_url,
            "AUTH_KEYS_SECONDS": "5",
        }
        if self.access is not None:
            environment |= self.access.environment(service)
        else:
            environment["MONGODB_URI"] = self.addresses.mongodb_uri
        if service == "notifier":
            environment |= {
                "WEBHOOK_KEYS": hashlib.sha256(f"{self.prefix}webhooks".encode()).hexdigest(),
                "WEBHOOK_LOOPBACK": "true",
            }
        if service == "updates" and self.mail is not None:
            environment["LINK_TOKEN_JWKS_URL"] = f"{self._url('notifier')}/.well-known/jwks.json"
        if service == "updates":
            environment["REPLY_KEYS"] = hashlib.sha256(f"{self.prefix}replies".encode()).hexdigest()
            environment |= {
                # All instances of the suite share it.
                "MEDIA_STORE": (self.folder / "media").absolute().as_uri(),
                "MEDIA_LINK_SECRETS": hashlib.sha256(f"{self.prefix}media".encode()).hexdigest(),
            }
        if service == "payouts":
            secret_file = self.folder / "webhook-secret"
            environment |= {
                "PROVIDER_URL": self.sandbox.url,
                "PROVIDER_SECRET_KEY": SANDBOX_KEY,
                # The sandbox takes whatever comes.
                "PROVIDER_REQUESTS_PER_SECOND": "1000",
                "LEDGER_SIGNING_KEYS": self._seed(),
                "CLAIM_LINK_SECRETS": hashlib.sha256(f"{self.prefix}links".encode()).hexdigest(),
                "SELLER": SELLER,
                "PROVIDER_WEBHOOK_SECRET": secret_file.read_text()
                if secret_file.exists()
                else "not-registered-yet",
            }
        if service == "notifier" and self.mail is not None:
            environment |= self._mail_settings(self.mail)
        return environment | dict(self._settings.get(service, {}))

    def _mail_settings(self, mail: MailProcess) -> dict[str, str]:
        return {
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(mail.smtp_port),
            "SMTP_SECURITY": "none",
            # The sandbox takes whatever comes.
            "MAILS_PER_SECOND": "1000",
            "MAIL_RETRY_SECONDS": "1",
            # Mails are counted, one for each notice.
            "MAIL_WINDOW_SECONDS": "0",
            "MAIL_FROM": "news@sosst.example",
            "MAIL_FROM_NAME": "SOSST",
            "PLATFORM_URL": "https://sosst.example",
            "LINKS_URL": self._url("notifier"),
            "OWN_PAGES_URL": f"{self._url('updates')}/mine",
            "LINK_TOKEN_KEYS": self._seed("link tokens"),
            "MAIL_LINK_SECRETS": hashlib.sha256(f"{self.prefix}mail".encode()).hexdigest(),
            "MAIL_REPORT_SECRET": self.report_secret,
        }

    @property
    def report_secret(self) -> str:
        """What the mail sandbox hands over bounces and complaints with."""
        return hashlib.sha256(f"{self.prefix}reports".encode()).hexdigest()

    def _url(self, service: str) -> str:
        """Where a service's first instance is reached."""
        name = f"{service}-1"
        return HttpProcess(self.folder / name, self._detached, name).url

    def _seed(self, use: str = "") -> str:
        """A key that lives and ends with this suite, so whoever knows its prefix may know it."""
        return base64.b64encode(hashlib.sha256(f"{self.prefix}{use}".encode()).digest()).decode()

    def _kept_prefix(self) -> str:
        file = self.folder / "prefix"
        if not file.exists():
            file.write_text(f"s-{secrets.token_hex(3)}-")
        return file.read_text()
