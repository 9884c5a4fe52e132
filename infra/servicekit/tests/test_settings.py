"""Settings: typed, named when wrong, and never repeated where they may be a secret."""

from pathlib import Path
from typing import Annotated

import pytest
from pydantic_settings import SettingsConfigDict

from servicekit.auth import DEVELOPMENT_ISSUER
from servicekit.secret_files import SecretFiles, all_of, first_line
from servicekit.settings import (
    LISTED,
    ServiceSettings,
    SettingsRefused,
    load_settings,
    settings_or_exit,
    settings_table,
)


class LampSettings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="LAMP_")


GIVEN = {
    "LAMP_MONGODB_URI": "mongodb://secret@h",
    "LAMP_MONGODB_DATABASE": "lamp",
    "LAMP_KAFKA_BOOTSTRAP_SERVERS": "h:1",
    "LAMP_INSTANCE_ID": "lamp-1",
    "LAMP_HTTP_PORT": "1",
    "LAMP_HEALTH_PORT": "2",
    "LAMP_AUTH_ISSUER": "the-issuer",
    "LAMP_AUTH_AUDIENCE": "lamps",
    "LAMP_AUTH_JWKS_URL": "https://issuer/keys",
}


@pytest.mark.parametrize("missing", GIVEN)
def test_a_missing_setting_is_named(missing: str) -> None:
    """One line names the variable and repeats no value of another one."""
    with pytest.raises(SettingsRefused) as refused:
        load_settings(LampSettings, {n: v for n, v in GIVEN.items() if n != missing})
    assert missing in str(refused.value) and "secret" not in str(refused.value)


def test_all_that_is_missing_is_named_at_once() -> None:
    """In one line, before anything that is wrong: nobody is sent back once for each."""
    with pytest.raises(SettingsRefused) as refused:
        load_settings(LampSettings, {"LAMP_MODE": "nonsense"})
    names, _, said = str(refused.value).partition(": ")
    assert (names.split(", "), said) == (list(GIVEN), "required")


def test_a_secret_may_be_a_file(tmp_path: Path) -> None:
    """The file counts as the variable would; both at once, or no such file, are refused."""
    file = tmp_path / "uri"
    file.write_text("mongodb://hunter2@h\n")
    environment = {n: v for n, v in GIVEN.items() if n != "LAMP_MONGODB_URI"}
    environment["LAMP_MONGODB_URI_FILE"] = str(file)
    assert load_settings(LampSettings, environment).mongodb_uri == "mongodb://hunter2@h"
    with pytest.raises(SettingsRefused, match="both set") as both:
        load_settings(LampSettings, environment | GIVEN)
    assert "hunter2" not in str(both.value)
    with pytest.raises(SettingsRefused, match="LAMP_MONGODB_URI_FILE: FileNotFoundError"):
        load_settings(LampSettings, environment | {"LAMP_MONGODB_URI_FILE": str(file) + "x"})
    with pytest.raises(SettingsRefused, match="LAMP_MONGODB_DATABASE_FILE"):
        load_settings(LampSettings, GIVEN | {"LAMP_MONGODB_DATABASE_FILE": str(file)})


def test_several_secrets_have_a_current_one() -> None:
    """A line or comma apart, the first is current; an address with commas is one."""
    assert all_of("new, old\nolder\n") == ["new", "old", "older"]
    assert first_line("mongodb://a,b/\nmongodb://old/") == "mongodb://a,b/"


def test_a_changed_file_is_noticed(tmp_path: Path) -> None:
    """Another content is a change; a file that is away for a moment is none."""
    file, files = tmp_path / "password", SecretFiles()
    file.write_text("old")
    assert files.read(file) == "old" and files.changed() == []
    file.unlink()
    assert files.changed() == []
    file.write_text("new")
    assert files.changed() == [file]


def test_brokers_that_ask_need_a_user_and_a_password(tmp_path: Path) -> None:
    """SASL_SSL with half of what it takes is refused by name; the whole prints no password."""
    asking = GIVEN | {"LAMP_KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "LAMP_KAFKA_USER": "lamp"}
    with pytest.raises(SettingsRefused, match="LAMP_KAFKA_PASSWORD"):
        load_settings(LampSettings, asking)
    security = load_settings(LampSettings, asking | {"LAMP_KAFKA_PASSWORD": "hunter2"})
    assert "hunter2" not in repr(security.kafka_security())
    assert load_settings(LampSettings, GIVEN).kafka_security() is None


def test_unknown_and_malformed_settings_are_refused() -> None:
    """A typing error in a variable's name does not go unnoticed, nor does a wrong value."""
    with pytest.raises(SettingsRefused, match="LAMP_COLOUR"):
        load_settings(LampSettings, GIVEN | {"LAMP_COLOUR": "red"})
    with pytest.raises(SettingsRefused, match="LAMP_HTTP_PORT"):
        load_settings(LampSettings, GIVEN | {"LAMP_HTTP_PORT": "eighty"})
    assert load_settings(LampSettings, GIVEN | {"OTHER_X": "1"}).http_port == 1


class SlowLamp(LampSettings):
    rest_seconds: float = 1.0
    rests_seconds: Annotated[tuple[int, ...], *LISTED] = ()
    kept_days: int = 1


@pytest.mark.parametrize(
    ("name", "longest", "wrong"),
    [
        ("LAMP_REST_SECONDS", "3162240000", ("3162240001", "1e12", "inf", "nan")),
        ("LAMP_RESTS_SECONDS", "1,3162240000", ("1,3162240001",)),
        ("LAMP_KEPT_DAYS", "36600", ("36601",)),
    ],
)
def test_a_time_that_no_date_can_be_moved_by_is_refused(
    name: str, longest: str, wrong: tuple[str, ...]
) -> None:
    """It would start, and the first fact or request that counts with it would fail."""
    assert load_settings(SlowLamp, GIVEN | {name: longest})
    for value in wrong:
        with pytest.raises(SettingsRefused, match=f"{name}: .*100 years"):
            load_settings(SlowLamp, GIVEN | {name: value})


@pytest.mark.parametrize(
    "change",
    [
        {"LAMP_AUTH_ISSUER": DEVELOPMENT_ISSUER},
        {"LAMP_AUTH_JWKS_URL": "http://issuer/keys"},
        {"LAMP_AUTH_JWKS_URL": "file:///keys"},
    ],
    ids=str,
)
def test_production_takes_no_development_issuer_and_no_plain_http(change: dict[str, str]) -> None:
    """Refused by name where no mode is given, since that is production."""
    (name,) = change
    with pytest.raises(SettingsRefused, match=name):
        load_settings(LampSettings, GIVEN | change)
    with pytest.raises(SettingsRefused, match=name):
        load_settings(LampSettings, GIVEN | change | {"LAMP_MODE": "production"})


def test_development_takes_both() -> None:
    """What demo and tests run with; any other mode is none."""
    given = GIVEN | {"LAMP_AUTH_ISSUER": DEVELOPMENT_ISSUER, "LAMP_AUTH_JWKS_URL": "http://h/keys"}
    assert load_settings(LampSettings, given | {"LAMP_MODE": "development"}).mode == "development"
    with pytest.raises(SettingsRefused, match="LAMP_MODE"):
        load_settings(LampSettings, given | {"LAMP_MODE": "staging"})


@pytest.mark.parametrize("name", GIVEN)
def test_an_empty_setting_is_a_missing_one(name: str) -> None:
    """A variable that is set to nothing is named like one that is not set."""
    with pytest.raises(SettingsRefused, match=name):
        load_settings(LampSettings, GIVEN | {name: ""})


def test_a_wrong_value_is_not_repeated() -> None:
    """It may be a secret that was put under the wrong name."""
    with pytest.raises(SettingsRefused) as refused:
        load_settings(LampSettings, GIVEN | {"LAMP_HTTP_PORT": "hunter2"})
    assert "hunter2" not in str(refused.value)
    with pytest.raises(SettingsRefused) as unknown:
        load_settings(LampSettings, GIVEN | {"LAMP_PASSWORD": "hunter2"})
    assert "LAMP_PASSWORD" in str(unknown.value) and "hunter2" not in str(unknown.value)


def test_refused_settings_end_the_process_with_64_and_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line on standard error, nothing else."""
    for name in GIVEN:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(SystemExit) as end:
        settings_or_exit(LampSettings)
    assert end.value.code == 64
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.count("\n") == 1 and "LAMP_" in printed.err


def test_the_table_of_settings_names_each_with_its_default() -> None:
    """What a README shows is made of the settings themselves."""
    lines = settings_table(LampSettings).splitlines()
    assert len(lines) == 2 + len(LampSettings.model_fields)
    assert any(line.startswith("| `LAMP_MONGODB_URI` or `…_FILE` | required |") for line in lines)
    assert any(line.startswith("| `LAMP_HTTP_HOST` | `127.0.0.1` |") for line in lines)
