"""Where an engine comes from, and every reason for which there is none."""

from pathlib import Path

import pytest

from infra.docker import engine
from infra.docker.engine import EngineUnavailable, engine_in_use, refuse_where_none_may_start

HERE = Path(__file__)


def test_an_engine_can_be_forbidden() -> None:
    """`SOSST_ENGINE=none` is a reason, and the first one."""
    with pytest.raises(EngineUnavailable, match="SOSST_ENGINE=none"), engine_in_use(forbidden=True):
        raise AssertionError("there is no engine")


def test_only_root_on_debian_starts_one() -> None:
    """Others are told why there is none."""
    with pytest.raises(EngineUnavailable, match="only root"):
        refuse_where_none_may_start(is_root=False, debian=HERE)
    with pytest.raises(EngineUnavailable, match="not Debian"):
        refuse_where_none_may_start(is_root=True, debian=HERE / "absent")
    refuse_where_none_may_start(is_root=True, debian=HERE)


def test_nobody_answers_where_no_engine_is() -> None:
    """An address without an engine is no engine, and no error."""
    assert not engine.answers(f"unix://{HERE.parent}/absent.sock")


def test_a_client_that_cannot_build_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Docker 23 and later builds by buildx alone: one without it is not taken, an older one is."""
    old, new = tmp_path / "old" / "docker", tmp_path / "new" / "docker"
    for program, version in ((new, "28.2.2"), (old, "20.10.24+dfsg1")):
        program.parent.mkdir()
        program.write_text(
            f'#!/bin/sh\n[ "$1" = --version ] && echo "Docker version {version}, build 1"\n'
        )
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{new.parent}:{old.parent}:/usr/bin:/bin")
    assert engine.client_program() == str(old)
