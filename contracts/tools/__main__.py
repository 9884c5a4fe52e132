"""`python -m contracts.tools`: check every promise and write what is generated.

With `--check` nothing is written, and a file that would change is a fault.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from contracts.tools.catalogue import asyncapi_page, events_page
from contracts.tools.examples import faults_of_examples
from contracts.tools.folders import HERE, Folders
from contracts.tools.freeze import ContractBroken, freeze, schema_path
from contracts.tools.topic_files import faults_of_topics, read_topic_files
from sosst_contracts.registry import REGISTRY, Registry

PAGES: dict[str, Callable[[Folders, Registry], str]] = {
    "EVENTS.md": events_page,
    "asyncapi.yaml": asyncapi_page,
}


def main(arguments: list[str], folders: Folders = HERE, registry: Registry = REGISTRY) -> int:
    """Return 0 if every promise holds; print each fault on a line of its own otherwise."""
    parser = argparse.ArgumentParser(prog="python -m contracts.tools", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, fail when stale")
    check = parser.parse_args(arguments).check
    try:
        faults = _unreleased(folders, registry) if check else _freeze(folders, registry)
        if not faults:
            faults = faults_of_topics(read_topic_files(folders.topics), registry)
            faults += faults_of_examples(folders, registry.event_types)
            faults += _pages(folders, registry, check)
    except ContractBroken as broken:
        faults = [str(broken)]
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


def _freeze(folders: Folders, registry: Registry) -> list[str]:
    for path in freeze(folders, registry.event_types):
        print(f"released {path}")
    return []


def _unreleased(folders: Folders, registry: Registry) -> list[str]:
    paths = [schema_path(folders, event_type) for event_type in registry.event_types]
    missing = [f"{p.parent.name} {p.stem} is not released" for p in paths if not p.exists()]
    if not missing:
        freeze(folders, registry.event_types)  # Nothing is new, so this only checks.
    return missing


def _pages(folders: Folders, registry: Registry, check: bool) -> list[str]:
    stale = []
    for name, page in PAGES.items():
        path, text = Path(folders.root, name), page(folders, registry)
        if path.exists() and path.read_text() == text:
            continue
        if check:
            stale.append(f"{name} is stale: run make contracts")
        else:
            path.write_text(text)
            print(f"wrote {name}")
    return stale


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
