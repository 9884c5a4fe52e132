"""`python -m contracts.tools`: check every promise, then write what is generated.

Nothing is written while a promise is broken. With `--check` nothing is written at all, and a file
that would change is a fault.
"""

import argparse
import sys
from pathlib import Path

from contracts.tools.asyncapi import asyncapi_page
from contracts.tools.catalogue import events_page
from contracts.tools.examples import faults_of_examples
from contracts.tools.folders import HERE, Folders
from contracts.tools.freeze import faults_of_releases, lines_taken_away, unreleased
from contracts.tools.topic_files import faults_of_topics, read_topic_files
from sosst_contracts.registry import REGISTRY, Registry

PAGES = {"EVENTS.md": events_page, "asyncapi.yaml": asyncapi_page}


def main(arguments: list[str], folders: Folders = HERE, registry: Registry = REGISTRY) -> int:
    """Return 0 if every promise holds; otherwise print each fault on a line of its own."""
    parser = argparse.ArgumentParser(prog="python -m contracts.tools", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail when stale")
    check = parser.parse_args(arguments).check
    faults = faults_of_contracts(folders, registry)
    pending = {} if faults else pending_files(folders, registry)
    for path, text in pending.items():
        name = path.relative_to(folders.root)
        if check:
            faults.append(f"{name} is stale: run make contracts")
        else:
            _write(path, text)
            print(f"wrote {name}")
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


def faults_of_contracts(folders: Folders, registry: Registry) -> list[str]:
    """Return every broken promise of models, releases, topics and examples."""
    return [
        *_faults_of_history(folders),
        *faults_of_releases(folders, registry.event_types),
        *faults_of_topics(read_topic_files(folders.topics), registry),
        *faults_of_examples(folders, registry.event_types),
    ]


def pending_files(folders: Folders, registry: Registry) -> dict[Path, str]:
    """Return the text of each generated file that is missing or stale."""
    pages = {folders.root / name: page(folders, registry) for name, page in PAGES.items()}
    stale = {
        path: text
        for path, text in pages.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    }
    return unreleased(folders, registry.event_types) | stale


def _faults_of_history(folders: Folders) -> list[str]:
    gone = lines_taken_away(folders)
    if gone is None:
        print("not run: the list of releases against its history (no git here)", file=sys.stderr)
        return []
    return [f"released.sha256: a line was changed or removed: {line}" for line in gone]


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
