"""The base image: the true one where it can be pulled, else a stand-in of Debian's packages.

The stand-in bears the true one's name, so that the Dockerfiles need not know, and a label that
says what it is. It is for tests: a release is built where the true one can be pulled.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import docker
from docker.errors import DockerException, ImageNotFound
from infra.docker.engine import Engine, EngineUnavailable
from infra.native.folders import cache_folder, exclusive
from infra.native.prerequisites import install

BASE = "python:3.11-slim-bookworm"
LABEL = "sosst.stand-in"
SUITE = "bookworm"
PACKAGES = ("ca-certificates", "python3", "python3-venv", "tzdata")
# As in the slim images; what nobody reads in a container.
LEFT_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")
# The true image's python is found at this place, and its command is an interpreter.
HOOKS = (
    'ln -s ../../bin/python3 "$1/usr/local/bin/python"',
    'rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/apt/* "$1"/var/log/*',
)
CHANGES = ("CMD python3", f"LABEL {LABEL}=true")


def ensure_base(engine: Engine) -> bool:
    """Make `BASE` present; return whether it is a stand-in.

    Raises:
        EngineUnavailable: it can neither be pulled nor made.
    """
    client = engine.client()
    try:
        present = _present(client)
        if present == "true":
            return False
        refusal = _pull(client)
        if refusal is None:
            return False
        if present is None:
            print(f"{BASE} cannot be pulled: making a stand-in", file=sys.stderr)
            _import(client, stand_in(refusal))
        return True
    finally:
        client.close()


def stand_in(reason: str) -> Path:
    """Return the file system of the stand-in, made if need be; `reason` says why it is wanted."""
    file = cache_folder() / f"stand-in-{SUITE}.tar"
    with exclusive(cache_folder(), "stand-in"):
        if not file.exists():
            _make(file, reason)
    return file


def _present(client: docker.DockerClient) -> str | None:
    """Return "true" or "stand-in" for what bears the name, None when nothing does."""
    try:
        image = client.images.get(BASE)
    except ImageNotFound:
        return None
    return "stand-in" if LABEL in (image.labels or {}) else "true"


def _pull(client: docker.DockerClient) -> str | None:
    """Return None once the image is here, else why not."""
    try:
        client.images.pull(BASE)
    except DockerException as error:
        return str(error)
    return None


def _make(file: Path, reason: str) -> None:
    try:
        if shutil.which("mmdebstrap") is None:
            install("mmdebstrap", optional=("debian-archive-keyring",))
        with tempfile.TemporaryDirectory(dir=cache_folder()) as temporary:
            made = Path(temporary, "stand-in.tar")
            subprocess.run(_command(made), check=True, capture_output=True, text=True)
            made.rename(file)
    except (OSError, subprocess.CalledProcessError) as error:
        said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()[-1:]
        raise EngineUnavailable(
            f"{BASE} cannot be pulled ({reason}) and no stand-in can be made ({' '.join(said)})"
        ) from None


def _command(target: Path) -> list[str]:
    # Half the time of debootstrap, and a tar file at once. Where packages come from is mmdebstrap's
    # own knowledge.
    return [
        *("mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(PACKAGES)}"),
        *(f"--dpkgopt=path-exclude={pattern}" for pattern in LEFT_OUT),
        *(f"--customize-hook={hook}" for hook in HOOKS),
        *(SUITE, str(target)),
    ]


def _import(client: docker.DockerClient, file: Path) -> None:
    name, _, tag = BASE.partition(":")
    client.api.import_image_from_file(str(file), repository=name, tag=tag, changes=list(CHANGES))
