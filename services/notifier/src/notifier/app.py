"""The composition root of notifier: what is plugged into what; no rule lives here."""

from collections.abc import Collection
from functools import partial

from notifier.adapters.kafka_feed import KafkaFeed
from notifier.adapters.mail_outcomes import TopicOfMailed
from notifier.adapters.mail_reports import read_report
from notifier.adapters.mongo_stores import MongoAudience
from notifier.adapters.mongo_webhooks import MongoEndpointQueries
from notifier.adapters.queries import MongoQueries
from notifier.adapters.schema import SCHEMA
from notifier.adapters.taken_facts import taken_facts
from notifier.adapters.unit import bind
from notifier.consumer import PLEDGES, subscriptions
from notifier.handlers.cut import CutCauses
from notifier.handlers.recover import RecoverNotifier
from notifier.handlers.recover_endpoints import RecoverEndpoints
from notifier.handlers.would_be_told import WouldBeTold
from notifier.http import MailRoutes, Parts, build_api
from notifier.http.own_pages import OwnPages
from notifier.http.webhooks import Webhooks
from notifier.ports.unit import NotifierUnit
from notifier.settings import NotifierSettings
from notifier.timetable import timetable
from notifier.wire.erasures import erasures_from
from notifier.wire.webhooks import FEED_TOPICS, FEED_TYPES, told_id
from notifier.workers import add_workers
from servicekit.process import Process
from servicekit.runtime import Runtime
from servicekit.secret_files import all_of
from servicekit.topic_pages import TopicPages


def begin(settings: NotifierSettings, roles: Collection[str]) -> Runtime[NotifierUnit]:
    """Open connections; nothing is sent yet."""
    binding = partial(bind, partitions=settings.notifications_partitions)
    runtime = Runtime("notifier", settings, SCHEMA, binding, roles)
    if settings.sends_mail:
        runtime.outside_checks["mail server"] = settings.mail_server().check
    return runtime


def assemble(settings: NotifierSettings, runtime: Runtime[NotifierUnit]) -> Process:
    """Add notifier's own parts to the runtime."""
    cut = CutCauses(MongoAudience(runtime.database), settings.notifications_partitions)
    domains = settings.mail_domains(runtime.clock)
    parts = _parts(settings, runtime, cut)
    for subscription in subscriptions(runtime.clock, settings.notifications_partitions):
        runtime.subscribe(subscription)
    add_workers(settings, runtime, parts, cut, domains)
    for sweep in timetable(settings, runtime, domains):
        runtime.sweep(sweep)
    runtime.recover_with(_recovery(runtime, parts.webhooks))
    return runtime.process(build_api(parts))


def _parts(settings: NotifierSettings, runtime: Runtime[NotifierUnit], cut: CutCauses) -> Parts:
    units, clock = runtime.units, runtime.clock
    return Parts(
        guard=runtime.guard,
        units=units,
        clock=clock,
        queries=MongoQueries(runtime.database, settings.notifications_partitions),
        webhooks=_webhooks(settings, runtime),
        would_be_told=WouldBeTold(units, cut, PLEDGES, clock, settings.sends_mail),
        mail=_mail_routes(settings),
        own_pages=_own_pages(settings),
    )


def _recovery(runtime: Runtime[NotifierUnit], webhooks: Webhooks) -> RecoverNotifier:
    again = RecoverEndpoints(
        runtime.units,
        webhooks.queries,
        webhooks.feed,
        lambda: taken_facts(runtime.connection),
        told_id,
    )
    return RecoverNotifier(runtime.units, TopicOfMailed(runtime.connection), again, erasures_from)


def _webhooks(settings: NotifierSettings, runtime: Runtime[NotifierUnit]) -> Webhooks:
    pages = TopicPages(runtime.connection, FEED_TOPICS)
    runtime.on_close(pages.close)
    return Webhooks(
        MongoEndpointQueries(runtime.database),
        KafkaFeed(pages),
        settings.webhook_secrets(),
        FEED_TYPES,
        plain_http=settings.mode == "development",
    )


def _mail_routes(settings: NotifierSettings) -> MailRoutes | None:
    if not settings.sends_mail:
        return None
    return MailRoutes(
        settings.mail_links(),
        read_report,
        all_of(settings.mail_report_secret),
        settings.mails_per_second,
        settings.follow_asks_per_hour,
        settings.guest_pace(),
    )


def _own_pages(settings: NotifierSettings) -> OwnPages | None:
    keys = settings.link_keys()
    return OwnPages(settings.own_pages_url, keys) if keys else None
