"""What the files of the images promise, read from them; tests/containers looks at the images."""

import re
from pathlib import Path

import pytest

from infra.docker.bases import BASE
from infra.docker.images import HERE, SERVICES, SURROUNDINGS
from infra.native.folders import REPOSITORY

DOCKERFILES = sorted(HERE.glob("*.Dockerfile"))
SERVICE = HERE / "service.Dockerfile"


def stages(text: str) -> list[list[str]]:
    """Return the instructions of each stage, continued lines joined."""
    joined = re.sub(r"\\\n\s*", " ", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE))
    return [
        [line for line in ("FROM" + part).splitlines() if line.strip()]
        for part in re.split(r"^FROM", joined, flags=re.MULTILINE)[1:]
    ]


def test_nothing_goes_to_the_engine_unless_it_is_named() -> None:
    """The context begins empty, so that no secret of a work tree reaches a builder."""
    rules = (REPOSITORY / ".dockerignore").read_text().splitlines()
    assert next(rule for rule in rules if not rule.startswith("#")) == "*"


def sources_in_image(text: str) -> list[str]:
    """Return what the last stage copies from the context beside the entry point and the probe."""
    copied = [line for line in stages(text)[-1] if line.startswith(("COPY ", "ADD "))]
    from_context = [line for line in copied if "--from=" not in line]
    return [line for line in from_context if not line.startswith("COPY infra/docker/")]


def test_a_service_image_takes_no_sources() -> None:
    """The last stage copies what other stages installed; a planted source is found."""
    text = SERVICE.read_text()
    assert sources_in_image(text) == []
    assert sources_in_image(text + "COPY services/funding/src /src\n")


def test_what_changes_often_comes_last() -> None:
    """Our wheels are the last layer, after the libraries: a change of code makes nothing else."""
    copied = [line for line in stages(SERVICE.read_text())[-1] if line.startswith("COPY ")]
    assert [re.findall(r"--from=(\w+)", line) for line in copied] == [[], ["libraries"], ["wheels"]]


def locked(name: str) -> set[str]:
    """Return the packages of a lock file; another version than the shared one takes its place."""
    text = (REPOSITORY / "requirements" / f"{name}.txt").read_text()
    return set(re.findall(r"^([a-z0-9._-]+)(?:\[\S+\])?==", text, re.MULTILINE))


def test_what_all_need_is_installed_once() -> None:
    """The stages before the own libraries are the same, and hold nothing that one does without."""
    shared = stages(SERVICE.read_text())[:2]
    assert shared == stages((HERE / "surroundings.Dockerfile").read_text())[:2]
    assert [line for stage in shared for line in stage if "requirements/" in line] == [
        "COPY requirements/build.txt .",
        "COPY requirements/funding.txt shared.txt",
    ]
    assert locked("funding")
    assert {name: locked("funding") - locked(name) for name in (*SERVICES, SURROUNDINGS)} == {
        name: set() for name in (*SERVICES, SURROUNDINGS)
    }
    assert locked("payouts") - locked("funding")


def unhashed(text: str) -> list[str]:
    """Return the installations that would take what nobody looked at."""
    runs = [line for stage in stages(text) for line in stage if line.startswith("RUN ")]
    installs = [
        part for line in runs for part in line.split("&&") if re.search(r"pip\b.* install", part)
    ]
    return [
        part for part in installs if "--require-hashes" not in part and "--no-index" not in part
    ]


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.stem)
def test_a_file_installs_by_hash_on_the_one_base_as_an_ordinary_user(file: Path) -> None:
    """Each image: the one base, pinned libraries, user 10001; planted offenders are found."""
    text = file.read_text()
    bases = {line.split()[1] for stage in stages(text) for line in stage if line[:5] == "FROM "}
    names = set(re.findall(r"^FROM .* AS (\w+)$", text, re.MULTILINE))
    assert bases - names == {BASE}
    assert unhashed(text) == []
    assert unhashed(text + "RUN pip install requests\n")
    users = [line for line in stages(text)[-1] if line.startswith("USER ")]
    assert users and users[-1].startswith("USER 10001")


def test_the_certificate_authority_is_a_secret_only() -> None:
    """No file copies or names a bundle but as a secret of a build step."""
    for file in DOCKERFILES:
        lines = [line for stage in stages(file.read_text()) for line in stage]
        naming = [line for line in lines if "ca-bundle" in line or "PIP_CERT" in line]
        assert all(line.startswith("RUN --mount=type=secret,id=ca-bundle ") for line in naming)
