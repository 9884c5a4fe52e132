"""Facts on their way to endpoints: in order, again after failures, given up in time, replayed."""

from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from itertools import product

import pytest

from notifier.adapters.sent_facts import PublishedSentFacts
from notifier.adapters.webhook_sender import HttpWebhookSender
from notifier.domain.cause import CauseKind
from notifier.domain.errors import Refused
from notifier.domain.kind import ToldAs
from notifier.domain.webhook_endpoint import (
    PAUSES,
    SECRETS_MAX,
    TRANSITIONS,
    DisabledBecause,
    EndpointState,
    SendOutcome,
    SigningSecret,
    WantedFacts,
    WebhookEndpoint,
    add_secret,
    delivered,
    disable,
    enable,
    failed,
    next_attempt,
    take_secret_away,
)
from notifier.handlers.recover_endpoints import RecoverEndpoints, Taken
from notifier.handlers.send_webhooks import NOTED_TOGETHER, PAGE, SendWebhooks, WakeEndpoints
from notifier.handlers.webhook_endpoints import (
    WEBHOOK,
    Act,
    Registration,
    put_secret,
    register_endpoint,
    replay_endpoint,
    turn_endpoint,
)
from notifier.wire.webhooks import taken_from, told_id
from servicekit.clock import ManualClock
from servicekit.errors import Conflict, DuplicateKey
from servicekit.publish import MemoryLog
from servicekit.switches import Switch
from services.notifier.tests.builders import (
    NOW,
    WEBHOOK_SECRETS,
    Notifier,
    collected,
    events_of,
    settle,
    verdict,
)
from services.notifier.tests.fakes_webhooks import MemoryFeed
from services.notifier.tests.kills import killed
from services.notifier.tests.receiver import (
    NO_TLS,
    Answer,
    Receiver,
    endless_head,
    garbage,
    receiver,
    status,
)
from sosst_contracts.codec import Record
from sosst_contracts.notifier import DeliveryFailed, DeliverySucceeded

GIVEN_UP = timedelta(days=5)
HOOK = "crm"
VERDICTS = WantedFacts(types=frozenset({"sosst.funding.verdict-reached.v1"}))
ACT = Act("staff-1", NOW, "a test")


@dataclass(slots=True)
class Hooks:
    """A notifier that sends webhooks over real HTTP, its feed and its one receiver."""

    notifier: Notifier
    receiver: Receiver
    sender: HttpWebhookSender
    switch: Switch | None = None

    @property
    def feed(self) -> MemoryFeed:
        return self.notifier.feed

    @property
    def clock(self) -> ManualClock:
        return self.notifier.clock

    async def register(self, wanted: WantedFacts = WantedFacts()) -> WebhookEndpoint:  # noqa: B008
        said = Registration(HOOK, self.receiver.url, wanted)
        drawn, cursor = WEBHOOK_SECRETS.draw("first", "staff-1", NOW), await self.feed.end()
        run = self.notifier.units.run
        endpoint, _ = await run(lambda unit: register_endpoint(unit, said, drawn, cursor, ACT))
        return endpoint

    def write(self, *records: Record) -> None:
        self.feed.write(self.clock.now(), *records)

    async def turn(self) -> None:
        """Do the work that is due, once."""
        send = SendWebhooks(
            units=self.notifier.units,
            feed=self.feed,
            sender=self.sender,
            secrets=WEBHOOK_SECRETS,
            sent_facts=PublishedSentFacts(self.notifier.publisher),
            clock=self.clock,
            given_up_after=GIVEN_UP,
            paused=lambda: self.switch,
        )
        claims = await self.notifier.queue.claim(WEBHOOK, self.clock.now(), 10, 60)
        for claim in claims:
            await send(claim)

    async def pass_time(self, so_long: timedelta, step: timedelta = timedelta(hours=1)) -> None:
        """Let time pass, doing what falls due."""
        for _ in range(so_long // step):
            self.clock.advance(seconds=step.total_seconds())
            await self.turn()

    async def endpoint(self) -> WebhookEndpoint:
        found = await self.notifier.endpoints.endpoint(HOOK)
        assert found is not None
        return found

    def told(self) -> list[DeliverySucceeded | DeliveryFailed]:
        events = events_of(self.notifier.publisher)
        return [e for e in events if isinstance(e, DeliverySucceeded | DeliveryFailed)]


@pytest.fixture
async def hooks(notifier: Notifier) -> AsyncIterator[Hooks]:
    async with receiver() as open_receiver:
        sender = HttpWebhookSender(plain_http=True, loopback=True, trust=NO_TLS)
        yield Hooks(notifier, open_receiver, sender)
        await sender.close()


def facts(count: int, first: int = 1) -> list[Record]:
    """Facts of one campaign on one topic, so that their order is promised."""
    return [collected(number, f"backer-{number}") for number in range(first, first + count)]


def ids(records: list[Record]) -> list[str]:
    return [(dict(record.headers)["ce_id"] or b"").decode() for record in records]


async def test_facts_are_sent_in_order_and_each_once(hooks: Hooks) -> None:
    """Only what came after the registration, in the order of its topic; then nothing more."""
    hooks.write(collected(1, "before"))
    await hooks.register()
    written = facts(50, first=2)
    hooks.write(*written)
    for _ in range(3):
        await hooks.turn()
    assert hooks.receiver.ids == ids(written)
    assert [event.notification_id for event in hooks.told()] == ids(written)
    assert {event.recipient_id for event in hooks.told()} == {f"webhook:{HOOK}"}


async def test_only_what_is_wanted_is_sent(hooks: Hooks) -> None:
    """What an endpoint did not ask for is passed over, and not looked at again."""
    await hooks.register(VERDICTS)
    hooks.write(*facts(5), verdict(as_of=5))
    await hooks.turn()
    assert [one.headers["webhook-id"] for one in hooks.receiver.taken] == ids([verdict(as_of=5)])
    assert (await hooks.endpoint()).cursor == await hooks.feed.end()
    other = WantedFacts(campaigns=frozenset({"other"}))
    assert not other.takes("campaign-1", "any") and other.takes("other", "any")


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (status(503), SendOutcome.REFUSED),
        (status(302, "location: http://10.0.0.1/"), SendOutcome.REDIRECTED),
        (garbage, SendOutcome.UNREACHABLE),
        (endless_head, SendOutcome.UNREACHABLE),
    ],
    ids=["refuses", "redirects inside", "speaks something else", "is endless"],
)
async def test_a_receiver_that_was_down_for_two_days_has_everything_in_order(
    hooks: Hooks, answer: Answer, outcome: SendOutcome
) -> None:
    """Nothing is passed over, nothing is sent twice, and it was tried a few times a day."""
    await hooks.register()
    hooks.receiver.answer = answer
    early, late = facts(3), facts(3, first=4)
    hooks.write(*early)
    await hooks.turn()
    await hooks.pass_time(timedelta(days=1))
    hooks.write(*late)
    await hooks.pass_time(timedelta(days=1))
    endpoint = await hooks.endpoint()
    assert endpoint.is_enabled and endpoint.failing_since == NOW
    assert endpoint.last_failure is outcome
    tried = len(hooks.receiver.taken)
    assert len(PAUSES) < tried < 20 and set(hooks.receiver.ids) == set(ids(early[:1]))
    hooks.receiver.answer = status(204)
    await hooks.pass_time(timedelta(hours=7))
    assert hooks.receiver.ids[tried:] == ids([*early, *late])
    assert (await hooks.endpoint()).failing_since is None


async def test_one_that_fails_for_days_is_disabled_and_goes_on_when_enabled(hooks: Hooks) -> None:
    """It costs nothing more; its owner finds why, and nothing is lost when it is enabled again."""
    await hooks.register()
    hooks.receiver.answer = status(500)
    written = facts(2)
    hooks.write(*written)
    await hooks.turn()
    await hooks.pass_time(GIVEN_UP + timedelta(hours=6))
    endpoint = await hooks.endpoint()
    assert endpoint.disabled_because is DisabledBecause.FAILING
    tried = len(hooks.receiver.taken)
    await hooks.pass_time(timedelta(days=1))
    assert len(hooks.receiver.taken) == tried
    assert [type(event) for event in hooks.told()] == [DeliveryFailed]
    hooks.receiver.answer = status(204)
    await hooks.notifier.units.run(lambda unit: turn_endpoint(unit, HOOK, True, ACT))
    await hooks.turn()
    assert hooks.receiver.ids[tried:] == ids(written)


async def test_gone_disables_at_once(hooks: Hooks) -> None:
    """410 is the receiver's word that nothing more is wanted."""
    await hooks.register()
    hooks.receiver.answers = [status(204), status(410)]
    hooks.write(*facts(3))
    await hooks.turn()
    endpoint = await hooks.endpoint()
    assert endpoint.disabled_because is DisabledBecause.GONE and len(hooks.receiver.taken) == 2
    told = hooks.told()[-1]
    assert isinstance(told, DeliveryFailed) and told.reason == "gone"
    assert await hooks.notifier.endpoints.states() == {"enabled": 0, "failing": 0, "disabled": 1}


async def test_an_address_inside_fails_like_any_other(hooks: Hooks) -> None:
    """A private address is tried again, since names change, and named in what its owner sees."""
    hooks.receiver.port = 0
    await hooks.register()
    inside = replace(await hooks.endpoint(), url="http://10.0.0.1/hook")
    await hooks.notifier.units.run(lambda unit: unit.endpoints.save(inside))
    hooks.write(*facts(1))
    await hooks.turn()
    assert (await hooks.endpoint()).last_failure is SendOutcome.FORBIDDEN_ADDRESS
    await hooks.pass_time(GIVEN_UP + timedelta(hours=6))
    (told,) = hooks.told()
    assert isinstance(told, DeliveryFailed) and told.reason == "forbidden-address"


async def test_replay_sends_the_same_facts_under_the_same_ids(hooks: Hooks) -> None:
    """From the beginning, or from an instant; the bytes are those of the first time."""
    hooks.write(*facts(2))
    await hooks.register()
    hooks.clock.advance(seconds=60)
    hooks.write(*facts(2, first=3))
    await hooks.turn()
    first = [one.body for one in hooks.receiver.taken]
    for begin, expected in (
        (await hooks.feed.beginning(), ids(facts(4))),
        (await hooks.feed.at(NOW + timedelta(seconds=30)), ids(facts(2, first=3))),
    ):
        hooks.receiver.taken.clear()
        run = hooks.notifier.units.run
        await run(partial(replay_endpoint, endpoint_id=HOOK, cursor=begin, act=ACT))
        await hooks.turn()
        assert hooks.receiver.ids == expected
        assert [one.body for one in hooks.receiver.taken][-2:] == first


async def test_a_replay_while_it_is_sent_to_is_not_lost(hooks: Hooks) -> None:
    """What its owner said between load and save holds: the sender begins again there."""
    await hooks.register()
    hooks.write(*facts(1))
    beginning = await hooks.feed.beginning()
    run = hooks.notifier.units.run

    async def rewound(writer: object) -> None:
        await run(lambda unit: replay_endpoint(unit, HOOK, beginning, ACT))
        await status(204)(writer)  # type: ignore[arg-type]

    hooks.receiver.answers = [rewound]
    await hooks.turn()
    assert (await hooks.endpoint()).cursor == beginning
    await hooks.turn()
    assert hooks.receiver.ids == ids(facts(1)) * 2


async def test_a_crash_repeats_at_most_what_was_not_noted(hooks: Hooks) -> None:
    """Killed in the middle, the next holder begins at the last note: a few again, none left out."""
    await hooks.register()
    written = facts(NOTED_TOGETHER * 2 + 5)
    hooks.write(*written)
    survived = NOTED_TOGETHER + 3

    class Killed(BaseException):
        """Stands for kill -9."""

    class DyingSender(HttpWebhookSender):
        async def send(self, *arguments: object) -> SendOutcome:
            if len(hooks.receiver.taken) == survived:
                raise Killed
            return await super().send(*arguments)  # type: ignore[arg-type]

    dying = DyingSender(plain_http=True, loopback=True, trust=NO_TLS)
    send = SendWebhooks(
        hooks.notifier.units,
        hooks.feed,
        dying,
        WEBHOOK_SECRETS,
        PublishedSentFacts(hooks.notifier.publisher),
        hooks.clock,
        GIVEN_UP,
        lambda: None,
    )
    (claim,) = await hooks.notifier.queue.claim(WEBHOOK, hooks.clock.now(), 1, 60)
    with pytest.raises(Killed):
        await send(claim)
    await dying.close()
    await hooks.turn()
    assert len(hooks.receiver.taken) == survived
    hooks.clock.advance(seconds=61)
    await hooks.turn()
    assert hooks.receiver.ids == ids(written[:survived]) + ids(written[NOTED_TOGETHER:])


@pytest.mark.trap(23)
async def test_a_restored_backup_sends_no_endpoint_anything_twice(hooks: Hooks) -> None:
    """What the topic says it has taken is passed over; what it has not taken yet is sent."""
    hooks.write(*facts(2))
    await hooks.register()
    backup = await hooks.endpoint()
    hooks.write(*facts(30, first=3))
    await hooks.turn()
    now = (await hooks.endpoint()).version
    restored = replace(backup, version=now)
    await hooks.notifier.units.run(lambda unit: unit.endpoints.save(restored))
    hooks.write(*facts(3, first=33))
    log = hooks.notifier.publisher
    assert isinstance(log, MemoryLog)

    async def taken() -> Taken:
        read = [one for record in log.records if (one := taken_from(record)) is not None]
        return {who: {told for one, told in read if one == who} for who, _ in read}

    recovery = RecoverEndpoints(
        hooks.notifier.units, hooks.notifier.endpoints, hooks.feed, taken, told_id
    )
    for _ in range(2):
        (line,) = await recovery()
        assert line == f"webhook endpoint {HOOK}: 30 facts that it has are not sent again"
    await hooks.turn()
    assert hooks.receiver.ids == ids(facts(33, first=3))
    assert (await hooks.endpoint()).sent_before == frozenset()


async def told_owner(hooks: Hooks) -> list[str]:
    """Return what whoever registered the endpoint was told, oldest first."""
    while await hooks.notifier.publish():
        pass
    entries = await hooks.notifier.queries.inbox("staff-1", None, 10)
    assert all(one.chunk.role is ToldAs.OWNER for one in entries)
    return [str(one.chunk.told.content["because"]) for one in reversed(entries)]


async def test_the_owner_of_a_disabled_endpoint_is_told_each_time(hooks: Hooks) -> None:
    """Once when it was given up, once more when it is gone; never while it is still tried."""
    await hooks.register()
    hooks.receiver.answer = status(503)
    hooks.write(*facts(1))
    await hooks.turn()
    await hooks.pass_time(timedelta(days=4))
    assert await told_owner(hooks) == []
    await hooks.pass_time(timedelta(days=3))
    assert await told_owner(hooks) == ["failing"]
    act = Act("staff-1", hooks.clock.now(), "it is mended")
    await hooks.notifier.units.run(lambda unit: turn_endpoint(unit, HOOK, True, act))
    hooks.receiver.answer = status(410)
    for _ in range(2):
        await hooks.turn()
    assert await told_owner(hooks) == ["failing", "gone"]
    (entry, _) = await hooks.notifier.queries.inbox("staff-1", None, 10)
    assert entry.chunk.told.campaign_id == facts(1)[0].key.decode()  # type: ignore[union-attr]
    assert entry.chunk.told.content["endpoint_id"] == HOOK


async def test_who_disables_an_endpoint_knows_it(hooks: Hooks) -> None:
    """What is turned off by hand, with a reason in the audit, is told to nobody."""
    await hooks.register()
    await hooks.notifier.units.run(lambda unit: turn_endpoint(unit, HOOK, False, ACT))
    assert await told_owner(hooks) == []


async def test_paused_webhooks_wait_and_lose_nothing(hooks: Hooks) -> None:
    """The operators' switch holds everything back until it is off."""
    await hooks.register()
    hooks.write(*facts(2))
    hooks.switch = Switch("pause-webhooks", None, "staff-1", "a test", NOW)
    await hooks.pass_time(timedelta(hours=2))
    assert hooks.receiver.taken == []
    hooks.switch = None
    await hooks.pass_time(timedelta(hours=1))
    assert hooks.receiver.ids == ids(facts(2))


async def test_who_has_everything_is_woken_and_who_fails_is_not(hooks: Hooks) -> None:
    """New facts wake an endpoint that waits; one that is tried again later keeps its pause."""
    await hooks.register()
    wake = WakeEndpoints(hooks.notifier.units, hooks.notifier.endpoints, hooks.feed, hooks.clock)
    seen = await wake.look(None)
    await hooks.turn()
    hooks.write(*facts(1))
    await hooks.turn()
    assert hooks.receiver.taken == []
    await wake.look(seen)
    hooks.receiver.answer = status(500)
    await hooks.turn()
    hooks.write(*facts(1, first=2))
    await wake.look(seen)
    await hooks.turn()
    assert len(hooks.receiver.taken) == 1


async def test_the_same_registration_again_is_the_same(hooks: Hooks) -> None:
    """A repeat changes nothing and draws no secret; another address keeps cursor and secrets."""
    first = await hooks.register()
    hooks.write(*facts(1))
    again = await hooks.register()
    assert replace(again, version=0) == first
    hooks.receiver.port += 1
    moved = await hooks.register(VERDICTS)
    assert moved.url != first.url and moved.wanted == VERDICTS
    assert (moved.secrets, moved.cursor) == (first.secrets, first.cursor)


async def test_a_secret_of_the_same_name_stays(hooks: Hooks) -> None:
    """Put twice it is one secret; at most a few sign, and the last one is not taken away."""
    endpoint = await hooks.register()
    run = hooks.notifier.units.run
    drawn = [WEBHOOK_SECRETS.draw("next", "staff-1", NOW) for _ in range(2)]
    added = [await run(partial(put_secret, endpoint_id=HOOK, secret=one, act=ACT)) for one in drawn]
    assert added == [drawn[0], drawn[0]]
    assert (await hooks.endpoint()).secrets == (drawn[0], *endpoint.secrets)
    hooks.write(*facts(1))
    await hooks.turn()
    (taken,) = hooks.receiver.taken
    assert len(taken.headers["webhook-signature"].split()) == 2


async def test_endpoints_are_guarded_by_their_version(notifier: Notifier) -> None:
    """Saved twice from one loading is a conflict; inserted twice is a duplicate."""
    one = an_endpoint()
    await notifier.units.run(lambda unit: unit.endpoints.save(one))
    with pytest.raises(DuplicateKey):
        await notifier.units.run(lambda unit: unit.endpoints.save(one))
    loaded = await notifier.units.run(lambda unit: unit.endpoints.load(HOOK))
    assert loaded == replace(one, version=1)
    changed = replace(loaded, sent_before=frozenset({"a", "b"}))
    await notifier.units.run(lambda unit: unit.endpoints.save(changed))
    with pytest.raises(Conflict):
        await notifier.units.run(lambda unit: unit.endpoints.save(changed))
    assert await notifier.endpoints.endpoint(HOOK) == replace(changed, version=2)
    assert await notifier.endpoints.endpoints("", 5) == [replace(changed, version=2)]
    assert await notifier.endpoints.endpoints(HOOK, 5) == []


def an_endpoint(state: EndpointState = EndpointState.ENABLED) -> WebhookEndpoint:
    because = DisabledBecause.FAILING if state is EndpointState.DISABLED else None
    return WebhookEndpoint(
        HOOK,
        "crm-service",
        "https://crm.example/hook",
        WantedFacts(frozenset({"campaign-1"}), VERDICTS.types),
        (WEBHOOK_SECRETS.draw("first", "staff-1", NOW),),
        {("funding.campaigns", 3): 17},
        state,
        because,
        NOW,
        3,
        SendOutcome.SLOW,
    )


MOVES = {
    EndpointState.DISABLED: lambda one: disable(one, DisabledBecause.ASKED),
    EndpointState.ENABLED: enable,
}


@pytest.mark.parametrize(("before", "after"), list(product(EndpointState, MOVES)))
def test_every_pair_of_states(before: EndpointState, after: EndpointState) -> None:
    """An endpoint moves only along the table; enabled it has no failure behind it."""
    if after in TRANSITIONS[before]:
        moved = MOVES[after](an_endpoint(before))
        assert moved.state is after and moved.cursor == an_endpoint().cursor
        assert not moved.is_enabled or (moved.failures, moved.failing_since) == (0, None)
    else:
        with pytest.raises(Refused):
            MOVES[after](an_endpoint(before))


def test_pauses_grow_and_end_with_the_patience() -> None:
    """Each failure waits longer than the one before, up to six hours; days of it disable."""
    endpoint, now, waits = delivered(an_endpoint(), {}), NOW, []
    while endpoint.is_enabled:
        endpoint = failed(endpoint, SendOutcome.SLOW, now, GIVEN_UP)
        waits.append(next_attempt(endpoint, now) - now)
        now += waits[-1]
    assert waits == sorted(waits) and waits[: len(PAUSES)] == list(PAUSES)
    assert endpoint.disabled_because is DisabledBecause.FAILING
    assert endpoint.failing_since == NOW and now - NOW >= GIVEN_UP


def test_an_endpoint_keeps_between_one_and_a_few_secrets() -> None:
    """The newest signs first; none too many, and never none."""
    endpoint = an_endpoint()
    (first,) = endpoint.secrets
    for number in range(1, SECRETS_MAX):
        endpoint = add_secret(endpoint, SigningSecret(str(number), "k", "s", "staff-1", NOW))
    assert endpoint.secrets[-1] == first and endpoint.secrets[0].secret_id == "3"
    with pytest.raises(Refused, match="at most"):
        add_secret(endpoint, SigningSecret("more", "k", "s", "staff-1", NOW))
    for secret in endpoint.secrets[1:]:
        endpoint = take_secret_away(endpoint, secret.secret_id)
    with pytest.raises(Refused, match="keeps one"):
        take_secret_away(endpoint, "3")
    assert take_secret_away(endpoint, "unknown") == endpoint


def test_a_page_is_more_than_what_is_noted_together() -> None:
    """Else nothing would be noted within a page."""
    assert NOTED_TOGETHER < PAGE


@pytest.mark.parametrize("moments", range(8))
async def test_a_fact_is_lost_to_no_endpoint_and_only_what_was_not_noted_comes_again(
    hooks: Hooks, moments: int
) -> None:
    """In order, from the last note on."""
    await hooks.register()
    written = facts(NOTED_TOGETHER * 2 + 5)
    hooks.write(*written)
    with killed(hooks.notifier, moments):
        await hooks.turn()
    await hooks.turn()
    taken, wanted = hooks.receiver.ids, ids(written)
    assert list(dict.fromkeys(taken)) == wanted
    assert len(taken) - len(wanted) <= NOTED_TOGETHER
    assert max(Counter(taken).values()) <= 2


@pytest.mark.parametrize("moments", range(4))
async def test_an_endpoint_that_is_gone_is_disabled_once_and_its_owner_told_once(
    hooks: Hooks, moments: int
) -> None:
    """However far the process came that heard it first."""
    await hooks.register()
    hooks.receiver.answer = status(410)
    hooks.write(*facts(1))
    with killed(hooks.notifier, moments):
        await hooks.turn()
    await hooks.turn()
    await settle(hooks.notifier)
    assert (await hooks.endpoint()).state is EndpointState.DISABLED
    inbox = await hooks.notifier.queries.inbox("staff-1", None, 10)
    assert [one.chunk.told.kind for one in inbox] == [CauseKind.WEBHOOK_DISABLED]
