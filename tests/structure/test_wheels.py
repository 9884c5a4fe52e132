"""Each service starts from its own wheels with the sources absent."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.structure.repository import SERVICES, WHEELS


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing of ours but what is in the wheels."""
    wheels, target = tmp_path_factory.mktemp("wheels"), tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    for wheel in WHEELS.values():
        build = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(wheels)]
        subprocess.run([*pip, *build, str(wheel)], check=True)
    made = [str(path) for path in wheels.glob("*.whl")]
    assert len(made) == len(WHEELS)
    subprocess.run([*pip, "install", "--no-deps", "--target", str(target), *made], check=True)
    return target


def run(installed: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the installed wheels first and the editable sources out of sight."""
    # -S leaves out the files that point to the sources; third parties are found by path.
    third_parties = next(path for path in sys.path if path.endswith("site-packages"))
    environment = {name: value for name, value in os.environ.items() if "_MONGODB" not in name}
    environment["PYTHONPATH"] = os.pathsep.join([str(installed), third_parties])
    command = [sys.executable, "-S", *arguments]
    return subprocess.run(
        command, cwd=installed, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_starts_without_its_sources(installed: Path, service: str) -> None:
    """It comes as far as its settings and says which one is missing, in one line, with 64."""
    ours = (service, "servicekit", "sosst_contracts")
    show = f"import {service}.app; print(*(m.__file__ for m in ({', '.join(ours)})), sep=chr(10))"
    place = run(installed, "-c", f"import {', '.join(ours)}; {show}")
    assert place.stdout.split() == [str(installed / m / "__init__.py") for m in ours], place.stderr
    done = run(installed, "-m", service, "check")
    assert done.returncode == 64, done.stderr
    assert done.stderr.strip().splitlines() == [done.stderr.strip()]
    assert f"{service.upper()}_" in done.stderr


@pytest.mark.parametrize("package", WHEELS)
def test_every_wheel_says_that_it_is_typed(installed: Path, package: str) -> None:
    """py.typed is in the wheel, so that who installs it gets the types."""
    assert (installed / package / "py.typed").exists()


def test_contracts_need_pydantic_only(installed: Path) -> None:
    """The wheel that other teams install names one dependency."""
    (metadata,) = installed.glob("sosst_contracts-*.dist-info/METADATA")
    needed = [
        line for line in metadata.read_text().splitlines() if line.startswith("Requires-Dist")
    ]
    assert needed == ["Requires-Dist: pydantic>=2.11"]
