"""From the domain to what people see, and back."""

from dataclasses import asdict

from funding.domain.campaign import Campaign, Cancellation, Launch, Reward
from funding.domain.errors import Refused
from funding.domain.pledge import Capture, Payment, PaymentMethod, PaymentStatus, Pledge
from funding.domain.settling import SettlingLine
from funding.domain.terms import Terms, check_smallest_pledge
from funding.handlers.import_pledges import Imported
from funding.http.models import (
    CampaignView,
    CancellationView,
    Figures,
    Goal,
    ImportView,
    LaunchBody,
    LineView,
    Money,
    PaymentBody,
    PledgeView,
    RewardView,
    RowView,
    VerdictView,
)
from funding.wire import terms_from, to_the_millisecond
from sosst_contracts import money


def launch_from(campaign_id: str, body: LaunchBody, standard: Terms) -> Launch:
    given = body.terms.model_dump(exclude_none=True)
    terms = terms_from(given, standard)
    if body.smallest_pledge is not None:
        check_smallest_pledge(terms, body.smallest_pledge)
    return Launch(
        campaign_id=campaign_id,
        creator_id=body.creator_id,
        title=body.title,
        currency=body.goal.currency,
        goal=body.goal.amount,
        deadline=to_the_millisecond(body.deadline),
        zone=body.zone,
        rewards=tuple(Reward(r.reward_id, r.title) for r in body.rewards),
        terms=terms,
        relaunch_of=body.relaunch_of,
    )


def payment_from(campaign_id: str, body: PaymentBody) -> Payment:
    return Payment(
        campaign_id=campaign_id,
        provider=body.provider,
        payment_reference=body.payment_reference,
        pledge_id=body.pledge_id,
        backer_id=body.backer_id,
        reward_id=body.reward_id,
        money=_money(body.money),
        status=PaymentStatus(body.status),
        occurred_at=to_the_millisecond(body.occurred_at),
        capture=_capture(body),
        reason=body.reason,
        method=PaymentMethod(body.method) if body.method else None,
        returned=_returned(body),
    )


def _money(body: Money) -> money.Money:
    try:
        return money.Money(body.amount, body.currency)
    except ValueError as error:
        raise Refused("unknown-currency", str(error)) from None


def _capture(body: PaymentBody) -> Capture | None:
    if body.status != "captured":
        return None
    if body.provider_fee is None or body.balance_transaction is None:
        raise Refused("capture-incomplete", "captured needs provider_fee and balance_transaction")
    return Capture(body.provider_fee, body.balance_transaction)


def _returned(body: PaymentBody) -> str | None:
    if body.status != "withdrawn":
        return None
    if body.balance_transaction is None:
        raise Refused("return-incomplete", "withdrawn needs the return's balance_transaction")
    return body.balance_transaction


def campaign_view(campaign: Campaign, lines: list[SettlingLine] | None = None) -> CampaignView:
    """Show a campaign; `lines` are what the verdict waits for, None where they are not shown."""
    launch, totals, verdict = campaign.launch, campaign.totals, campaign.verdict
    return CampaignView(
        campaign_id=launch.campaign_id,
        creator_id=launch.creator_id,
        title=launch.title,
        state=campaign.state.value,
        goal=Goal(amount=launch.goal, currency=launch.currency),
        deadline=launch.deadline,
        zone=launch.zone,
        rewards=[RewardView(reward_id=r.reward_id, title=r.title) for r in launch.rewards],
        terms=asdict(launch.terms)
        | {
            "stage_shares_basis_points": list(launch.terms.stage_shares_basis_points),
            "errored_reminders_seconds": list(launch.terms.errored_reminders_seconds),
        },
        relaunch_of=launch.relaunch_of,
        launched_at=campaign.launched_at,
        figures=Figures(
            currency=launch.currency,
            raised=totals.raised,
            collected=totals.counted + totals.late,
            count=totals.count,
            late=totals.late,
        ),
        verdict=VerdictView(**asdict(verdict)) if verdict else None,
        cancellation=_cancellation_view(campaign.cancellation),
        settling=None if lines is None else [_line_view(line) for line in lines],
    )


def _cancellation_view(cancellation: Cancellation | None) -> CancellationView | None:
    if cancellation is None:
        return None
    shown = {name: getattr(cancellation, name) for name in CancellationView.model_fields}
    return CancellationView(**shown)


def _line_view(line: SettlingLine) -> LineView:
    return LineView(line=line.line.value, met=line.met, detail=line.detail)


def import_view(imported: Imported) -> ImportView:
    counts = {outcome: imported.count(outcome) for outcome in ("new", "known", "refused")}
    return ImportView(
        written=imported.written,
        rows=[RowView(**asdict(row)) for row in imported.rows],
        ignored_columns=list(imported.ignored),
        contact_columns=list(imported.contact),
        **counts,
    )


def pledge_view(pledge: Pledge) -> PledgeView:
    payment = pledge.payment
    return PledgeView(
        pledge_id=payment.pledge_id,
        campaign_id=payment.campaign_id,
        backer_id=payment.backer_id,
        reward_id=payment.reward_id,
        money=Money(amount=payment.money.amount, currency=payment.money.currency),
        state=pledge.state.value,
        standing=pledge.standing.value if pledge.standing else None,
        provider=payment.provider,
        payment_reference=payment.payment_reference,
        placed_at=pledge.placed_at,
        reason=payment.reason,
        next_step_at=pledge.next_due,
        withdrawn_at=pledge.withdrawal.at if pledge.withdrawal else None,
    )
