"""A machine that lacks something gets one command to run."""

from pathlib import Path

import pytest

from infra.native import prerequisites
from infra.native.errors import MissingPrerequisite


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Nothing on PATH, no JAVA_HOME; returns the mark of a Debian system."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(prerequisites, "_is_known", lambda package: "21" in package)
    debian = tmp_path / "debian_version"
    debian.write_text("13")
    return debian


def test_command_to_run(bare_machine: Path) -> None:
    """Without root the refusal is the command, with the Java that this release has."""
    with pytest.raises(MissingPrerequisite, match="openjdk-21-jre-headless maven"):
        prerequisites.ensure(maven=True, is_root=False, debian=bare_machine)


def test_maven_only_to_fetch(bare_machine: Path) -> None:
    """Maven is asked for only where something has to be fetched."""
    with pytest.raises(MissingPrerequisite) as refusal:
        prerequisites.ensure(maven=False, is_root=False, debian=bare_machine)
    assert "maven" not in str(refusal.value)


def test_go_only_for_the_proxy(bare_machine: Path) -> None:
    """Go is asked for only where the fault proxy has to be built."""
    with pytest.raises(MissingPrerequisite, match="golang-go"):
        prerequisites.ensure(maven=False, go=True, is_root=False, debian=bare_machine)
    with pytest.raises(MissingPrerequisite) as refusal:
        prerequisites.ensure(maven=False, is_root=False, debian=bare_machine)
    assert "golang" not in str(refusal.value)


def test_other_systems(bare_machine: Path) -> None:
    """Elsewhere than on Debian nothing is installed, root or not."""
    with pytest.raises(MissingPrerequisite, match="java, maven"):
        prerequisites.ensure(maven=True, is_root=True, debian=bare_machine.with_name("absent"))


@pytest.mark.parametrize(("machine", "flags"), [("aarch64", "avx"), ("x86_64", "sse avx2")])
def test_processor(tmp_path: Path, machine: str, flags: str) -> None:
    """Another processor, or one without AVX, is told to bring addresses of its own."""
    processors = tmp_path / "cpuinfo"
    processors.write_text(f"flags : {flags} end")
    with pytest.raises(MissingPrerequisite, match="AVX"):
        prerequisites.check_processor(machine, processors)
