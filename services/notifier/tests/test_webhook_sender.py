"""What leaves for an endpoint, and what a hostile one gets: nothing of our own network."""

import asyncio
import json
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from standardwebhooks import Webhook, WebhookVerificationError

from notifier.adapters.webhook_secrets import DerivedWebhookSecrets
from notifier.adapters.webhook_sender import HttpWebhookSender
from notifier.domain.public_address import is_loopback, is_public
from notifier.domain.webhook_endpoint import SendOutcome
from notifier.ports.webhooks import FeedFact
from services.notifier.tests.receiver import (
    NO_TLS,
    Answer,
    bomb,
    dripping_body,
    dripping_head,
    endless_body,
    endless_head,
    endless_hints,
    garbage,
    half_body,
    hung_up,
    receiver,
    silent,
    status,
)

BODY = json.dumps({"id": "funding.campaigns:c:1", "data": {"title": "é"}}).encode()
FACT = FeedFact("funding.campaigns", 0, 0, "funding.campaigns:c:1", "type", "c", BODY)
SECRETS = ["whsec_" + "A" * 32, "whsec_" + "B" * 32]


class Names:
    """A resolver stand-in: says for every name what it is told to, one answer after the other."""

    def __init__(self, *answers: list[str]) -> None:
        self._answers = list(answers)
        self.asked = 0

    async def resolve(self, host: str, port: int) -> list[str]:
        self.asked += 1
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


async def sent(sender: HttpWebhookSender, url: str) -> SendOutcome:
    try:
        return await sender.send(url, FACT, SECRETS, datetime.now(UTC))
    finally:
        await sender.close()


def local(answer_seconds: float = 15) -> HttpWebhookSender:
    return HttpWebhookSender(
        plain_http=True, trust=NO_TLS, loopback=True, answer_seconds=answer_seconds
    )


async def test_the_receiver_verifies_with_the_standards_library() -> None:
    """Each of the endpoint's secrets verifies, another does not; the body is the fact's bytes."""
    async with receiver() as hook:
        assert await sent(local(), hook.url) is SendOutcome.DELIVERED
    (taken,) = hook.taken
    assert taken.body == BODY and taken.headers["webhook-id"] == FACT.fact_id
    for secret in SECRETS:
        assert Webhook(secret).verify(taken.body, dict(taken.headers)) == json.loads(BODY)
    with pytest.raises(WebhookVerificationError):
        Webhook("whsec_" + "C" * 32).verify(taken.body, dict(taken.headers))


async def test_a_secret_is_made_again_as_long_as_its_key_is_there() -> None:
    """What the database holds signs nothing; a new key makes new ones and knows the old ones."""
    old, new = "o" * 32, "n" * 32
    drawn = DerivedWebhookSecrets([old]).draw("first", "staff-1", datetime.now(UTC))
    secret = DerivedWebhookSecrets([old]).secret("crm", drawn)
    assert secret is not None and DerivedWebhookSecrets([new, old]).secret("crm", drawn) == secret
    assert DerivedWebhookSecrets([new]).secret("crm", drawn) is None
    assert DerivedWebhookSecrets([old]).secret("other", drawn) != secret
    assert secret not in repr(drawn)
    for weak in ([], ["short"], [old, "short"]):
        with pytest.raises(ValueError, match="32"):
            DerivedWebhookSecrets(weak)


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        (200, SendOutcome.DELIVERED),
        (204, SendOutcome.DELIVERED),
        (400, SendOutcome.REFUSED),
        (401, SendOutcome.REFUSED),
        (410, SendOutcome.GONE),
        (429, SendOutcome.REFUSED),
        (500, SendOutcome.REFUSED),
        (503, SendOutcome.REFUSED),
    ],
)
async def test_the_status_decides(code: int, outcome: SendOutcome) -> None:
    """2xx is taken, 410 is gone, all else is to be tried again."""
    async with receiver(status(code, body=b"whatever it says")) as hook:
        assert await sent(local(), hook.url) is outcome


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_a_redirect_is_never_followed(code: int) -> None:
    """Where it points to is not asked, whatever it is."""
    async with receiver() as inside, receiver(status(code, f"location: {inside.url}")) as hook:
        assert await sent(local(), hook.url) is SendOutcome.REDIRECTED
    assert inside.connections == 0


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (silent, SendOutcome.SLOW),
        (dripping_head, SendOutcome.SLOW),
        (endless_hints, SendOutcome.SLOW),
        (hung_up, SendOutcome.UNREACHABLE),
        (status(101, "upgrade: other"), SendOutcome.UNREACHABLE),
        (status(500, "content-length: -5"), SendOutcome.UNREACHABLE),
        (bomb, SendOutcome.DELIVERED),
        (half_body, SendOutcome.DELIVERED),
        (endless_head, SendOutcome.UNREACHABLE),
        (endless_body, SendOutcome.DELIVERED),
        (dripping_body, SendOutcome.DELIVERED),
        (garbage, SendOutcome.UNREACHABLE),
        (status(200, body=b"x" * 1_000_000), SendOutcome.DELIVERED),
    ],
)
async def test_a_slow_or_endless_one_holds_nobody(answer: Answer, outcome: SendOutcome) -> None:
    """Who says 2xx has taken it, however long the talk behind it; who says none is let go of."""
    async with receiver(answer) as hook, asyncio.timeout(20):
        assert await sent(local(answer_seconds=3), hook.url) is outcome


async def test_nobody_there_is_unreachable() -> None:
    """A closed port and an unknown name are outcomes, not accidents."""
    async with receiver() as hook:
        url = hook.url
    assert await sent(local(), url) is SendOutcome.UNREACHABLE
    assert await sent(local(), "http://nobody.invalid/hook") is SendOutcome.UNREACHABLE


async def test_a_connection_is_kept() -> None:
    """Two facts in a row need one connection."""
    async with receiver() as hook:
        sender = local()
        for _ in range(2):
            outcome = await sender.send(hook.url, FACT, SECRETS, datetime.now(UTC))
            assert outcome is SendOutcome.DELIVERED
        await sender.close()
    assert (hook.connections, len(hook.taken)) == (1, 2)


INSIDE = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.8",
    "192.168.1.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:a9fe:a9fe",
    "::ffff:10.0.0.1",
    "::ffff:100.64.0.1",
    "::ffff:0:10.0.0.1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::100.64.0.1",
    "100.127.255.254",
    "169.254.170.2",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::1",
    "2001::7f00:1",
    "2002:7f00:1::",
    "2001:db8::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
    "",
    "localhost",
]
OUTSIDE = ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::8.8.8.8"]


def test_every_form_of_an_inside_address_is_known() -> None:
    """Private, loopback, link-local, metadata, mapped, translated and tunnelled ones are inside."""
    assert [address for address in INSIDE if is_public(address)] == []
    assert [address for address in OUTSIDE if not is_public(address)] == []
    loopback = [address for address in INSIDE + OUTSIDE if is_loopback(address)]
    assert loopback == ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"]


@pytest.mark.parametrize("address", INSIDE)
async def test_a_name_that_leads_inside_is_not_connected(address: str) -> None:
    """Whatever a name resolves to is judged before anything is sent."""
    sender = HttpWebhookSender(Names([address]), plain_http=True, trust=NO_TLS)
    assert await sent(sender, "http://hooks.example:9/") is SendOutcome.FORBIDDEN_ADDRESS


async def test_one_inside_address_among_good_ones_is_enough() -> None:
    """A name that answers with a public and an inside address is somebody trying."""
    sender = HttpWebhookSender(Names(["93.184.216.34", "10.0.0.1"]), plain_http=True, trust=NO_TLS)
    assert await sent(sender, "http://hooks.example:9/") is SendOutcome.FORBIDDEN_ADDRESS
    nowhere = HttpWebhookSender(Names([]), plain_http=True, trust=NO_TLS)
    assert await sent(nowhere, "http://hooks.example:9/") is SendOutcome.FORBIDDEN_ADDRESS


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "2130706433", "0x7f.1", "0177.0.0.1", "127.1", "0", "localhost"),
        *("[::1]", "[::ffff:7f00:1]"),
    ],
)
async def test_this_machine_by_any_spelling_is_refused_before_it_is_reached(host: str) -> None:
    """Decimal, octal, short and mapped spellings of loopback, by the system's own resolver."""
    async with receiver() as hook:
        sender = HttpWebhookSender(plain_http=True, trust=NO_TLS)
        outcome = await sent(sender, f"http://{host}:{hook.port}/")
        assert outcome in {SendOutcome.FORBIDDEN_ADDRESS, SendOutcome.UNREACHABLE}
    assert hook.connections == 0


async def test_loopback_is_for_who_said_so_and_only_loopback() -> None:
    """The setting of development opens this machine and no other inside address."""
    async with receiver() as hook:
        assert await sent(local(), hook.url) is SendOutcome.DELIVERED
    for address in set(INSIDE) - {"127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"}:
        sender = HttpWebhookSender(Names([address]), plain_http=True, trust=NO_TLS, loopback=True)
        assert await sent(sender, "http://hooks.example:9/") is SendOutcome.FORBIDDEN_ADDRESS


async def test_a_name_is_resolved_once_and_the_judged_address_is_the_one() -> None:
    """A name that says something else a moment later is not asked again (DNS rebinding)."""
    names = Names(["127.0.0.1"], ["10.0.0.1"])
    async with receiver() as hook:
        sender = HttpWebhookSender(names, plain_http=True, trust=NO_TLS, loopback=True)
        outcome = await sent(sender, f"http://hooks.example:{hook.port}/hook")
    assert outcome is SendOutcome.DELIVERED and names.asked == 1
    (taken,) = hook.taken
    assert taken.headers["host"] == f"hooks.example:{hook.port}"


async def test_a_name_that_turns_inside_is_judged_again_for_the_next_connection() -> None:
    """It was public when it was registered, and for the first fact; the second does not leave."""
    names = Names(["127.0.0.1"], ["127.0.0.1", "169.254.169.254"])
    async with receiver(status(204, "connection: close")) as hook:
        sender = HttpWebhookSender(names, plain_http=True, trust=NO_TLS, loopback=True)
        url = f"http://hooks.example:{hook.port}/hook"
        found = [await sender.send(url, FACT, SECRETS, datetime.now(UTC)) for _ in range(2)]
        await sender.close()
    assert found == [SendOutcome.DELIVERED, SendOutcome.FORBIDDEN_ADDRESS]
    assert (names.asked, hook.connections, len(hook.taken)) == (2, 1, 1)


async def test_a_receiver_of_which_one_address_is_down_is_there() -> None:
    """The next of those that were judged is tried, of a long list a few."""
    async with receiver() as hook:
        for addresses, outcome in (
            (["127.0.0.2", "127.0.0.1"], SendOutcome.DELIVERED),
            (["127.0.0.2", "127.0.0.3", "127.0.0.1"], SendOutcome.DELIVERED),
            (["127.0.0.2"] * 20 + ["127.0.0.1"], SendOutcome.UNREACHABLE),
            (["127.0.0.2", "10.0.0.1", "127.0.0.1"], SendOutcome.FORBIDDEN_ADDRESS),
        ):
            names = Names(addresses)
            sender = HttpWebhookSender(names, plain_http=True, trust=NO_TLS, loopback=True)
            assert await sent(sender, f"http://hooks.example:{hook.port}/") is outcome
            assert names.asked == 1
    assert len(hook.taken) == 2


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", SendOutcome.UNREACHABLE),
        (b"\x16\x03\x03\xff\xff" + b"\x00" * 70_000, SendOutcome.UNREACHABLE),
        (b"", SendOutcome.UNREACHABLE),
        (None, SendOutcome.SLOW),
    ],
    ids=["speaks plainly", "nonsense", "hangs up", "is silent"],
)
async def test_tls_that_breaks_is_an_outcome(answer: bytes | None, outcome: SendOutcome) -> None:
    """Nothing of the fact leaves before the name is proved."""
    heard = b""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal heard
        heard += await reader.read(70_000)
        if answer is None:
            heard += await reader.read()
        else:
            writer.write(answer)
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        sender = HttpWebhookSender(Names(["127.0.0.1"]), loopback=True, answer_seconds=3)
        assert await sent(sender, f"https://hooks.example:{port}/") is outcome
    assert heard and FACT.fact_id.encode() not in heard


@pytest.mark.parametrize(
    "url", ["http://hooks.example/", "ftp://hooks.example/", "file:///etc/passwd", "hooks.example"]
)
async def test_only_https_leaves_in_production(url: str) -> None:
    """Any other scheme is refused without asking for the name."""
    names = Names(["93.184.216.34"])
    outcome = await sent(HttpWebhookSender(names, trust=NO_TLS), url)
    assert outcome is SendOutcome.FORBIDDEN_ADDRESS and names.asked == 0


@pytest.fixture
def certified(tmp_path: Path) -> Callable[[str], tuple[ssl.SSLContext, ssl.SSLContext]]:
    """Make a server's context for a name, and what trusts it."""

    def make(name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(subject, subject, key.public_key())
        builder = builder.serial_number(x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(days=1))
        builder = builder.not_valid_after(now + timedelta(days=1))
        names = x509.SubjectAlternativeName([x509.DNSName(name)])
        authority = x509.BasicConstraints(ca=True, path_length=None)
        builder = builder.add_extension(names, critical=False)
        certificate = builder.add_extension(authority, critical=True).sign(key, hashes.SHA256())
        text = certificate.public_bytes(serialization.Encoding.PEM)
        secret = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        file = tmp_path / f"{name}.pem"
        file.write_bytes(secret + text)
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(file)
        return server, ssl.create_default_context(cadata=text.decode())

    return make


async def test_tls_proves_the_name_and_not_the_address(
    certified: Callable[[str], tuple[ssl.SSLContext, ssl.SSLContext]],
) -> None:
    """The connection is to an address, and its certificate must be the name's all the same."""
    server, trust = certified("hooks.example")
    async with receiver(tls=server) as hook:
        for name, outcome in (
            ("hooks.example", SendOutcome.DELIVERED),
            ("other.example", SendOutcome.UNREACHABLE),
        ):
            sender = HttpWebhookSender(Names(["127.0.0.1"]), loopback=True, trust=trust)
            assert await sent(sender, f"https://{name}:{hook.port}/hook") is outcome
        stranger = HttpWebhookSender(Names(["127.0.0.1"]), loopback=True)
        url = f"https://hooks.example:{hook.port}/hook"
        assert await sent(stranger, url) is SendOutcome.UNREACHABLE
    assert len(hook.taken) == 1
