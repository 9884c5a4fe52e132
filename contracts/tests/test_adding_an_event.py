"""The README's "Adding an event" is followed to the letter, in a copy, and everything passes."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from contracts.tools.folders import HERE

REPOSITORY = HERE.root.parent
# Offenders against every check are shown to it once: one event more is none of them. Nor does
# one change money or the proof of a chain.
UNCONCERNED = (Path(__file__).name, "test_checks_bite.py", "test_chain.py", "test_money.py")
BLOCK = re.compile(r"^```(\w+) ([\w-]+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """As much of the repository as `make contracts` needs."""
    unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(HERE.root, tmp_path / "contracts", ignore=unwanted)
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(REPOSITORY / name, tmp_path)
    return tmp_path


def test_the_description_is_enough(repository: Path) -> None:
    """One model, one topic line, two examples, `make contracts`: the event is there and checked."""
    steps = _steps()
    model = next(body for kind, _, body in BLOCK.findall(steps[0]) if kind == "python")
    topic, name = (re.search(rf'{what}: ClassVar = "(.+)"', model)[1] for what in ("topic", "name"))  # type: ignore[index]
    event = {"<owner>": topic.split(".")[0], "<topic>": topic, "<event>": name}

    _append(repository / "contracts" / _path(steps[0], event), model)
    _add_line(repository / "contracts" / _path(steps[1], event), name)
    for kind, case, body in BLOCK.findall(steps[2]):
        assert kind == "json"
        _write(repository / "contracts" / _path(steps[2], event | {"<case>": case}), body)
    written = _run(repository, *_make(steps[3]))

    frozen = f"schemas/{event['<owner>']}.{name}/1.0.json"
    assert f"wrote {frozen}" in written
    assert (repository / "contracts" / frozen).exists()
    assert f"### {name}" in (repository / "contracts" / "EVENTS.md").read_text()
    left_out = [f"--ignore=contracts/tests/{name}" for name in UNCONCERNED]
    _run(repository, sys.executable, "-m", "pytest", "contracts/tests", *left_out)


def test_a_forgotten_step_is_told(repository: Path) -> None:
    """With the model alone, `make contracts` fails, says what is missing, and writes nothing."""
    steps = _steps()
    model = next(body for kind, _, body in BLOCK.findall(steps[0]) if kind == "python")
    _append(repository / "contracts" / _path(steps[0], {"<owner>": "funding"}), model)
    done = _start(repository, *_make(steps[3]))
    assert done.returncode != 0
    assert "the code has" in done.stderr
    assert "0 examples, at least 2 are needed" in done.stderr
    assert "wrote" not in done.stdout


def _steps() -> list[str]:
    """Return the text of the four numbered steps."""
    section = (HERE.root / "README.md").read_text().split("## Adding an event\n")[1]
    section = section.split("\n## ")[0]
    steps = re.split(r"^\d\. ", section, flags=re.MULTILINE)[1:]
    assert len(steps) == 4
    return steps


def _path(step: str, names: dict[str, str]) -> str:
    """Return the first path that the step names, with its placeholders filled in."""
    path = re.search(r"`([\w<>./-]+/[\w<>./-]+)`", step)
    assert path, step
    filled = path[1]
    for placeholder, value in names.items():
        filled = filled.replace(placeholder, value)
    assert "<" not in filled, filled
    return filled


def _make(step: str) -> list[str]:
    """Return the step's command; the environment that it would make is the one that runs this."""
    command = re.search(r"`(make \w+)`", step)
    assert command, step
    return [*command[1].split(), f"PYTHON={sys.executable}", "--assume-old=.venv/stamp"]


def _append(path: Path, model: str) -> None:
    with path.open("a") as module:
        module.write(f"\n\n{model}")


def _add_line(path: Path, name: str) -> None:
    text, count = re.subn(
        r"^(events:\n(?:  - .+\n)+)", rf"\1  - {name}\n", path.read_text(), flags=re.M
    )
    assert count == 1
    path.write_text(text)


def _write(path: Path, body: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(body)


def _run(repository: Path, *command: str) -> str:
    done = _start(repository, *command)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _start(repository: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Run in the copy, whose sources win over those that are installed."""
    paths = os.pathsep.join([str(repository / "contracts" / "src"), str(repository)])
    environment = os.environ | {"PYTHONPATH": paths}
    return subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True)
