"""The rest of the platform as far as a story needs it: launches campaigns, charges backers."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import httpx
from httpx import codes

from infra.sandbox.issuer.tokens import SERVICE
from infra.suite.suite import Suite
from servicekit.publish import KafkaPublisher
from sosst_contracts import platform
from sosst_contracts.codec import Draft, Record

CHARGES_AT_ONCE = 16
AGAIN_SECONDS_MAX = 20.0


@dataclass(frozen=True, slots=True)
class PledgeRow:
    """One row of a backer report; the amount in minor units."""

    pledge_id: str
    backer_id: str
    amount: int
    currency: str
    reward_id: str | None = None


@dataclass(frozen=True, slots=True)
class Launch:
    """A campaign to launch; `open_seconds` from now is its deadline."""

    campaign_id: str
    creator_id: str
    title: str
    goal: int
    currency: str
    open_seconds: float
    zone: str = "Europe/Paris"
    rewards: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Described:
    """Who a person is; without an address they are told in their inbox alone."""

    person_id: str
    address: str | None
    name: str
    language: str
    roles: tuple[str, ...] = ("backer",)


class Checkout:
    """Charges at the provider and tells the suite by `platform.payments`."""

    def __init__(self, suite: Suite) -> None:
        self._suite = suite
        self._http = httpx.AsyncClient(timeout=30, trust_env=False)
        self._publisher = KafkaPublisher(suite.connection("checkout"))

    async def close(self) -> None:
        await self._publisher.close()
        await self._http.aclose()

    async def launch(self, launch: Launch, deadline: datetime | None = None) -> datetime:
        """Launch a campaign over HTTP as a service of the platform; return its deadline.

        Who may have to ask again gives the deadline: the same launch twice is one campaign.
        """
        deadline = deadline or datetime.now(UTC) + timedelta(seconds=launch.open_seconds)
        funding = self._suite.services["funding"].url
        body = {
            "creator_id": launch.creator_id,
            "title": launch.title,
            "goal": {"amount": launch.goal, "currency": launch.currency},
            "deadline": deadline.isoformat(),
            "zone": launch.zone,
            "rewards": [{"reward_id": r, "title": title} for r, title in launch.rewards],
        }
        await self._put(f"{funding}/campaigns/{launch.campaign_id}", body)
        return deadline

    async def describe(self, people: Sequence[Described]) -> None:
        """Tell who people are, as the platform does."""
        now = datetime.now(UTC)
        await self.tell(
            [
                Draft(
                    platform.PersonDescribed(
                        person_id=one.person_id,
                        address=one.address,
                        display_name=one.name,
                        language=one.language,
                        zone="Europe/Paris",
                        roles=list(one.roles),
                        described_at=now,
                    ),
                    now,
                    identity=f"{one.person_id}/{now.isoformat()}",
                ).seal()
                for one in people
            ]
        )

    async def charge(self, campaign_id: str, rows: Sequence[PledgeRow]) -> list[Record]:
        """Charge every row at the provider; return the records that tell of it, not yet sent.

        A row that was charged before is charged once: the pledge is the idempotency key.
        """
        turns = asyncio.Semaphore(CHARGES_AT_ONCE)

        async def one(row: PledgeRow) -> Record:
            async with turns:
                return await self._charge(campaign_id, row)

        return list(await asyncio.gather(*(one(row) for row in rows)))

    async def tell(self, records: Sequence[Record]) -> None:
        """Publish the records; return when the broker has all of them."""
        waiting = list(records)
        while waiting:
            acknowledged = await self._publisher.publish(waiting)
            pairs = zip(waiting, acknowledged, strict=True)
            waiting = [record for record, done in pairs if not done]

    async def pay(self, campaign_id: str, rows: Sequence[PledgeRow]) -> None:
        """Charge and tell."""
        await self.tell(await self.charge(campaign_id, rows))

    async def _put(self, url: str, body: object) -> None:
        """Send it, and once more as long as the answer is 503, which asks for just that."""
        until = time.monotonic() + AGAIN_SECONDS_MAX
        while True:
            headers = await self._suite.tokens.headers(SERVICE)
            response = await self._http.put(url, json=body, headers=headers)
            if response.status_code != codes.SERVICE_UNAVAILABLE or time.monotonic() > until:
                response.raise_for_status()
                return
            await asyncio.sleep(float(response.headers["Retry-After"]))

    async def _charge(self, campaign_id: str, row: PledgeRow) -> Record:
        charge = await self._suite.provider.charge(
            row.amount,
            row.currency,
            metadata={"campaign_id": campaign_id, "pledge_id": row.pledge_id},
            key=f"checkout/{campaign_id}/{row.pledge_id}",
        )
        now = datetime.now(UTC)
        event = platform.PaymentCaptured(
            campaign_id=campaign_id,
            provider="sandbox",
            payment_reference=charge["id"],
            pledge_id=row.pledge_id,
            backer_id=row.backer_id,
            reward_id=row.reward_id,
            amount=row.amount,
            currency=row.currency,
            occurred_at=now,
            provider_fee=charge["fee"],
            balance_transaction=charge["balance_transaction"],
        )
        return Draft(event, now, identity=f"sandbox/{charge['id']}/captured").seal()
