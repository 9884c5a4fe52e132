"""What the README says of settings is what the settings are."""

from pathlib import Path

import pytest

from infra.kafka import read_topics
from notifier.settings import NotifierSettings
from notifier.wire.told import NOTIFICATIONS_TOPIC
from servicekit.settings import SettingsRefused, load_settings, settings_table

README = Path(__file__).parents[1] / "README.md"
REQUIRED = {
    "NOTIFIER_MONGODB_URI": "mongodb://127.0.0.1/?replicaSet=rs0",
    "NOTIFIER_MONGODB_DATABASE": "notifier",
    "NOTIFIER_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:9092",
    "NOTIFIER_INSTANCE_ID": "notifier-1",
    "NOTIFIER_HTTP_PORT": "8004",
    "NOTIFIER_HEALTH_PORT": "9004",
    "NOTIFIER_AUTH_ISSUER": "https://sign-in.example",
    "NOTIFIER_AUTH_AUDIENCE": "sosst",
    "NOTIFIER_AUTH_JWKS_URL": "https://sign-in.example/keys",
}


def test_settings_table_is_fresh() -> None:
    """The table between the markers is the one that the settings make."""
    text = README.read_text()
    between = text.split("<!-- settings: begin -->\n")[1].split("<!-- settings: end -->")[0]
    assert between == settings_table(NotifierSettings)


def test_required_settings_are_enough() -> None:
    """With the required variables alone the service has its settings."""
    assert load_settings(NotifierSettings, REQUIRED).notifications_partitions == 24


def test_partitions_are_those_of_the_topic() -> None:
    """By no other number would a plan's chunks, and with them people's inboxes, be found again."""
    [topic] = [one for one in read_topics() if one.name == NOTIFICATIONS_TOPIC]
    name, right = "NOTIFIER_NOTIFICATIONS_PARTITIONS", topic.partitions
    asked = load_settings(NotifierSettings, REQUIRED | {name: str(right)})
    assert asked.notifications_partitions == right
    for wrong in (right - 1, right + 1, right * 2):
        with pytest.raises(SettingsRefused, match=name):
            load_settings(NotifierSettings, REQUIRED | {name: str(wrong)})


@pytest.mark.parametrize("name", REQUIRED)
def test_missing_setting_is_named(name: str) -> None:
    """A missing variable is refused by its name."""
    without = {key: value for key, value in REQUIRED.items() if key != name}
    with pytest.raises(SettingsRefused, match=name):
        load_settings(NotifierSettings, without)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NOTIFIER_CHUNKS_AT_ONCE", "0"),
        ("NOTIFIER_LEASE_SECONDS", "soon"),
        ("NOTIFIER_SURPRISE", "1"),
    ],
)
def test_wrong_setting_is_named(name: str, value: str) -> None:
    """A value out of range and a variable that nobody knows are refused by name."""
    with pytest.raises(SettingsRefused, match=name):
        load_settings(NotifierSettings, REQUIRED | {name: value})
