"""Builds the images: the four services, their surroundings, and the two servers for tests."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from infra.docker.bases import ensure_base
from infra.docker.engine import Engine
from infra.native import fetch, kafka
from infra.native.folders import REPOSITORY

HERE = Path(__file__).parent
SERVICES = ("funding", "payouts", "updates", "notifier")
SURROUNDINGS = "surroundings"
SERVERS = ("kafka", "mongo")
IMAGES = (*SERVICES, SURROUNDINGS, *SERVERS)
# The first of these that is set names a private certificate authority that pip has to trust.
CA_VARIABLES = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")


class BuildFailed(Exception):
    """An image could not be built; the message ends with what the builder said last."""


def image_of(name: str) -> str:
    """Return the name under which an image is built."""
    return f"sosst/{name}:local"


def build_images(engine: Engine, names: Iterable[str] = IMAGES) -> bool:
    """Build images; return whether their base is a stand-in.

    Raises:
        BuildFailed: naming the image.
    """
    stand_in = ensure_base(engine)
    for name in names:
        build(engine, name)
    if engine.is_ours:
        _forget_replaced(engine)
    return stand_in


def build(engine: Engine, name: str) -> None:
    """Build one image on a base that is present."""
    if name in SERVERS:
        with tempfile.TemporaryDirectory() as folder:
            GATHERERS[name](Path(folder))
            _build(engine, name, f"{name}.Dockerfile", Path(folder))
    elif name == SURROUNDINGS:
        _build(engine, name, "surroundings.Dockerfile", REPOSITORY)
    else:
        _build(engine, name, "service.Dockerfile", REPOSITORY, {"SERVICE": name})


def _build(
    engine: Engine,
    name: str,
    dockerfile: str,
    context: Path,
    arguments: Mapping[str, str] | None = None,
) -> None:
    command = [
        *(engine.client_program, "build", "--progress=plain", "--tag", image_of(name)),
        *("--file", str(HERE / dockerfile)),
        *(f"--build-arg={key}={value}" for key, value in (arguments or {}).items()),
        *_ca_bundle(os.environ),
        str(context),
    ]
    done = subprocess.run(
        command, env=engine.environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = (done.stdout + done.stderr).strip().splitlines()[-25:]
        raise BuildFailed("\n".join([f"{name} could not be built:", *last]))


def _forget_replaced(engine: Engine) -> None:
    """Remove images whose name a newer one has taken; the cache of layers stays."""
    client = engine.client()
    client.images.prune(filters={"dangling": True})
    client.close()


def _ca_bundle(environment: Mapping[str, str]) -> Sequence[str]:
    given = [environment[name] for name in CA_VARIABLES if environment.get(name)]
    return [f"--secret=id=ca-bundle,src={given[0]}"] if given else []


def _gather_kafka(folder: Path) -> None:
    shutil.copytree(fetch.kafka_jars(), folder / "lib")
    shutil.copy(kafka.LOG_SETTINGS, folder)
    for name in ("kafka.sh", "kafka.properties"):
        shutil.copy(HERE / name, folder)


def _gather_mongo(folder: Path) -> None:
    shutil.copy(fetch.mongod(), folder)


GATHERERS = {"kafka": _gather_kafka, "mongo": _gather_mongo}
