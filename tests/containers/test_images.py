"""What an image holds, what its container may do, how it ends: from inside and outside."""

import asyncio
import json
from typing import Any

import pytest

from infra.docker import Engine, image_of
from infra.docker.compose import read_compose
from infra.suite.readings import eventually
from infra.suite.suite import SERVICES
from tests.containers.suite import Contained, Container, ContainerSuite

pytestmark = pytest.mark.asyncio(loop_scope="session")

# Says what process 1 of a container is and may do; runs inside.
LOOK = """
import json, pathlib
status = dict(line.split(":", 1) for line in open("/proc/1/status"))
try:
    pathlib.Path("/written").write_text("")
    writes = True
except OSError:
    writes = False
limits = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
print(json.dumps({
    "command": open("/proc/1/cmdline").read().split("\\0")[1:-1],
    "users": sorted(set(status["Uid"].split())),
    "capabilities": sum(int(status[name], 16) for name in ("CapEff", "CapPrm", "CapBnd", "CapInh")),
    "no_new_privileges": status["NoNewPrivs"].strip() == "1",
    "writes_to_root": writes,
    "memory_bytes": next(int(open(f).read()) for f in limits if pathlib.Path(f).exists()),
}))
"""
# Names every file of ours that is not installed, and every tool that could install something.
FOREIGN = """
import importlib.util, json, pathlib, sys, sysconfig
home = pathlib.Path(sysconfig.get_paths()["purelib"])
ours = [importlib.util.find_spec(name) for name in ("sosst_contracts", "servicekit", SERVICE)]
print(json.dumps({
    "elsewhere": [spec.origin for spec in ours if home not in pathlib.Path(spec.origin).parents],
    "sources": [str(path) for top in ("/build", "/ours", "/srv", "/opt", "/app", "/usr/src")
                for path in pathlib.Path(top).rglob("*.toml") if home not in path.parents],
    "installers": [name for name in ("pip", "hatchling") if importlib.util.find_spec(name)],
    "secrets": [str(p) for p in pathlib.Path("/run/secrets").rglob("*")],
}))
"""


def container_of(suite: ContainerSuite, service: str) -> Container:
    process = suite.services[service]
    assert isinstance(process, Contained) and process.container is not None
    return process.container


def may(container: Container) -> dict[str, Any]:
    """Return what a running container is and may do, seen from inside."""
    seen: dict[str, Any] = json.loads(container.python(LOOK))
    return seen


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_may_do_nothing_but_its_work(suite: ContainerSuite, service: str) -> None:
    """User 10001, a root that is read-only, no capability, no way to gain one, a memory limit."""
    container = container_of(suite, service)
    limit = 512 * 1024 * 1024
    assert may(container) == {
        "command": ["-m", service, "run"],
        "users": ["10001"],
        "capabilities": 0,
        "no_new_privileges": True,
        "writes_to_root": False,
        "memory_bytes": limit,
    }
    host = container.wrapped.attrs["HostConfig"]
    assert host["ReadonlyRootfs"] is True and host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges:true"] and host["Memory"] == limit
    assert read_compose()[service]["mem_limit"] == "512m"
    bindings = [b for bound in host["PortBindings"].values() for b in bound]
    assert bindings and {binding["HostIp"] for binding in bindings} == {"127.0.0.1"}


async def test_an_unrestricted_container_is_seen_as_one(
    suite: ContainerSuite, engine: Engine
) -> None:
    """The look from inside is shown an offender: each of its answers can be the wrong one."""
    client = engine.client()
    offender = client.containers.run(
        image_of("funding"), ["-c", LOOK], entrypoint="python", user="0", remove=True
    )
    client.close()
    good, bad = may(container_of(suite, "funding")), json.loads(offender)
    assert [name for name in good if good[name] == bad[name]] == []


@pytest.mark.parametrize("service", SERVICES)
async def test_an_image_holds_wheels_and_no_sources(suite: ContainerSuite, service: str) -> None:
    """All of ours is installed; nothing is left to build, to install or to read as secret."""
    seen = json.loads(container_of(suite, service).python(f"SERVICE = {service!r}{FOREIGN}"))
    assert seen == {"elsewhere": [], "sources": [], "installers": [], "secrets": []}


@pytest.mark.parametrize("service", SERVICES)
async def test_an_image_says_what_it_is(suite: ContainerSuite, service: str) -> None:
    """Labels name the service, its licence and its base."""
    labels = container_of(suite, service).wrapped.attrs["Config"]["Labels"]
    assert labels["org.opencontainers.image.title"] == f"sosst-{service}"
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.opencontainers.image.base.name"] == "python:3.11-slim-bookworm"


async def test_the_engine_sees_health(suite: ContainerSuite) -> None:
    """The image's own probe finds every service alive."""

    async def healthy() -> bool:
        states = [container_of(suite, name).wrapped.attrs["State"] for name in SERVICES]
        return all(state["Health"]["Status"] == "healthy" for state in states)

    await eventually("all containers are healthy", healthy, 120)


async def test_a_service_ends_with_0_when_asked_to(suite: ContainerSuite) -> None:
    """SIGTERM reaches the service as process 1, and it ends in order; then all start again."""
    for process in (suite.services[name] for name in SERVICES):
        assert isinstance(process, Contained)
        await asyncio.to_thread(process.stop)
        assert process.exit_code == 0, process.name
    await asyncio.gather(*(asyncio.to_thread(suite.services[name].start) for name in SERVICES))
