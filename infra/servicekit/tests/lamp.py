"""A service of two dozen lines, run as a process of its own by the tests."""

import asyncio
from collections.abc import Collection

from fastapi import FastAPI
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from servicekit.command import main
from servicekit.loops import Loop, Pulse, pause
from servicekit.mongo import Database, Session
from servicekit.process import Process
from servicekit.runtime import Runtime
from servicekit.schema import CollectionSchema, Schema
from servicekit.settings import ServiceSettings
from servicekit.units import Plumbing, Unit
from servicekit.work import Claim


class LampSettings(ServiceSettings):
    """`fault` names the loop that misbehaves."""

    model_config = SettingsConfigDict(env_prefix="LAMP_")
    fault: str = Field("", description="raises, ends, or refused.")


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

    async def perform(claim: Claim) -> None:
        await runtime.units.run(lambda unit: unit.plumbing.work.finish([claim]))

    runtime.loop("sweep", Loop("flicker", flicker))
    runtime.worker("lamps", perform, concurrency=1, lease_seconds=5)
    runtime.before_start(refuse)
    return runtime.process(FastAPI())


if __name__ == "__main__":
    raise SystemExit(main(LampSettings, begin, assemble))
