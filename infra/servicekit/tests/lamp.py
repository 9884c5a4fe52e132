"""A service of two dozen lines, run as a process of its own by the tests."""

import asyncio
from collections.abc import Collection, Sequence
from pathlib import Path

from fastapi import FastAPI
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from servicekit.access import Guard, guarded_api
from servicekit.command import main
from servicekit.consume import Refusal, Subscription
from servicekit.loops import Loop, Pulse, pause
from servicekit.mongo import Database, Session
from servicekit.process import Process
from servicekit.runtime import Runtime
from servicekit.schema import CollectionSchema, Schema
from servicekit.settings import ServiceSettings
from servicekit.switches import Known
from servicekit.units import Plumbing, Unit
from servicekit.work import Claim, WorkItem
from sosst_contracts.codec import Decoded
from sosst_contracts.funding import PledgePlaced


class LampSettings(ServiceSettings):
    """`fault` names the loop that misbehaves; `dim` is a worker that never succeeds.

    `refuses` is the backer whose pledges cannot be used. `fuse` is a file that it waits for.
    """

    model_config = SettingsConfigDict(env_prefix="LAMP_")
    fault: str = Field("", description="raises, ends, refused, or dim.")
    refuses: str = Field("", description="a backer's id.")
    fuse: str = Field("", description="path of the file without which nothing begins.")


def begin(settings: LampSettings, roles: Collection[str]) -> Runtime[Unit]:
    def bind(_: Database, __: Session, plumbing: Plumbing) -> Unit:
        return Unit(plumbing)

    return Runtime("lamp", settings, Schema(1, (CollectionSchema("lamps"),)), bind, roles)


def assemble(settings: LampSettings, runtime: Runtime[Unit]) -> Process:
    async def flicker(pulse: Pulse, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            pulse.beat()
            await pause(stopping, 0.2)
            if settings.fault == "raises":
                raise ZeroDivisionError
            if settings.fault == "ends":
                return

    async def refuse() -> None:
        if settings.fault == "refused":
            raise RuntimeError("the lamp is restored from a backup")
        while settings.fuse and not await asyncio.to_thread(Path(settings.fuse).exists):
            await asyncio.sleep(0.05)

    async def light(unit: Unit, facts: Sequence[Decoded]) -> list[Refusal]:
        dark = [fact for fact in facts if fact.event.backer_id == settings.refuses]
        if dark:
            return [Refusal(fact, "too-dark", "for a test") for fact in dark]
        at = runtime.clock.now()
        names = [{"campaign_id": f.key, "pledge_id": f.event.pledge_id} for f in facts]
        items = [WorkItem(f"lamps/{n['pledge_id']}", "lamps", at, payload=n) for n in names]
        await unit.plumbing.work.offer(items)
        return []

    async def perform(claim: Claim) -> None:
        if settings.fault == "dim":
            raise ZeroDivisionError
        await runtime.units.run(lambda unit: unit.plumbing.work.finish([claim]))

    runtime.loop("sweep", Loop("flicker", flicker))
    runtime.worker("lamps", perform, concurrency=1, lease_seconds=5)

    async def is_known(campaign_id: str) -> bool:
        return campaign_id == "c1"

    runtime.before_start(refuse)
    runtime.subscribe(Subscription(PledgePlaced.topic, "lamps", sequenced=True, handle=light))
    runtime.switches.declare(Known("darken", "puts lamps out", "campaign", is_known))
    return runtime.process(_api(runtime.guard))


def _api(guard: Guard) -> FastAPI:
    api = guarded_api("lamp")

    @api.get("/campaigns/{campaign_id}/of/{backer_id}", dependencies=[guard.proven_by("nothing")])
    async def read(campaign_id: str, backer_id: str) -> None:
        raise ZeroDivisionError

    return api


if __name__ == "__main__":
    raise SystemExit(main(LampSettings, begin, assemble))
