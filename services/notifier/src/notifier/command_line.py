"""The commands of notifier's own, and what each of them is given of a service put together."""

import os
from argparse import Namespace
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from secrets import token_bytes, token_urlsafe

from notifier.adapters.letters.samples import SAMPLES, roles_told
from notifier.commands import describe_templates, perform_templates
from notifier.settings import NotifierSettings
from servicekit.command import AloneCommand, CommandRefused
from servicekit.secret_files import FILE
from servicekit.settings import SettingsRefused, load_settings

# What letters say nothing of stands in for itself: nothing is connected to.
_NOT_IN_LETTERS = dict.fromkeys(
    (
        "NOTIFIER_MONGODB_URI",
        "NOTIFIER_MONGODB_DATABASE",
        "NOTIFIER_KAFKA_BOOTSTRAP_SERVERS",
        "NOTIFIER_INSTANCE_ID",
        "NOTIFIER_AUTH_ISSUER",
        "NOTIFIER_AUTH_AUDIENCE",
    ),
    "unused",
) | {
    "NOTIFIER_HTTP_PORT": "0",
    "NOTIFIER_HEALTH_PORT": "0",
    "NOTIFIER_AUTH_JWKS_URL": "https://unused.example",
}


def _sender() -> dict[str, str]:
    """Return a sender to look at letters of; its keys are nobody's, so its links open nothing."""
    return {
        "NOTIFIER_MAIL_FROM": "news@sosst.example",
        "NOTIFIER_MAIL_FROM_NAME": "SOSST",
        "NOTIFIER_PLATFORM_URL": "https://sosst.example",
        "NOTIFIER_LINKS_URL": "https://api.sosst.example",
        "NOTIFIER_MAIL_LINK_SECRETS": token_urlsafe(),
        # With them letters lead to the pages of one's own pledge, too.
        "NOTIFIER_LINK_TOKEN_KEYS": b64encode(token_bytes(32)).decode(),
        "NOTIFIER_OWN_PAGES_URL": "https://updates.sosst.example/mine",
    }


def _settings(given: Mapping[str, str]) -> NotifierSettings:
    """Return the settings that letters need: the service's own where they name a mail server."""
    sender = {} if given.get("NOTIFIER_SMTP_HOST") else _sender()
    samples = {
        name: value
        for name, value in (_NOT_IN_LETTERS | sender).items()
        if name + FILE not in given
    }
    try:
        return load_settings(NotifierSettings, samples | dict(given))
    except SettingsRefused as refusal:
        raise CommandRefused(str(refusal)) from None


def _templates(arguments: Namespace) -> int:
    letters, now = _settings(os.environ).letter_writer(), datetime.now(UTC)
    return perform_templates(arguments, letters, SAMPLES, roles_told, now)


COMMANDS = (
    AloneCommand(
        "templates", "write every letter in every language", describe_templates, _templates
    ),
)
