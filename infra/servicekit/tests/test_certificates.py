"""When certificates run out is seen from outside while they are still good."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from prometheus_client import REGISTRY

from infra.native.security import NativeSecurity
from infra.servicekit.tests.lamp import LampSettings
from servicekit.certificates import Certificates, certificate_files, runs_out_at
from servicekit.loops import Pulse

SOON = datetime(2031, 5, 4, 12, tzinfo=UTC)
LATER = SOON + timedelta(days=90)


def pem(until: datetime, *, with_key: bool = False) -> bytes:
    """Return a certificate as a file holds it, behind its key where a client shows it."""
    key = Ed25519PrivateKey.generate()
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    builder = x509.CertificateBuilder(name, name, key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(until - timedelta(days=365)).not_valid_after(until)
    shown = builder.sign(key, None).public_bytes(Encoding.PEM)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private + shown if with_key else shown


def runs_out(credential: str) -> float | None:
    return REGISTRY.get_sample_value(
        "sosst_credential_expiry_timestamp_seconds", {"credential": credential}
    )


def settings_of(uri: str, ca_file: str = "") -> LampSettings:
    return LampSettings(
        mode="development",
        mongodb_uri=uri,
        mongodb_database="lamps",
        kafka_bootstrap_servers="127.0.0.1:9",
        kafka_ca_file=ca_file,
        instance_id="lamp-1",
        http_port=1,
        health_port=2,
        auth_issuer="https://issuer.example",
        auth_audience="lamp",
        auth_jwks_url="https://issuer.example/keys",
    )


@pytest.mark.parametrize(
    ("uri", "ca_file", "found"),
    [
        ("mongodb://a:1,b:2/?replicaSet=r", "", {}),
        ("mongodb://a:1/?tls=true", "/ca.pem", {"kafka_ca": "/ca.pem"}),
        (
            "mongodb://user:p%40ss@a:1,b:2/lamps?tlsCAFile=%2Fm%20ca.pem&tlscertificatekeyfile=/c",
            "",
            {"mongodb_ca": "/m ca.pem", "mongodb_client": "/c"},
        ),
        ("mongodb://a/?tlsCAFile=/new\nmongodb://a/?tlsCAFile=/old", "", {"mongodb_ca": "/new"}),
    ],
)
def test_the_files_are_those_that_the_settings_name(
    uri: str, ca_file: str, found: dict[str, str]
) -> None:
    """Of several addresses the one that connects; what nobody gave runs out never."""
    files = certificate_files(settings_of(uri, ca_file))
    assert files == {name: Path(file) for name, file in found.items()}


@pytest.mark.parametrize("order", [(SOON, LATER), (LATER, SOON)])
def test_of_several_certificates_the_first_to_run_out_counts(
    tmp_path: Path, order: tuple[datetime, datetime]
) -> None:
    """Nobody knows which of them signed; keys and comments beside them are passed over."""
    file = tmp_path / "all.pem"
    first, second = order
    file.write_bytes(b"# ours\n" + pem(first, with_key=True) + pem(second))
    assert runs_out_at(file) == SOON


def test_the_certificate_of_a_real_broker_is_read(tmp_path: Path) -> None:
    """As the JDK's own tool writes it."""
    left = runs_out_at(NativeSecurity(tmp_path).ca_file) - datetime.now(UTC)
    assert timedelta(days=300) < left < timedelta(days=400)


async def test_a_renewed_file_is_seen_and_a_broken_one_forgets_nothing(tmp_path: Path) -> None:
    """What cannot be read for a moment is said in the log, and ends no loop."""
    file = tmp_path / "ca.pem"
    file.write_bytes(pem(SOON))
    stopping = asyncio.Event()
    looks = Certificates({"mongodb_client": file}, look_seconds=0.01)
    running = asyncio.create_task(looks.run(Pulse("certificates"), stopping))

    async def seen(until: datetime) -> None:
        async with asyncio.timeout(30):
            while runs_out("mongodb_client") != until.timestamp():
                await asyncio.sleep(0.01)

    await seen(SOON)
    for broken in (b"", b"no certificate", pem(LATER)[:100]):
        file.write_bytes(broken)
        looks.measure()
        assert runs_out("mongodb_client") == SOON.timestamp()
    file.unlink()
    looks.measure()
    assert runs_out("mongodb_client") == SOON.timestamp() and not running.done()
    file.write_bytes(pem(LATER))
    await seen(LATER)
    stopping.set()
    await running


def test_every_credential_is_there_from_the_start() -> None:
    """0 where no file is given, so that an alert can tell one from a metric that is missing."""
    assert runs_out("kafka_ca") is not None and runs_out("mongodb_ca") is not None
