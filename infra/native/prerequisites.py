"""What the machine must have: x86-64 with AVX, a JDK, three libraries; Maven and Go to fetch."""

import ctypes
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from infra.native.errors import MissingPrerequisite
from infra.native.folders import cache_folder, exclusive

JAVA_MAJOR_MINIMUM = 17
# A Debian or Ubuntu release has one of these; 17 is what we measured with.
JAVA_PACKAGES = ("openjdk-17-jre-headless", "openjdk-21-jre-headless", "openjdk-25-jre-headless")
# What go.mod of the fault proxy asks for.
GO_MINIMUM = (1, 19)
LIBRARIES = {"libcurl4": "libcurl.so.4", "liblzma5": "liblzma.so.5", "libssl3": "libssl.so.3"}


def check_processor(
    machine: str = platform.machine(), processors: Path = Path("/proc/cpuinfo")
) -> None:
    """Refuse a machine on which the pinned mongod dies with "illegal instruction"."""
    if machine not in ("x86_64", "amd64") or not re.search(r"\bavx\b", processors.read_text()):
        raise MissingPrerequisite(
            "the native MongoDB needs an x86-64 Linux machine with AVX: here set "
            "SOSST_MONGODB_URI and SOSST_KAFKA_BOOTSTRAP_SERVERS to servers of your own"
        )


def java_command() -> str:
    """The `java` to run: that of JAVA_HOME if set, else the first on PATH."""
    home = os.environ.get("JAVA_HOME")
    return str(Path(home, "bin", "java")) if home else "java"


def has_java() -> bool:
    """Whether a Java of at least JAVA_MAJOR_MINIMUM runs."""
    java = shutil.which(java_command())
    if java is None:
        return False
    printed = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', printed)
    return found is not None and int(found[1]) >= JAVA_MAJOR_MINIMUM


def has_maven() -> bool:
    """Whether Maven is on PATH."""
    return shutil.which("mvn") is not None


def has_go() -> bool:
    """Whether a Go of at least GO_MINIMUM is on PATH."""
    go = shutil.which("go")
    if go is None:
        return False
    printed = subprocess.run([go, "version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"go(\d+)\.(\d+)", printed)
    return found is not None and (int(found[1]), int(found[2])) >= GO_MINIMUM


def has_library(name: str) -> bool:
    """Whether the dynamic loader finds the library."""
    try:
        ctypes.CDLL(name)
    except OSError:
        return False
    return True


def missing_packages(maven: bool, go: bool) -> list[str]:
    """The Debian packages that would close the gaps; Java is named "java" until it is chosen."""
    missing = [] if has_java() else ["java"]
    if maven and not has_maven():
        missing.append("maven")
    if go and not has_go():
        missing.append("golang-go")
    return missing + [package for package, name in LIBRARIES.items() if not has_library(name)]


def ensure(
    maven: bool,
    go: bool = False,
    *,
    is_root: bool = os.geteuid() == 0,
    debian: Path = Path("/etc/debian_version"),
) -> None:
    """Install what is missing if we are root on Debian or Ubuntu, else say the one command.

    Raises:
        MissingPrerequisite: with the command to run, or the names of what is missing.
    """
    missing = missing_packages(maven, go)
    if not missing:
        return
    if not debian.exists():
        raise MissingPrerequisite(f"missing (names of Debian packages): {', '.join(missing)}")
    if not is_root:
        packages = " ".join(_choose_java(missing, _is_known))
        install = f"sudo apt-get install -y --no-install-recommends {packages}"
        raise MissingPrerequisite(f"run: sudo apt-get update && {install}")
    _install(missing)
    if still := missing_packages(maven, go):
        raise MissingPrerequisite(f"installed, and still missing: {', '.join(still)}")


def _choose_java(packages: list[str], is_known: Callable[[str], bool]) -> list[str]:
    java = next((name for name in JAVA_PACKAGES if is_known(name)), JAVA_PACKAGES[0])
    return [java if package == "java" else package for package in packages]


def _is_known(package: str) -> bool:
    return (
        subprocess.run(["apt-cache", "show", package], capture_output=True, check=False).returncode
        == 0
    )


def _install(missing: list[str]) -> None:
    print(f"installing {', '.join(missing)}", file=sys.stderr)
    _update_and_install(lambda: _choose_java(missing, _is_known))


def install(*packages: str, optional: Sequence[str] = ()) -> None:
    """Install packages of Debian or Ubuntu, and the optional ones that the release has.

    Raises:
        subprocess.CalledProcessError: apt refused.
    """
    print(f"installing {', '.join(packages)}", file=sys.stderr)
    _update_and_install(lambda: [*packages, *(name for name in optional if _is_known(name))])


def _update_and_install(choose: Callable[[], Sequence[str]]) -> None:
    """Install what `choose` says once the lists of packages are fresh."""
    # Two processes of ours may find the same thing missing; apt's lists have no lock to wait for.
    with exclusive(cache_folder(), "apt"):
        _apt("update")
        _apt("install", "-y", "--no-install-recommends", *choose())


def _apt(*arguments: str) -> None:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    quiet = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=120"]
    subprocess.run([*quiet, *arguments], env=environment, check=True, stdout=sys.stderr)
