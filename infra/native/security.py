"""Passwords, keys and certificates of one secured stack: files that only their owner reads.

Kafka: SASL_SSL with SCRAM-SHA-512 for clients and among brokers, and nobody may do what no ACL
allows. MongoDB: every client names itself, members know each other by a key file. The users here
are the administrators'; a service's own are made by whoever sets a suite up.
"""

import secrets
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from infra.native import prerequisites
from infra.native.errors import NativeStackError

ADMIN, BROKER = "admin", "broker"
MECHANISM = "SCRAM-SHA-512"
YEAR_DAYS = "365"


@dataclass(frozen=True, slots=True)
class NativeSecurity:
    """Everything secret of one stack; made at the first look, kept with the stack's data."""

    folder: Path

    @property
    def ca_file(self) -> Path:
        """The certificate (PEM) that all brokers show; it is its own authority."""
        self._keystore()
        return self.folder / "ca.pem"

    @property
    def admin_user(self) -> str:
        return ADMIN

    @property
    def admin_password(self) -> str:
        """The administrator's, of Kafka and of MongoDB."""
        return self._kept("admin-password")

    @property
    def key_file(self) -> Path:
        """By which mongods know each other."""
        self._kept("mongodb-key")
        return self.folder / "mongodb-key"

    def as_user(self, mongodb_uri: str, user: str, password: str) -> str:
        """The address with a user in it; users are kept in the database `admin`."""
        parts = urlsplit(mongodb_uri)
        return parts._replace(
            netloc=f"{user}:{password}@{parts.netloc}", query=f"{parts.query}&authSource=admin"
        ).geturl()

    def administered(self, mongodb_uri: str) -> str:
        """The address for the administrator."""
        return self.as_user(mongodb_uri, ADMIN, self.admin_password)

    def scram_users(self) -> list[str]:
        """What `kafka-storage format` takes: users that exist before the first start."""
        users = {ADMIN: self.admin_password, BROKER: self._broker_password()}
        return [f"{MECHANISM}=[name={n},password={p},iterations=4096]" for n, p in users.items()]

    def broker_settings(self) -> str:
        """What a secured broker has beyond an open one.

        Controllers cannot read SCRAM users before they have elected a leader: they use PLAIN.
        """
        password = self._broker_password()
        own = f'required username="{BROKER}" password="{password}"'
        scram = "org.apache.kafka.common.security.scram.ScramLoginModule"
        plain = "org.apache.kafka.common.security.plain.PlainLoginModule"
        controller = f'{own} user_{BROKER}="{password}"'
        return "\n".join(
            [
                "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                "allow.everyone.if.no.acl.found=false",
                f"super.users=User:{ADMIN};User:{BROKER}",
                f"sasl.mechanism.inter.broker.protocol={MECHANISM}",
                "sasl.mechanism.controller.protocol=PLAIN",
                f"listener.name.client.sasl.enabled.mechanisms={MECHANISM}",
                f"listener.name.broker.sasl.enabled.mechanisms={MECHANISM}",
                "listener.name.controller.sasl.enabled.mechanisms=PLAIN",
                f"listener.name.client.scram-sha-512.sasl.jaas.config={scram} required;",
                f"listener.name.broker.scram-sha-512.sasl.jaas.config={scram} {own};",
                f"listener.name.controller.plain.sasl.jaas.config={plain} {controller};",
                "ssl.keystore.type=PKCS12",
                f"ssl.keystore.location={self._keystore()}",
                f"ssl.keystore.password={self._kept('keystore-password')}",
                "ssl.truststore.type=PEM",
                f"ssl.truststore.location={self.ca_file}",
                "",
            ]
        )

    def _broker_password(self) -> str:
        return self._kept("broker-password")

    def _kept(self, name: str) -> str:
        """A secret that is chosen once; its file is readable for its owner only."""
        file = self.folder / name
        if not file.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            file.touch(mode=0o600)
            file.write_text(secrets.token_hex(24))
        return file.read_text()

    def _keystore(self) -> Path:
        """The brokers' key, made by the JDK's own tool, with the certificate beside it."""
        store = self.folder / "broker.p12"
        if not store.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            place = ["-keystore", str(store), "-storetype", "PKCS12", "-alias", "broker"]
            place += ["-storepass", self._kept("keystore-password")]
            for_loopback = ["-dname", "CN=127.0.0.1", "-ext", "san=ip:127.0.0.1"]
            key = ["-genkeypair", "-keyalg", "EC", "-groupname", "secp256r1"]
            _keytool([*key, "-validity", YEAR_DAYS, *for_loopback, *place])
            _keytool(["-exportcert", "-rfc", "-file", str(self.folder / "ca.pem"), *place])
            store.chmod(0o600)
        return store


def _keytool(arguments: list[str]) -> None:
    prerequisites.ensure(maven=False)
    tool = Path(prerequisites.java_command()).with_name("keytool")
    done = subprocess.run([str(tool), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NativeStackError(f"keytool failed with {done.returncode}:\n{done.stdout}")
