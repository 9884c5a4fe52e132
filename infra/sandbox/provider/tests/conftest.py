"""Every test speaks to a real sandbox process of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from infra.sandbox.provider.client import SandboxClient
from infra.sandbox.provider.tests.process import Receiver, SandboxProcess


@pytest.fixture
async def sandbox(tmp_path: Path) -> AsyncIterator[SandboxProcess]:
    process = SandboxProcess(tmp_path / "book.sqlite")
    await process.start()
    yield process
    await process.stop()


@pytest.fixture
async def client(sandbox: SandboxProcess) -> AsyncIterator[SandboxClient]:
    async with SandboxClient(sandbox.address) as client:
        yield client


@pytest.fixture
async def receiver(client: SandboxClient) -> AsyncIterator[Receiver]:
    receiver = Receiver()
    server, serving = await receiver.serve()
    yield receiver
    server.should_exit = True
    await serving
