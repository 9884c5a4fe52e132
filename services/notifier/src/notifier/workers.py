"""The claimed work of notifier: who performs each kind, how many at the same time."""

from datetime import timedelta
from functools import partial

from notifier.adapters.mail_outcomes import PublishedMailOutcomes
from notifier.adapters.sent_facts import PublishedSentFacts
from notifier.adapters.webhook_sender import HttpWebhookSender
from notifier.consumer import CAMPAIGNS, PLEDGES
from notifier.domain.cause import USUAL
from notifier.domain.kind import MONEY
from notifier.handlers.address import AddressChunks
from notifier.handlers.cut import CutCauses
from notifier.handlers.email_work import EMAIL, begin_emails
from notifier.handlers.hear import ADDRESS, PLAN, PUBLISH_CHUNK, PUBLISH_ONE
from notifier.handlers.mail_domains import MailDomains
from notifier.handlers.plan import PlanCauses
from notifier.handlers.publish import PublishChunks
from notifier.handlers.replay import REPLAY, ReplayCauses
from notifier.handlers.send_emails import MailPace, SendEmails
from notifier.handlers.send_webhooks import SendWebhooks, WakeEndpoints
from notifier.handlers.webhook_endpoints import WEBHOOK
from notifier.http import Parts
from notifier.http.webhooks import Webhooks
from notifier.ports.unit import Audience, NotifierUnit
from notifier.settings import NotifierSettings
from notifier.wire import told
from servicekit.dispatch import Dispatcher
from servicekit.loops import Loop
from servicekit.pace import Pace
from servicekit.publish import KafkaPublisher
from servicekit.runtime import Runtime
from servicekit.switches import Known
from servicekit.work import GivesWay, KeptFree, WorkItem

ONES_AT_ONCE = 500
# Of chunks that are told: Python renders one on one core, a third was not faster.
GROUPS_IN_HAND = 2
PLANS_AT_ONCE = 3
# Of those, for what waits for no huge audience to be cut.
FOR_EMERGENCIES = KeptFree(1, before=MONEY)
# Telling steps back from when an emergency is heard until it is planned, when its people go first.
UNTIL_PLANNED = GivesWay(PLAN, before=MONEY)
# As long as these take, or half as many again where nobody is left then, nothing more urgent comes
# first.
MAILS_AT_ONCE_MOST = 100
# Of an endpoint that is sent to; far above the longest answer that is waited for.
WEBHOOK_LEASE_SECONDS = 60
PAUSE_WEBHOOKS = "pause-webhooks"
PAUSE_EMAIL = "pause-email"


def add_workers(
    settings: NotifierSettings,
    runtime: Runtime[NotifierUnit],
    parts: Parts,
    cut: CutCauses,
    domains: MailDomains,
) -> None:
    """Add every worker of notifier; mails and webhooks only where they are sent."""
    units, clock, lease = runtime.units, runtime.clock, settings.lease_seconds
    replays = ReplayCauses(units, parts.queries, cut, PLEDGES, clock, settings.sends_mail)
    runtime.worker(REPLAY, replays, concurrency=1, lease_seconds=lease)
    planner = PlanCauses(units, cut, PLEDGES, CAMPAIGNS, clock)
    runtime.worker(
        PLAN, planner, concurrency=PLANS_AT_ONCE, lease_seconds=lease, kept_free=FOR_EMERGENCIES
    )
    addressing = AddressChunks(units, PLEDGES, clock)
    runtime.worker(ADDRESS, addressing, concurrency=8, lease_seconds=lease)
    _publish(runtime, settings, cut.audience, PUBLISH_CHUNK, settings.chunks_at_once)
    _publish(runtime, settings, cut.audience, PUBLISH_ONE, ONES_AT_ONCE)
    if settings.sends_mail:
        _write_mail(runtime, settings, domains)
    _send_webhooks(runtime, settings, parts.webhooks)


def _publish(
    runtime: Runtime[NotifierUnit],
    settings: NotifierSettings,
    audience: Audience,
    kind: str,
    at_once: int,
) -> None:
    """Add the loop that tells people of one kind of chunk, with producers of its own."""
    publishers = [
        KafkaPublisher(runtime.connection, compression="gzip") for _ in range(GROUPS_IN_HAND)
    ]
    window = timedelta(seconds=settings.mail_window_seconds)
    for publisher in publishers:
        runtime.on_close(publisher.close)
    chunks = PublishChunks(
        kind=kind,
        at_once=at_once,
        lease_seconds=settings.lease_seconds,
        units=runtime.units,
        audience=audience,
        queue=runtime.work,
        publishers=publishers,
        render=told.lot_of,
        partitions=settings.notifications_partitions,
        clock=runtime.clock,
        begin_channels=partial(begin_emails, window=window) if settings.sends_mail else None,
        gives_way=UNTIL_PLANNED,
        poll_seconds=runtime.work_poll_seconds,
    )
    runtime.when_offered(chunks.nudge)
    runtime.loop("work", Loop(f"work {kind}", chunks.run))


def _write_mail(
    runtime: Runtime[NotifierUnit], settings: NotifierSettings, domains: MailDomains
) -> None:
    """Add the channel e-mail: one process at a time sends, at the account's pace."""
    runtime.switches.declare(Known(PAUSE_EMAIL, "writes no mails; they wait and keep their turn"))
    pace = Pace(settings.mails_per_second)
    server = settings.mail_server()
    runtime.on_close(server.close)

    async def offer(item: WorkItem) -> None:
        await runtime.units.run(lambda unit: unit.plumbing.work.offer([item]))

    dispatcher = Dispatcher("mail", runtime.work, offer, pace, runtime.clock)
    runtime.loop("work", Loop("dispatch mail", dispatcher.run))
    emails = SendEmails(
        units=runtime.units,
        letters=settings.letter_writer(),
        links=settings.mail_links(),
        server=server,
        outcomes=PublishedMailOutcomes(runtime.publisher),
        pace=MailPace(pace.spend, pace.pause),
        domains=domains,
        clock=runtime.clock,
        slice_most=max(1, min(MAILS_AT_ONCE_MOST, int(pace.gathered_most))),
        first_pause=timedelta(seconds=settings.mail_retry_seconds),
        merges=settings.mail_window_seconds > 0,
        paused=lambda: runtime.switches.on(PAUSE_EMAIL),
    )
    lane = dispatcher.lane(urgent_before=USUAL)
    runtime.worker(
        EMAIL,
        lane.performing(emails),
        concurrency=4,
        lease_seconds=settings.lease_seconds,
        lane=lane,
    )


def _send_webhooks(
    runtime: Runtime[NotifierUnit], settings: NotifierSettings, webhooks: Webhooks
) -> None:
    """Add what sends to endpoints, where there are keys to sign with."""
    runtime.switches.declare(Known(PAUSE_WEBHOOKS, "sends nothing to webhook endpoints"))
    if webhooks.secrets is None:
        return
    sender = HttpWebhookSender(plain_http=webhooks.plain_http, loopback=settings.webhook_loopback)
    runtime.on_close(sender.close)
    send = SendWebhooks(
        units=runtime.units,
        feed=webhooks.feed,
        sender=sender,
        secrets=webhooks.secrets,
        sent_facts=PublishedSentFacts(runtime.publisher),
        clock=runtime.clock,
        given_up_after=timedelta(days=settings.webhook_failing_days),
        paused=lambda: runtime.switches.on(PAUSE_WEBHOOKS),
    )
    runtime.worker(WEBHOOK, send, concurrency=16, lease_seconds=WEBHOOK_LEASE_SECONDS)
    wake = WakeEndpoints(runtime.units, webhooks.queries, webhooks.feed, runtime.clock)
    runtime.loop("work", Loop("wake webhook endpoints", wake.run))
