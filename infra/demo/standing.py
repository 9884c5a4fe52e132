"""A suite that stays: `up` starts what does not run yet, `down` stops it, `status` says what runs.

Its data stays below the state folder until `make clean`.
"""

import asyncio
import shlex
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from infra.native import Addresses, NativeStack, given_addresses
from infra.native.folders import state_folder
from infra.suite import Suite
from infra.suite.processes import ServiceProcess
from infra.suite.suite import SANDBOX_KEY

NOT_RUNNING = 3
NOWHERE = Addresses("", "")


async def up() -> int:
    """Start everything detached and print where it is; done twice, it is done once."""
    addresses = given_addresses()
    if addresses is None:
        addresses = await asyncio.to_thread(NativeStack(detached=True).start_missing)
    suite = _suite(addresses)
    await suite.start_missing()
    await suite.provider.http.aclose()
    print(addresses.exports())
    for name, service in suite.services.items():
        print(f"{name:9} {service.url}/docs   health {service.health_url}/metrics")
    print(f"sandbox   {suite.sandbox.url}   topics and databases begin with {suite.prefix}")
    assert suite.mail is not None, "everything runs here"
    print(f"mail      {suite.mail.url}/mails   shows what was written to whom")
    print(f"issuer    {suite.issuer.url}   gives anybody any role, for development only")
    for line in example_lines(suite):
        print(line)
    print("Operators' commands:")
    for service in suite.services.values():
        print(operating_line(service, state_folder() / "suite" / f"{service.name}.sh"))
    print("Stop it with: make down")
    return 0


async def down() -> int:
    """Stop what `up` started; data stays."""
    if _folder_exists():
        suite = _suite(NOWHERE)
        await suite.stop()
        await suite.provider.http.aclose()
    # Addresses given by hand belong to somebody else; only our own stack is stopped.
    await asyncio.to_thread(NativeStack(detached=True).stop)
    return 0


async def status() -> int:
    """Print what runs; 3 unless everything does."""
    if not _folder_exists():
        print("nothing was started with make up")
        return NOT_RUNNING
    suite = _suite(NOWHERE)
    await suite.provider.http.aclose()
    servers = [*suite.surroundings, *suite.services.values()]
    found = [(server.name, server.process) for server in servers]
    if given_addresses() is None:
        stack = NativeStack(detached=True)
        found += [(server.name, server.process) for server in stack.servers]
    for name, process in found:
        print(f"{name:16} {f'process {process.process_id}' if process else 'not running'}")
    return 0 if all(process for _, process in found) else NOT_RUNNING


def _suite(addresses: Addresses) -> Suite:
    return Suite(state_folder() / "suite", addresses, detached=True, mail=True)


def _folder_exists() -> bool:
    return (state_folder() / "suite").exists()


def operating_line(service: ServiceProcess, file: Path) -> str:
    """Write a service's settings into `file`, return the line that runs its commands with them."""
    file.touch(mode=0o600)
    settings = (setting.split("=", 1) for setting in service.settings())
    file.write_text("".join(f"export {name}={shlex.quote(value)}\n" for name, value in settings))
    command = f"{shlex.quote(sys.executable)} -m {service.service} --help"
    return f"(. {shlex.quote(str(file))}; {command})"


def example_lines(suite: Suite) -> list[str]:
    """Return lines for a shell that tell a whole story: a met goal and an update."""
    deadline = (datetime.now(UTC) + timedelta(minutes=10)).isoformat(timespec="seconds")
    campaign = (
        f'{{"creator_id": "creator-1", "title": "A lamp", "deadline": "{deadline}", '
        '"goal": {"amount": 50000, "currency": "EUR"}}'
    )
    draft = '{"texts": [{"language": "en", "title": "It glows", "details": "The first lamp."}]}'
    funding, payouts, updates, notifier = (
        f"{service.url}/campaigns/lamp" for service in suite.services.values()
    )
    inbox = notifier.replace("/campaigns/lamp", "/people/backer-1/inbox")
    provider = f"{suite.sandbox.url}/v1"
    key = f"-H 'Authorization: Bearer {SANDBOX_KEY}'"
    creator, staff, backer = (
        _bearer(*who)
        for who in (("creator-1", "creator"), ("staff-1", "staff"), ("backer-1", "backer"))
    )
    return [
        f'token() {{ curl -s "{suite.issuer.url}/token?subject=$1&role=$2"; }}',
        f"part() {{ {_PART}; }}",
        f"curl -X PUT {funding} {_JSON} {creator} -d '{campaign}'",
        f"answer=$(curl -s {provider}/charges {key} -d amount=60000 -d currency=eur "
        "-d source=tok_visa -d 'metadata[pledge_id]=pledge-1')  # as a checkout does",
        f"curl {funding}/payments {_JSON} {_bearer('checkout', 'service')} -d {_CAPTURED}",
        f"answer=$(curl -s {provider}/accounts {key} -d country=DE)",
        f"curl -X PUT {payouts}/destination {_JSON} {creator} -d {_DESTINATION}",
        f"curl -X PUT {updates}/updates/u1 {_JSON} {creator} -d '{draft}'",
        f"curl -X POST {updates}/updates/u1/publish {creator}",
        f"curl {funding}        # state and figures, for everybody",
        f"curl {funding} {staff}  # and what the verdict waits for",
        f"curl {payouts}/money  # the campaign's book",
        f"curl {payouts}/stages {creator}  # after the deadline: what each stage waits for",
        f"curl {updates}        # the project as everybody sees it",
        f"curl {inbox} {backer}",
    ]


def _bearer(subject: str, role: str) -> str:
    return f'-H "Authorization: Bearer $(token {subject} {role})"'


_JSON = "-H 'content-type: application/json'"
_PART = """echo "$answer" | python3 -c 'import json, sys; print(json.load(sys.stdin)["'$1'"])'"""
_CAPTURED = (
    """'{"status": "captured", "provider": "sandbox", "payment_reference": "'$(part id)'", """
    """"balance_transaction": "'$(part balance_transaction)'", "provider_fee": '$(part fee)', """
    """"pledge_id": "pledge-1", "backer_id": "backer-1", "occurred_at": "'$(date -u +%FT%TZ)'", """
    """"money": {"amount": 60000, "currency": "EUR"}}'"""
)
_DESTINATION = """'{"provider": "sandbox", "account": "'$(part id)'"}'"""
