"""A suite that stays: `up` starts what does not run yet, `down` stops it, `status` says what runs.

Its data stays below the state folder until `make clean`.
"""

import asyncio
from datetime import UTC, datetime, timedelta

from infra.native import Addresses, NativeStack, given_addresses
from infra.native.folders import state_folder
from infra.suite import Suite

NOT_RUNNING = 3
NOWHERE = Addresses("", "")


async def up() -> int:
    """Start everything detached and print where it is; done twice, it is done once."""
    addresses = given_addresses()
    if addresses is None:
        addresses = await asyncio.to_thread(_start_stack)
    suite = _suite(addresses)
    await suite.start_missing()
    await suite.provider.http.aclose()
    print(addresses.exports())
    for name, service in suite.services.items():
        print(f"{name:9} {service.url}/docs   health {service.health_url}/metrics")
    print(f"sandbox   {suite.sandbox.url}   topics and databases begin with {suite.prefix}")
    print(f"issuer    {suite.issuer.url}   gives anybody any role, for development only")
    print(_examples(suite))
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
        found += [(server.name, server.process) for server in (stack.mongodb, stack.kafka)]
    for name, process in found:
        print(f"{name:16} {f'process {process.process_id}' if process else 'not running'}")
    return 0 if all(process for _, process in found) else NOT_RUNNING


def _start_stack() -> Addresses:
    stack = NativeStack(detached=True)
    for server in (stack.mongodb, stack.kafka):
        if server.process is None:
            server.start()
    return stack.addresses


def _suite(addresses: Addresses) -> Suite:
    return Suite(state_folder() / "suite", addresses, detached=True)


def _folder_exists() -> bool:
    return (state_folder() / "suite").exists()


def _examples(suite: Suite) -> str:
    deadline = (datetime.now(UTC) + timedelta(minutes=10)).isoformat(timespec="seconds")
    campaign = (
        f'{{"creator_id": "creator-1", "title": "A lamp", "deadline": "{deadline}", '
        '"goal": {"amount": 50000, "currency": "EUR"}}'
    )
    funding, payouts, updates, notifier = (service.url for service in suite.services.values())
    return "\n".join(
        [
            f'token() {{ curl -s "{suite.issuer.url}/token?subject=$1&role=$2"; }}',
            f"curl -X PUT {funding}/campaigns/lamp -H 'content-type: application/json' "
            f"{_bearer('creator-1', 'creator')} -d '{campaign}'",
            f"curl {funding}/campaigns/lamp        # state and figures, for everybody",
            f"curl {funding}/campaigns/lamp {_bearer('staff-1', 'staff')}  "
            "# and what the verdict waits for",
            f"curl {payouts}/campaigns/lamp/money  # the campaign's book",
            f"curl {updates}/campaigns/lamp        # the project as everybody sees it",
            f"curl {notifier}/people/backer-1/inbox {_bearer('backer-1', 'backer')}",
        ]
    )


def _bearer(subject: str, role: str) -> str:
    return f'-H "Authorization: Bearer $(token {subject} {role})"'
