"""Groups of commands over an encrypted connection, to a server that a certificate names."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest
from aiosmtpd.smtp import SMTP
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from notifier.adapters.smtp import SmtpServer
from notifier.adapters.smtp_connection import SmtpAccount
from notifier.domain.cause import CauseKind
from notifier.ports.email import Answered
from services.notifier.tests.letters import letter, letter_writer
from services.notifier.tests.mail_server import Box

NAME = "localhost"


@pytest.fixture
def encrypting(tmp_path: Path) -> ssl.SSLContext:
    """The server's side, with a certificate that signs itself; its file is `server.pem`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(hours=1))
    builder = builder.not_valid_after(now + timedelta(hours=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
    certificate = builder.sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    formats = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = tmp_path / "server.pem"
    file.write_bytes(certificate.public_bytes(pem) + key.private_bytes(pem, *formats))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    return context


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_groups_go_through_an_encrypted_connection(
    encrypting: ssl.SSLContext,
    security: Literal["starttls", "tls"],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each of fifty comes once; to a server that nobody vouches for nothing goes."""
    box = Box(tmp_path, grouped=True)
    later = encrypting if security == "starttls" else None

    def speak() -> SMTP:
        return SMTP(box.sink, hostname=NAME, tls_context=later, require_starttls=later is not None)

    at_once = encrypting if security == "tls" else None
    loop = asyncio.get_running_loop()
    listener = await loop.create_server(speak, "127.0.0.1", 0, ssl=at_once)
    port = listener.sockets[0].getsockname()[1]
    server = SmtpServer(SmtpAccount(NAME, port, security, "tests.invalid", timeout_seconds=20))
    mail = letter_writer().write(letter(CauseKind.REFUND_SUCCEEDED))
    async with listener:
        assert (await server.send(mail)).answered is Answered.AWAY
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "server.pem"))
        answers = await asyncio.gather(*(server.send(mail) for _ in range(50)))
        await server.close()
    assert {one.answered for one in answers} == {Answered.TAKEN}
    assert box.store.counted()["mails"] == 50
