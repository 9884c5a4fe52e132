"""`compose.yaml` is held to its specification, to the services' settings, and to itself."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from compose_spec import PyCompose

from funding.settings import FundingSettings
from infra.docker.compose import COMPOSE_FILE, VARIABLE, Service, read_compose, restrictions
from infra.docker.images import SERVICES, SURROUNDINGS, image_of
from infra.native.folders import REPOSITORY
from notifier.settings import NotifierSettings
from payouts.settings import PayoutsSettings
from servicekit.settings import ServiceSettings, SettingsRefused, load_settings
from updates.settings import UpdatesSettings

SETTINGS: dict[str, type[ServiceSettings]] = {
    "funding": FundingSettings,
    "payouts": PayoutsSettings,
    "updates": UpdatesSettings,
    "notifier": NotifierSettings,
}
ONE_SHOT = ("topics", "provider-prepared", *(f"{service}-migrated" for service in SERVICES))
STANDING = ("kafka", "mongo", "provider", "issuer", "mail", *SERVICES)
OURS = (*SERVICES, *ONE_SHOT, "provider", "issuer", "mail")
RESTRICTED = {
    "read_only": True,
    "cap_drop": ["ALL"],
    "security_opt": ["no-new-privileges:true"],
    "mem_limit": "512m",
    "pids_limit": 256,
}


@pytest.fixture
def compose() -> dict[str, Service]:
    """The services of `compose.yaml`, to read and to spoil."""
    return read_compose()


def conforms(text: str) -> None:
    """Raise ValueError unless the text is what the specification allows."""
    PyCompose.from_json(json.dumps(yaml.safe_load(text))).validate()


OFFENCES = {
    "a misspelt key": ("read_only: true", "readonly: true"),
    "a condition that is none": ("condition: service_healthy", "condition: healthy"),
    "a port that is none": ("127.0.0.1:8081:8080", "127.0.0.1:8081:http"),
    "a time that is none": ("interval: 10s", "interval: 10 parsecs"),
    "a size that is none": ("mem_limit: 1g", "mem_limit: 1 brick"),
}


def test_the_file_is_as_specified() -> None:
    """An implementation of the Compose specification reads the file."""
    conforms(COMPOSE_FILE.read_text())


@pytest.mark.parametrize("offence", OFFENCES)
def test_an_offence_against_the_specification_is_found(offence: str) -> None:
    """The implementation is strict: each planted offence is refused."""
    good, bad = OFFENCES[offence]
    text = COMPOSE_FILE.read_text()
    assert good in text
    with pytest.raises(ValueError, match=r"."):
        conforms(text.replace(good, bad))


def test_every_part_of_the_suite_is_there(compose: dict[str, Service]) -> None:
    """Four services, their migrations, the topics, three sandboxes, two servers; nothing else."""
    assert set(compose) == {*STANDING, *ONE_SHOT}


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_starts_on_its_settings(compose: dict[str, Service], service: str) -> None:
    """The environment is one that the service accepts; a variable too many or too few is not."""
    environment = compose[service]["environment"]
    settings = load_settings(SETTINGS[service], environment)
    assert environment == compose[f"{service}-migrated"]["environment"]
    assert settings.http_host == "0.0.0.0"
    assert settings.mongodb_database == service
    prefix = service.upper()
    with pytest.raises(SettingsRefused, match="is not a setting"):
        load_settings(SETTINGS[service], environment | {f"{prefix}_MISSPELT": "1"})
    for name in environment:
        if SETTINGS[service].model_fields[name.removeprefix(f"{prefix}_").lower()].is_required():
            with pytest.raises(SettingsRefused, match=name):
                load_settings(
                    SETTINGS[service], {n: v for n, v in environment.items() if n != name}
                )


def published(service: Service) -> dict[int, tuple[str, int]]:
    """Return the inside port of each published one, with where it is published."""
    parts = [port.split(":") for port in service.get("ports", [])]
    return {int(inside): (host, int(outside)) for host, outside, inside in parts}


@pytest.mark.parametrize("service", SERVICES)
def test_both_ports_of_a_service_are_published(compose: dict[str, Service], service: str) -> None:
    """The API and health, and nothing that does not listen."""
    settings = load_settings(SETTINGS[service], compose[service]["environment"])
    assert set(published(compose[service])) == {settings.http_port, settings.health_port}


def exposed(compose: Mapping[str, Service]) -> list[str]:
    """Return the services with a port that is not on loopback."""
    hosts = {
        name: {p.rpartition(":")[0] for p in s.get("ports", [])} for name, s in compose.items()
    }
    return [name for name, found in hosts.items() if any(h[:10] != "127.0.0.1:" for h in found)]


def test_every_port_is_on_loopback(compose: dict[str, Service]) -> None:
    """Nobody but this machine reaches anything; a planted open port is found."""
    assert exposed(compose) == []
    outside = [port for service in compose.values() for port in published(service).values()]
    assert len(outside) == len(set(outside))
    compose["updates"]["ports"] = ["8083:8080"]
    assert exposed(compose) == ["updates"]


def unreachable(compose: Mapping[str, Service]) -> list[str]:
    """Return the addresses of environments and commands on which no service listens."""
    listening = {
        ("kafka", 9092),
        ("mongo", 27017),
        *((name, port) for name, service in compose.items() for port in published(service)),
        # Where people on this machine come in.
        *(place for service in compose.values() for place in published(service).values()),
    }
    found = {address for service in compose.values() for address in _addresses(service)}
    return sorted(f"{host}:{port}" for host, port in found - listening)


def _addresses(service: Service) -> set[tuple[str | None, int | None]]:
    environment: dict[str, Any] = service.get("environment", {})
    texts = [
        value
        for name, value in environment.items()
        # The platform's own pages are not part of the suite.
        if not name.startswith("KAFKA_") and not name.endswith("_PLATFORM_URL")
    ]
    texts += [part.partition("=")[2] for part in service.get("command", []) if "=" in part]
    urls = [urlsplit(text) for text in texts if "://" in text and not text.startswith("file:")]
    plain = [v for name, v in environment.items() if name.endswith("_KAFKA_BOOTSTRAP_SERVERS")]
    return {(url.hostname, url.port or 27017) for url in urls} | {
        (host, int(port)) for host, _, port in (text.partition(":") for text in plain)
    }


def test_every_address_is_listened_on(compose: dict[str, Service]) -> None:
    """Who is called exists and listens there; a planted wrong port is found."""
    assert unreachable(compose) == []
    compose["payouts"]["environment"]["PAYOUTS_PROVIDER_URL"] = "http://provider:8421"
    assert unreachable(compose) == ["provider:8421"]


def test_webhooks_go_where_payouts_reads_them(compose: dict[str, Service]) -> None:
    """The sandbox is told payouts' address and the secret that payouts verifies with."""
    command = dict(p.split("=", 1) for p in compose["provider-prepared"]["command"] if "=" in p)
    settings = load_settings(PayoutsSettings, compose["payouts"]["environment"])
    assert command["--webhook"] == f"http://payouts:{settings.http_port}/webhooks/sandbox"
    assert [command["--webhook-secret"]] == settings.webhook_secrets()
    assert {found[1] for found in VARIABLE.finditer(COMPOSE_FILE.read_text())} == {
        "SOSST_CLAIM_LINK_SECRETS",
        "SOSST_LEDGER_SIGNING_KEYS",
        "SOSST_LINK_TOKEN_KEYS",
        "SOSST_MAIL_LINK_SECRETS",
        "SOSST_MEDIA_LINK_SECRETS",
        "SOSST_REPLY_KEYS",
        "SOSST_WEBHOOK_KEYS",
        "SOSST_WEBHOOK_SECRET",
    }


def lax(compose: Mapping[str, Service]) -> list[str]:
    """Return our services whose container may do more than its work."""
    return [name for name in OURS if restrictions(compose[name]) != RESTRICTED]


def test_everything_of_ours_is_restricted(compose: dict[str, Service]) -> None:
    """Read-only root, no capabilities, no new privileges, limits; a planted lax one is found."""
    assert lax(compose) == []
    del compose["notifier"]["cap_drop"]
    assert lax(compose) == ["notifier"]


def test_images_are_built_from_files_of_this_repository(compose: dict[str, Service]) -> None:
    """Ours bear the name that `make images` gives them; the servers are pinned."""
    for name in OURS:
        service = compose[name]
        assert (REPOSITORY / service["build"]["dockerfile"]).is_file()
        built = service["build"].get("args", {"SERVICE": SURROUNDINGS})["SERVICE"]
        assert service["image"] == image_of(built)
        assert name.removesuffix("-migrated") == built or built == SURROUNDINGS
    assert all(":" in compose[name]["image"] for name in ("kafka", "mongo"))


def test_volumes_are_declared(compose: dict[str, Service]) -> None:
    """What must outlive a container is named, and what is named is used."""
    used = {v.split(":")[0] for service in compose.values() for v in service.get("volumes", [])}
    assert used == set(yaml.safe_load(COMPOSE_FILE.read_text())["volumes"])


def test_nothing_starts_before_what_it_needs(compose: dict[str, Service]) -> None:
    """Who must end has ended, who must serve is healthy, and a standing one stands up again."""
    for name, service in compose.items():
        for needed, how in service.get("depends_on", {}).items():
            ended = "service_completed_successfully" if needed in ONE_SHOT else "service_healthy"
            assert how == {"condition": ended}, (name, needed)
    for name in SERVICES:
        assert {"topics", f"{name}-migrated", "issuer"} <= set(compose[name]["depends_on"])
        assert compose[name]["restart"] == "unless-stopped"
    assert "provider-prepared" in compose["payouts"]["depends_on"]


def test_notifier_writes_mails_and_webhooks(compose: dict[str, Service]) -> None:
    """To the mail sandbox, where it listens, and with keys of webhooks."""
    settings = load_settings(NotifierSettings, compose["notifier"]["environment"])
    assert settings.sends_mail and settings.webhook_secrets() is not None
    command = compose[settings.smtp_host]["command"]
    assert f"--smtp-port={settings.smtp_port}" in command
