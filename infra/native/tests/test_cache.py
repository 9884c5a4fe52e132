"""Only pinned bytes are ever started."""

from pathlib import Path

import pytest

from infra.native import fetch
from infra.native.checksums import read_sums, verify
from infra.native.errors import UntrustedFile
from infra.native.folders import exclusive


@pytest.fixture
def listing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A list of two pinned files, with an empty cache beside it."""
    monkeypatch.setenv("SOSST_CACHE", str(tmp_path / "cache"))
    sums = tmp_path / "sums"
    # sha256 of b"one" and b"two".
    sums.write_text(
        "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed  one.jar\n"
        "3fc4ccfe745870e2c0d99f71f30ff0656c8dedd41cc1d7d3d376b0dbe685e2f3  two.jar\n"
    )
    return sums


def write_pinned(folder: Path) -> None:
    """What an honest registry gives."""
    folder.mkdir()
    (folder / "one.jar").write_bytes(b"one")
    (folder / "two.jar").write_bytes(b"two")


def test_good_cache_is_kept(listing: Path) -> None:
    """A verified folder is fetched once."""
    folder = fetch._cached("kafka", listing, write_pinned)
    assert fetch._cached("kafka", listing, refuse_to_fetch) == folder


@pytest.mark.parametrize("damage", ["changed", "missing", "additional"])
def test_damaged_cache_is_found(
    listing: Path, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A changed, missing or additional file is named, and the folder is fetched again."""
    folder = fetch._cached("kafka", listing, write_pinned)
    if damage == "missing":
        (folder / "one.jar").unlink()
    else:
        name = "one.jar" if damage == "changed" else "planted.jar"
        (folder / name).write_bytes(b"other")
    fetch._cached("kafka", listing, write_pinned)
    assert str(folder) in capsys.readouterr().err
    verify(folder, read_sums(listing))


def test_untrusted_download_never_reaches_the_cache(listing: Path) -> None:
    """A registry that gives other bytes is refused, and nothing stays behind."""

    def write_other(folder: Path) -> None:
        write_pinned(folder)
        (folder / "two.jar").write_bytes(b"other")

    with pytest.raises(UntrustedFile, match=r"two\.jar"):
        fetch._cached("kafka", listing, write_other)
    assert [path.name for path in (listing.parent / "cache").iterdir()] == ["fetch.lock"]


def test_works_can_nest(tmp_path: Path) -> None:
    """Formatting fetches: one work's lock never waits for another's."""
    with exclusive(tmp_path, "format"), exclusive(tmp_path, "fetch"):
        assert {path.name for path in tmp_path.iterdir()} == {"format.lock", "fetch.lock"}


def test_a_damaged_build_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The fault proxy is built once; changed afterwards it is named, and built again."""
    monkeypatch.setenv("SOSST_CACHE", str(tmp_path))
    builds: list[list[str]] = []

    def compile_quickly(command: list[str], **_: object) -> None:
        builds.append(command)
        Path(command[command.index("-o") + 1]).write_bytes(b"program")

    monkeypatch.setattr(fetch, "_run", compile_quickly)
    monkeypatch.setattr(fetch.prerequisites, "ensure", lambda **_: None)
    program = fetch.toxiproxy()
    assert fetch.toxiproxy() == program and len(builds) == 1
    program.write_bytes(b"other")
    assert fetch.toxiproxy().read_bytes() == b"program" and len(builds) == 2
    assert str(program) in capsys.readouterr().err


def refuse_to_fetch(_: Path) -> None:
    """A fetch that must not happen."""
    pytest.fail("fetched although the cache is good")
