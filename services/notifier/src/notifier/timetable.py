"""The timed work of notifier: what it is called, every how many seconds it looks, what it does."""

from collections.abc import Iterator
from datetime import timedelta

from notifier.adapters.mongo_email import MongoEmailQueries
from notifier.adapters.queries import MongoQueries
from notifier.handlers.follow import ForgetUnconfirmed
from notifier.handlers.mail_domains import MailDomains
from notifier.handlers.retention import ForgetAnswers, ForgetOld
from notifier.ports.unit import NotifierUnit
from notifier.settings import NotifierSettings
from notifier.sweeps import CloseCauses, MeasureMail, MeasureUnreached
from servicekit.runtime import Runtime
from servicekit.sweeps import Sweep


def timetable(
    settings: NotifierSettings, runtime: Runtime[NotifierUnit], domains: MailDomains
) -> Iterator[Sweep]:
    """Return every sweep of notifier; that of mails only where they are sent."""
    units = runtime.units
    queries = MongoQueries(runtime.database, settings.notifications_partitions)
    kept = timedelta(days=settings.notifications_days)
    mails = MongoEmailQueries(runtime.database)
    yield Sweep("close", 0.5, CloseCauses(units, queries))
    yield Sweep("unreached", 5.0, MeasureUnreached(queries))
    yield Sweep("forget", 60.0, ForgetOld(units, queries, kept))
    yield Sweep("answers", 600.0, ForgetAnswers(units, kept))
    yield Sweep("follows", 600.0, ForgetUnconfirmed(units))
    if settings.sends_mail:
        yield Sweep("mail", 5.0, MeasureMail(mails, settings.mails_per_second, domains))
