"""The only place that knows both a contract's event and the domain's words for it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from funding.domain.campaign import (
    Campaign,
    CampaignState,
    Cancellation,
    Launch,
    Reward,
    Verdict,
)
from funding.domain.cancelling import CancelCampaign
from funding.domain.facts import (
    CampaignCancelled,
    CampaignLaunched,
    Fact,
    PledgeCollected,
    PledgeDropped,
    PledgeErrored,
    PledgeLastTryDue,
    PledgePlaced,
    PledgeReminderDue,
    PledgeWithdrawn,
    TeamChanged,
    VerdictReached,
)
from funding.domain.pledge import (
    Capture,
    DropReason,
    Payment,
    PaymentMethod,
    PaymentStatus,
    Standing,
    Withdrawal,
    WithdrawnBy,
)
from funding.domain.relaunch import Difference
from funding.domain.team import Team, TeamRole
from funding.domain.terms import Terms
from funding.handlers.recover import (
    Cancelled,
    Decided,
    Dropped,
    Happened,
    Launched,
    Paid,
    Stepped,
    TeamSet,
    Withdrawn,
)
from servicekit.own_topics import Unexplained
from sosst_contracts import funding as events
from sosst_contracts import platform
from sosst_contracts.codec import Decoded, Draft, decode
from sosst_contracts.envelope import sequenced_id
from sosst_contracts.event import Event
from sosst_contracts.money import Money

CAMPAIGNS_TOPIC = platform.CampaignApproved.topic
PAYMENTS_TOPIC = platform.PaymentCaptured.topic
PLEDGES_TOPIC = events.PledgeCollected.topic

PaymentEvent = (
    platform.PaymentPending
    | platform.PaymentCaptured
    | platform.PaymentFailed
    | platform.PaymentWithdrawn
)


def launch_from(event: platform.CampaignApproved, standard: Terms) -> Launch:
    """Read a launch; terms that the event leaves out are the standard ones of the settings."""
    given = event.terms.model_dump(exclude_none=True) if event.terms else {}
    return Launch(
        campaign_id=event.campaign_id,
        creator_id=event.creator_id,
        title=event.title,
        currency=event.currency,
        goal=event.goal,
        deadline=to_the_millisecond(event.deadline),
        zone=event.zone,
        rewards=tuple(Reward(reward.reward_id, reward.title) for reward in event.rewards),
        terms=terms_from(given, standard),
        relaunch_of=event.relaunch_of,
    )


def terms_from(given: dict[str, Any], standard: Terms) -> Terms:
    """Fill up terms that were left out with the standard ones."""
    values = {name: given.get(name, getattr(standard, name)) for name in Terms.__slots__}
    return _terms_of(values)


def _terms_of(values: dict[str, Any]) -> Terms:
    """Lists of the wire are tuples in the domain, so that equal terms are equal."""
    frozen: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in values.items()
    }
    return Terms(**frozen)


def to_the_millisecond(instant: datetime) -> datetime:
    """Cut to what MongoDB keeps, so that the same fact told again compares equal."""
    odd = instant.microsecond % 1_000
    return instant.replace(microsecond=instant.microsecond - odd) if odd else instant


def payment_from(event: PaymentEvent) -> Payment:
    """Read a payment fact."""
    match event:
        case platform.PaymentCaptured():
            capture, method = _capture(event), _method(event.method)
            return _payment(
                event, PaymentStatus.CAPTURED, event.occurred_at, capture=capture, method=method
            )
        case platform.PaymentFailed():
            reason = event.reason
            return _payment(event, PaymentStatus.FAILED, event.occurred_at, reason=reason)
        case platform.PaymentWithdrawn():
            returned = event.balance_transaction
            return _payment(event, PaymentStatus.WITHDRAWN, event.occurred_at, returned=returned)
        case platform.PaymentPending():
            method = _method(event.method)
            return _payment(event, PaymentStatus.PENDING, event.occurred_at, method=method)


def _payment(
    event: PaymentEvent | events.PledgePlaced | events.PledgeCollected | events.PledgeErrored,
    status: PaymentStatus,
    occurred_at: datetime,
    *,
    capture: Capture | None = None,
    reason: str | None = None,
    method: PaymentMethod | None = None,
    returned: str | None = None,
) -> Payment:
    """Read what every fact about a payment says, of others and of our own."""
    return Payment(
        campaign_id=event.campaign_id,
        provider=event.provider,
        payment_reference=event.payment_reference,
        pledge_id=event.pledge_id,
        backer_id=event.backer_id,
        reward_id=event.reward_id,
        money=Money(event.amount, event.currency),
        status=status,
        occurred_at=to_the_millisecond(occurred_at),
        capture=capture,
        reason=reason,
        method=method,
        returned=returned,
    )


def _capture(event: platform.PaymentCaptured | events.PledgeCollected) -> Capture:
    return Capture(event.provider_fee, event.balance_transaction)


def _method(word: str | None) -> PaymentMethod | None:
    """A method that we do not know yet is given the longer window."""
    if word is None:
        return None
    known = {method.value: method for method in PaymentMethod}
    return known.get(word, PaymentMethod.OTHER)


def draft(fact: Fact) -> Draft:
    """Turn a fact of the domain into the event that says it, ready for the outbox."""
    event, occurred_at = _event(fact)
    return Draft(event=event, occurred_at=occurred_at, causation_id=_cause(event))


def _cause(event: events.FundingEvent) -> str | None:
    """Return the fact that an event names as its cause by itself, None to leave it to the outbox.

    A verdict falls by the clock, as of the last pledge: that one, or the launch, is behind it.
    """
    if not isinstance(event, events.VerdictReached):
        return None
    if event.pledges_sequence:
        return sequenced_id(PLEDGES_TOPIC, event.campaign_id, event.pledges_sequence)
    return sequenced_id(event.topic, event.campaign_id, 1)


def _event(fact: Fact) -> tuple[events.FundingEvent, datetime]:
    match fact:
        case CampaignLaunched(campaign, differences):
            return _launched(campaign, differences), campaign.launched_at
        case VerdictReached(campaign):
            return _verdict(campaign)
        case CampaignCancelled(campaign):
            return _cancelled(campaign)
        case TeamChanged(owner, team):
            return _team(owner, team)
        case PledgePlaced(payment, placed_at):
            placed = events.PledgePlaced(
                **_pledge(payment),
                placed_at=placed_at,
                method=payment.method.value if payment.method else None,
            )
            return placed, placed_at
        case PledgeCollected(payment, standing):
            assert payment.capture is not None
            collected = events.PledgeCollected(
                **_pledge(payment),
                provider_fee=payment.capture.provider_fee,
                balance_transaction=payment.capture.balance_transaction,
                captured_at=payment.occurred_at,
                standing=standing.value,
                method=payment.method.value if payment.method else None,
            )
            return collected, payment.occurred_at
        case PledgeErrored(payment):
            errored = events.PledgeErrored(
                **_pledge(payment),
                reason=payment.reason or "unknown",
                errored_at=payment.occurred_at,
            )
            return errored, payment.occurred_at
        case PledgeReminderDue(payment, reminder, drops_at, due_at):
            reminded = events.PledgeReminderDue(
                **_pledge(payment), reminder=reminder, drops_at=drops_at, due_at=due_at
            )
            return reminded, due_at
        case PledgeLastTryDue(payment, drops_at, due_at):
            tried = events.PledgeLastTryDue(**_pledge(payment), drops_at=drops_at, due_at=due_at)
            return tried, due_at
        case PledgeDropped(payment, because, before_verdict, dropped_at):
            dropped = events.PledgeDropped(
                **_pledge(payment),
                because=because.value,
                before_verdict=before_verdict,
                dropped_at=dropped_at,
            )
            return dropped, dropped_at
        case PledgeWithdrawn(payment, withdrawal, standing, before_verdict):
            withdrawn = events.PledgeWithdrawn(
                **_pledge(payment),
                withdrawn_by=withdrawal.by.value,
                standing=standing.value,
                before_verdict=before_verdict,
                return_balance_transaction=withdrawal.balance_transaction,
                withdrawn_at=withdrawal.at,
            )
            return withdrawn, withdrawal.at


def _pledge(payment: Payment) -> dict[str, Any]:
    optional = {} if payment.reward_id is None else {"reward_id": payment.reward_id}
    return {
        "campaign_id": payment.campaign_id,
        "pledge_id": payment.pledge_id,
        "backer_id": payment.backer_id,
        "amount": payment.money.amount,
        "currency": payment.money.currency,
        "provider": payment.provider,
        "payment_reference": payment.payment_reference,
    } | optional


def _terms(terms: Terms) -> events.Terms:
    values = {name: getattr(terms, name) for name in Terms.__slots__}
    values["stage_shares_basis_points"] = list(terms.stage_shares_basis_points)
    values["errored_reminders_seconds"] = list(terms.errored_reminders_seconds)
    return events.Terms(**values)


def _launched(campaign: Campaign, differences: Sequence[Difference]) -> events.CampaignLaunched:
    said = [events.Difference(field=d.field, old=d.old, new=d.new) for d in differences]
    launch = campaign.launch
    return events.CampaignLaunched(
        campaign_id=launch.campaign_id,
        creator_id=launch.creator_id,
        title=launch.title,
        currency=launch.currency,
        goal=launch.goal,
        deadline=launch.deadline,
        zone=launch.zone,
        rewards=[events.Reward(reward_id=r.reward_id, title=r.title) for r in launch.rewards],
        terms=_terms(launch.terms),
        launched_at=campaign.launched_at,
        relaunch_of=launch.relaunch_of,
        differences=None if launch.relaunch_of is None else said,
    )


def _verdict(campaign: Campaign) -> tuple[events.VerdictReached, datetime]:
    launch, verdict = campaign.launch, campaign.verdict
    assert verdict is not None
    event = events.VerdictReached(
        campaign_id=launch.campaign_id,
        creator_id=launch.creator_id,
        title=launch.title,
        verdict=verdict.outcome.value,
        goal=launch.goal,
        collected=verdict.collected,
        currency=launch.currency,
        count=verdict.count,
        pledges_sequence=verdict.pledges_sequence,
        terms=_terms(launch.terms),
        late_by_seconds=verdict.late_by_seconds,
        reached_at=verdict.reached_at,
    )
    return event, verdict.reached_at


def _cancelled(campaign: Campaign) -> tuple[events.CampaignCancelled, datetime]:
    launch, cancellation = campaign.launch, campaign.cancellation
    assert cancellation is not None
    event = events.CampaignCancelled(
        campaign_id=launch.campaign_id,
        creator_id=launch.creator_id,
        title=launch.title,
        by=cancellation.by,
        reason=cancellation.reason,
        after_verdict=campaign.verdict is not None,
        collected=cancellation.collected,
        currency=launch.currency,
        count=cancellation.count,
        pledges_sequence=cancellation.pledges_sequence,
        cancelled_at=cancellation.cancelled_at,
    )
    return event, cancellation.cancelled_at


def _team(owner: str, team: Team) -> tuple[events.TeamChanged, datetime]:
    assert team.changed_at is not None
    everybody = {owner: frozenset({TeamRole.OWNER})} | dict(sorted(team.roles.items()))
    event = events.TeamChanged(
        campaign_id=team.campaign_id,
        members=[
            events.TeamMember(person_id=person, roles=[role.value for role in sorted(roles)])
            for person, roles in everybody.items()
        ],
        changed_by=team.changed_by,
        changed_at=team.changed_at,
    )
    return event, team.changed_at


def cancellation_from(event: platform.CancellationOrdered) -> CancelCampaign:
    """Read what the platform's staff ordered."""
    return CancelCampaign(
        campaign_id=event.campaign_id,
        by=event.by,
        reason=event.reason,
        as_staff=True,
        at=to_the_millisecond(event.ordered_at),
    )


def history_from(unexplained: Sequence[Unexplained]) -> dict[str, list[Happened]]:
    """Read our own facts back into what happened, by campaign; `draft` the other way."""
    history: dict[str, list[Happened]] = {}
    for one in unexplained:
        decoded = decode(one.record)
        happened = _happened(decoded.event, one.sequence) if isinstance(decoded, Decoded) else None
        if happened is not None:
            history.setdefault(one.key, []).append(happened)
    return history


def _happened(event: Event, sequence: int) -> Happened | None:
    match event:
        case events.CampaignLaunched():
            launch = Launch(
                campaign_id=event.campaign_id,
                creator_id=event.creator_id,
                title=event.title,
                currency=event.currency,
                goal=event.goal,
                deadline=to_the_millisecond(event.deadline),
                zone=event.zone,
                rewards=tuple(Reward(reward.reward_id, reward.title) for reward in event.rewards),
                terms=_terms_back(event.terms),
                relaunch_of=event.relaunch_of,
            )
            return Launched(launch, to_the_millisecond(event.launched_at))
        case events.VerdictReached():
            verdict = Verdict(
                outcome=CampaignState(event.verdict),
                collected=event.collected,
                count=event.count,
                pledges_sequence=event.pledges_sequence,
                late_by_seconds=event.late_by_seconds,
                reached_at=to_the_millisecond(event.reached_at),
            )
            return Decided(verdict)
        case events.CampaignCancelled():
            return Cancelled(
                Cancellation(
                    by=event.by,
                    reason=event.reason,
                    collected=event.collected,
                    count=event.count,
                    pledges_sequence=event.pledges_sequence,
                    cancelled_at=to_the_millisecond(event.cancelled_at),
                )
            )
        case events.TeamChanged():
            return TeamSet(_team_back(event))
        case events.PledgePlaced():
            method = _method(event.method)
            pending = _payment(event, PaymentStatus.PENDING, event.placed_at, method=method)
            return Paid(sequence, pending, None)
        case events.PledgeCollected():
            capture, method = _capture(event), _method(event.method)
            captured = _payment(
                event, PaymentStatus.CAPTURED, event.captured_at, capture=capture, method=method
            )
            return Paid(sequence, captured, Standing(event.standing))
        case events.PledgeErrored():
            reason = event.reason
            failed = _payment(event, PaymentStatus.FAILED, event.errored_at, reason=reason)
            return Paid(sequence, failed, None)
        case events.PledgeReminderDue() | events.PledgeLastTryDue():
            return Stepped(sequence, event.pledge_id, to_the_millisecond(event.due_at))
        case events.PledgeDropped():
            because = DropReason(event.because)
            at = to_the_millisecond(event.dropped_at)
            return Dropped(sequence, event.pledge_id, because, at)
        case events.PledgeWithdrawn():
            withdrawal = Withdrawal(
                WithdrawnBy(event.withdrawn_by),
                to_the_millisecond(event.withdrawn_at),
                event.return_balance_transaction,
            )
            return Withdrawn(sequence, event.pledge_id, withdrawal)
    return None


def _terms_back(terms: events.Terms) -> Terms:
    return _terms_of(terms.model_dump(exclude_none=True))


def _team_back(event: events.TeamChanged) -> Team:
    roles = {m.person_id: frozenset(TeamRole(role) for role in m.roles) for m in event.members}
    beside = {person: given - {TeamRole.OWNER} for person, given in roles.items()}
    return Team(
        campaign_id=event.campaign_id,
        roles={person: given for person, given in beside.items() if given},
        changed_by=event.changed_by,
        changed_at=to_the_millisecond(event.changed_at),
    )
