"""The composition root of notifier: what is plugged into what; no rule lives here."""

from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from typing import cast

from notifier.adapters.facts import OutboxFacts
from notifier.adapters.kafka_feed import KafkaFeed
from notifier.adapters.letters import LetterWriter, Sender
from notifier.adapters.letters.samples import SAMPLES, roles_told
from notifier.adapters.letters.signing import DkimSigner
from notifier.adapters.letters.styles import inlined
from notifier.adapters.mail_outcomes import PublishedMailOutcomes, TopicOfMailed
from notifier.adapters.mail_reports import read_report
from notifier.adapters.mongo_audience import MongoConsents, MongoEndings, MongoReturnedPledges
from notifier.adapters.mongo_email import (
    MongoDeliveries,
    MongoEmailQueries,
    MongoMailed,
    MongoSuppressions,
    MongoTitles,
    MongoUnsubscriptions,
)
from notifier.adapters.mongo_follows import MongoFollows
from notifier.adapters.mongo_hidden_updates import MongoHiddenUpdates
from notifier.adapters.mongo_people import MongoPeople, MongoReaders
from notifier.adapters.mongo_personal_links import MongoRevocations
from notifier.adapters.mongo_preferences import MongoPreferences
from notifier.adapters.mongo_replays import MongoReplays
from notifier.adapters.mongo_stores import (
    MongoAudience,
    MongoCauses,
    MongoChunks,
    MongoCreators,
    MongoMemberships,
)
from notifier.adapters.mongo_unreached import MongoUnreachedMessages
from notifier.adapters.mongo_webhooks import MongoEndpointQueries, MongoWebhookEndpoints
from notifier.adapters.queries import MongoQueries
from notifier.adapters.schema import SCHEMA
from notifier.adapters.sent_facts import PublishedSentFacts
from notifier.adapters.smtp import SmtpServer
from notifier.adapters.smtp_connection import SmtpAccount
from notifier.adapters.taken_facts import taken_facts
from notifier.adapters.webhook_sender import HttpWebhookSender
from notifier.commands import describe_templates, perform_templates
from notifier.consumer import PLEDGES, subscriptions
from notifier.domain.cause import USUAL
from notifier.handlers.address import AddressChunks
from notifier.handlers.cut import CutCauses
from notifier.handlers.email_work import EMAIL, begin_emails
from notifier.handlers.follow import ForgetUnconfirmed
from notifier.handlers.hear import ADDRESS, PLAN, PUBLISH_CHUNK, PUBLISH_ONE
from notifier.handlers.plan import PlanCauses
from notifier.handlers.publish import PublishChunks
from notifier.handlers.recover import RecoverNotifier
from notifier.handlers.recover_endpoints import RecoverEndpoints
from notifier.handlers.replay import REPLAY, ReplayCauses
from notifier.handlers.retention import ForgetOld
from notifier.handlers.send_emails import MailPace, SendEmails
from notifier.handlers.send_webhooks import SendWebhooks, WakeEndpoints
from notifier.handlers.webhook_endpoints import WEBHOOK
from notifier.handlers.would_be_told import WouldBeTold
from notifier.http import MailRoutes, build_api
from notifier.http.own_pages import OwnPages
from notifier.http.webhooks import Webhooks
from notifier.ports.unit import NotifierUnit
from notifier.settings import NotifierSettings
from notifier.sweeps import CloseCauses, MeasureMail, MeasureUnreached
from notifier.wire import told
from notifier.wire.erasures import erased, erasures_from
from notifier.wire.webhooks import FEED_TOPICS, FEED_TYPES, told_id
from servicekit.command import Command, CommandRefused, Context
from servicekit.dispatch import Dispatcher
from servicekit.link_tokens import LinkTokenKeys
from servicekit.loops import Loop
from servicekit.mongo import Database, Session
from servicekit.pace import Pace
from servicekit.process import Process
from servicekit.publish import KafkaPublisher
from servicekit.runtime import Runtime
from servicekit.secret_files import all_of, first_line
from servicekit.sweeps import Sweep
from servicekit.switches import Known
from servicekit.topic_pages import TopicPages
from servicekit.units import Plumbing
from servicekit.work import WorkItem

CLOSE_SECONDS = 0.5
FORGET_SECONDS = 60.0
PLANS_AT_ONCE = 2
ADDRESSED_AT_ONCE = 8
ONES_AT_ONCE = 500
MEASURE_SECONDS = 5.0
FOLLOWS_SECONDS = 600.0
SLICES_AT_ONCE = 4
# As long as these take, nothing more urgent comes first.
MAILS_AT_ONCE_MOST = 100
ENDPOINTS_AT_ONCE = 16
# Of an endpoint that is sent to; far above the longest answer that is waited for.
LEASE_SECONDS = 60
PAUSE_WEBHOOKS = "pause-webhooks"
PAUSE_EMAIL = "pause-email"


def begin(settings: NotifierSettings, roles: Collection[str]) -> Runtime[NotifierUnit]:
    """Open connections; nothing is sent yet."""
    runtime = Runtime("notifier", settings, SCHEMA, bind, roles)
    if settings.sends_mail:
        runtime.outside_checks["mail server"] = _server(settings).check
    return runtime


def bind(database: Database, session: Session, plumbing: Plumbing) -> NotifierUnit:
    """Make the stores of one transaction."""
    return NotifierUnit(
        plumbing=plumbing,
        memberships=MongoMemberships(database, session),
        causes=MongoCauses(database, session),
        chunks=MongoChunks(database, session),
        creators=MongoCreators(database, session),
        people=MongoPeople(database, session),
        endings=MongoEndings(database, session),
        returned=MongoReturnedPledges(database, session),
        consents=MongoConsents(database, session),
        follows=MongoFollows(database, session),
        revocations=MongoRevocations(database, session),
        preferences=MongoPreferences(database, session),
        readers=MongoReaders(database, session),
        titles=MongoTitles(database, session),
        deliveries=MongoDeliveries(database, session),
        suppressions=MongoSuppressions(database, session),
        unsubscriptions=MongoUnsubscriptions(database, session),
        mailed=MongoMailed(database, session),
        hidden_updates=MongoHiddenUpdates(database, session),
        facts=OutboxFacts(plumbing.outbox, told.planned, told.completed, erased),
        endpoints=MongoWebhookEndpoints(database, session),
        replays=MongoReplays(database, session),
        unreached=MongoUnreachedMessages(database, session),
    )


def assemble(settings: NotifierSettings, runtime: Runtime[NotifierUnit]) -> Process:
    """Add notifier's own parts to the runtime."""
    queries = MongoQueries(runtime.database)
    for subscription in subscriptions(runtime.clock, settings.notifications_partitions):
        runtime.subscribe(subscription)
    cut = CutCauses(MongoAudience(runtime.database), settings.notifications_partitions)
    planner = PlanCauses(runtime.units, cut, PLEDGES, runtime.clock)
    lease = settings.lease_seconds
    replays = ReplayCauses(runtime.units, queries, cut, runtime.clock, settings.sends_mail)
    runtime.worker(REPLAY, replays, concurrency=1, lease_seconds=lease)
    runtime.worker(PLAN, planner, concurrency=PLANS_AT_ONCE, lease_seconds=lease)
    finding = AddressChunks(runtime.units, runtime.clock)
    runtime.worker(ADDRESS, finding, concurrency=ADDRESSED_AT_ONCE, lease_seconds=lease)
    _publish(runtime, settings, PUBLISH_CHUNK, settings.chunks_at_once)
    _publish(runtime, settings, PUBLISH_ONE, ONES_AT_ONCE)
    if settings.sends_mail:
        _write_mail(runtime, settings)
    runtime.sweep(Sweep("follows", FOLLOWS_SECONDS, ForgetUnconfirmed(runtime.units)))
    forget = ForgetOld(runtime.units, queries, timedelta(days=settings.notifications_days))
    runtime.sweep(Sweep("forget", FORGET_SECONDS, forget))
    runtime.sweep(Sweep("unreached", MEASURE_SECONDS, MeasureUnreached(queries)))
    runtime.sweep(Sweep("close", CLOSE_SECONDS, CloseCauses(runtime.units, queries)))
    api = build_api(
        runtime.guard,
        runtime.units,
        queries,
        runtime.clock,
        _webhooks(settings, runtime),
        _mail_routes(settings),
        WouldBeTold(runtime.units, cut, PLEDGES, runtime.clock, settings.sends_mail),
        _own_pages(settings),
    )
    return runtime.process(api)


def _webhooks(settings: NotifierSettings, runtime: Runtime[NotifierUnit]) -> Webhooks:
    """Add what sends to endpoints, where there are keys to sign with; return what routes need."""
    pages = TopicPages(runtime.connection, FEED_TOPICS)
    runtime.on_close(pages.close)
    feed = KafkaFeed(pages)
    endpoints = MongoEndpointQueries(runtime.database)
    again = RecoverEndpoints(
        runtime.units, endpoints, feed, lambda: taken_facts(runtime.connection), told_id
    )
    mailed = TopicOfMailed(runtime.connection)
    runtime.recover_with(RecoverNotifier(runtime.units, mailed, again, erasures_from))
    is_development = settings.mode == "development"
    secrets = settings.webhook_secrets()
    runtime.switches.declare(Known(PAUSE_WEBHOOKS, "sends nothing to webhook endpoints"))
    if secrets is not None:
        sender = HttpWebhookSender(plain_http=is_development, loopback=settings.webhook_loopback)
        runtime.on_close(sender.close)
        send = SendWebhooks(
            units=runtime.units,
            feed=feed,
            sender=sender,
            secrets=secrets,
            sent_facts=PublishedSentFacts(runtime.publisher),
            clock=runtime.clock,
            given_up_after=timedelta(days=settings.webhook_failing_days),
            paused=lambda: runtime.switches.on(PAUSE_WEBHOOKS),
        )
        runtime.worker(WEBHOOK, send, concurrency=ENDPOINTS_AT_ONCE, lease_seconds=LEASE_SECONDS)
        wake = WakeEndpoints(runtime.units, endpoints, feed, runtime.clock)
        runtime.loop("work", Loop("wake webhook endpoints", wake.run))
    return Webhooks(endpoints, feed, secrets, FEED_TYPES, plain_http=is_development)


def _publish(
    runtime: Runtime[NotifierUnit], settings: NotifierSettings, kind: str, at_once: int
) -> None:
    """Add the loop that tells people of one kind of chunk, with a producer of its own."""
    publisher = KafkaPublisher(runtime.connection, compression="gzip")
    runtime.on_close(publisher.close)
    chunks = PublishChunks(
        kind=kind,
        at_once=at_once,
        lease_seconds=settings.lease_seconds,
        units=runtime.units,
        queue=runtime.work,
        publisher=publisher,
        render=told.records_of,
        partitions=settings.notifications_partitions,
        clock=runtime.clock,
        follow=begin_emails if settings.sends_mail else None,
        poll_seconds=runtime.work_poll_seconds,
    )
    runtime.when_offered(chunks.nudge)
    runtime.loop("work", Loop(f"work {kind}", chunks.run))


def _write_mail(runtime: Runtime[NotifierUnit], settings: NotifierSettings) -> None:
    """Add the channel e-mail: one process at a time sends, at the account's pace."""
    runtime.switches.declare(Known(PAUSE_EMAIL, "writes no mails; they wait and keep their turn"))
    pace = Pace(settings.mails_per_second)
    server = _server(settings)
    runtime.on_close(server.close)

    async def offer(item: WorkItem) -> None:
        await runtime.units.run(lambda unit: unit.plumbing.work.offer([item]))

    dispatcher = Dispatcher("mail", runtime.work, offer, pace, runtime.clock)
    runtime.loop("work", Loop("dispatch mail", dispatcher.run))
    emails = SendEmails(
        units=runtime.units,
        letters=letter_writer(settings),
        links=settings.mail_links(),
        server=server,
        outcomes=PublishedMailOutcomes(runtime.publisher),
        pace=MailPace(pace.spend, pace.pause),
        clock=runtime.clock,
        slice_most=max(1, min(MAILS_AT_ONCE_MOST, int(pace.gathered_most))),
        first_pause=timedelta(seconds=settings.mail_retry_seconds),
        paused=lambda: runtime.switches.on(PAUSE_EMAIL),
    )
    lane = dispatcher.lane(urgent_before=USUAL)
    runtime.worker(
        EMAIL,
        lane.performing(emails),
        concurrency=SLICES_AT_ONCE,
        lease_seconds=settings.lease_seconds,
        lane=lane,
    )
    measure = MeasureMail(MongoEmailQueries(runtime.database), settings.mails_per_second)
    runtime.sweep(Sweep("mail", MEASURE_SECONDS, measure))


def _mail_routes(settings: NotifierSettings) -> MailRoutes | None:
    if not settings.sends_mail:
        return None
    return MailRoutes(
        settings.mail_links(),
        read_report,
        all_of(settings.mail_report_secret),
        settings.mails_per_second,
        settings.follow_asks_per_hour,
    )


def _own_pages(settings: NotifierSettings) -> OwnPages | None:
    keys = all_of(settings.link_token_keys)
    return OwnPages(settings.own_pages_url, LinkTokenKeys(keys)) if keys else None


def _server(settings: NotifierSettings) -> SmtpServer:
    return SmtpServer(
        SmtpAccount(
            host=settings.smtp_host,
            port=settings.smtp_port,
            security=settings.smtp_security,
            hello=settings.mail_from.rpartition("@")[2],
            user=first_line(settings.smtp_user),
            password=first_line(settings.smtp_password),
            timeout_seconds=settings.smtp_timeout_seconds,
            connections=settings.smtp_connections,
        )
    )


def letter_writer(settings: NotifierSettings) -> LetterWriter:
    """Return who writes letters, as the settings say."""
    sender = Sender(
        address=settings.mail_from,
        name=settings.mail_from_name,
        platform_url=settings.platform_url,
        unsubscribe=settings.mail_links().unsubscribe,
        follow=settings.mail_links().follow,
        personal=settings.mail_links().personal,
        own_pages=bool(settings.link_token_keys),
    )
    sign = None
    if settings.dkim_selector:
        sign = DkimSigner(sender.domain, settings.dkim_selector, settings.dkim_key)
    return LetterWriter(sender, inlined, sign)


async def _templates(context: Context) -> int:
    settings = cast(NotifierSettings, context.runtime.settings)
    if not settings.sends_mail:
        raise CommandRefused("the channel e-mail is off: NOTIFIER_SMTP_HOST is empty")
    letters, now = letter_writer(settings), datetime.now(UTC)
    return perform_templates(context.arguments, letters, SAMPLES, roles_told, now)


COMMANDS = (
    Command("templates", "write every letter in every language", describe_templates, _templates),
)
