"""The commands of notifier's own, and what each of them is given of a service put together."""

from datetime import UTC, datetime
from typing import cast

from notifier.adapters.letters.samples import SAMPLES, roles_told
from notifier.commands import describe_templates, perform_templates
from notifier.settings import NotifierSettings
from servicekit.command import Command, CommandRefused, Context


async def _templates(context: Context) -> int:
    settings = cast(NotifierSettings, context.runtime.settings)
    if not settings.sends_mail:
        raise CommandRefused("the channel e-mail is off: NOTIFIER_SMTP_HOST is empty")
    letters, now = settings.letter_writer(), datetime.now(UTC)
    return perform_templates(context.arguments, letters, SAMPLES, roles_told, now)


COMMANDS = (
    Command("templates", "write every letter in every language", describe_templates, _templates),
)
