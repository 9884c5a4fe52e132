"""Reads `compose.yaml` as far as tests need it: what a container may do is said there alone."""

import re
from pathlib import Path
from typing import Any

import yaml

from infra.native.folders import REPOSITORY

COMPOSE_FILE = REPOSITORY / "compose.yaml"
# The docker library's names for the same are the same.
RESTRICTIONS = ("read_only", "cap_drop", "security_opt", "mem_limit", "pids_limit")
VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")

Service = dict[str, Any]


def read_compose(file: Path = COMPOSE_FILE) -> dict[str, Service]:
    """Return the services by name, merged, with every variable at its default."""
    text = VARIABLE.sub(lambda found: found[2], file.read_text())
    services: dict[str, Service] = yaml.safe_load(text)["services"]
    return services


def restrictions(service: Service) -> dict[str, Any]:
    """Return what the container of a service may not do."""
    return {name: service[name] for name in RESTRICTIONS if name in service}
