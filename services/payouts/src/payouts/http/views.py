"""From the domain to what people see."""

from collections.abc import Mapping, Sequence

from payouts.domain.acts import Act, OtherMeans
from payouts.domain.approval import Approval
from payouts.domain.block import Block, published
from payouts.domain.book import Book
from payouts.domain.claim_link import wishes_other_way
from payouts.domain.destination import Destination
from payouts.domain.fees import LastStage
from payouts.domain.gate import Line
from payouts.domain.holds import Hold
from payouts.domain.ledger import Account
from payouts.domain.milestone import Milestone
from payouts.domain.receivable import Proposed, Receivable
from payouts.domain.refund import Refund, RefundState
from payouts.domain.stage import Stage, StageState
from payouts.http.models import (
    ActsView,
    ActView,
    ApprovalView,
    DestinationView,
    EndingView,
    FeesView,
    HoldsView,
    HoldView,
    LineView,
    MilestoneView,
    MoneyView,
    OtherMeansView,
    ReceivableView,
    RefundFigures,
    RefundView,
    StageOutline,
    StageView,
    TracedRefundView,
)
from servicekit.auth import Principal, Role

_RETURNED = (RefundState.SUCCEEDED, RefundState.PAID_BY_OTHER_MEANS)


def destination_view(destination: Destination) -> DestinationView:
    return DestinationView(
        campaign_id=destination.campaign_id,
        provider=destination.provider,
        account=destination.account,
        version=destination.version,
        state=destination.state.value,
        changed_at=destination.changed_at,
        verified_at=destination.verified_at,
        reason=destination.reason,
    )


def money_view(
    book: Book, refunds: Mapping[str, tuple[int, int]], stages: Sequence[Stage]
) -> MoneyView:
    balances = book.balances
    return MoneyView(
        campaign_id=book.campaign_id,
        currency=book.currency,
        as_of_pledges_sequence=book.pledges_sequence,
        verdict=book.verdict.outcome.value if book.verdict else None,
        cancelled_at=book.cancellation.cancelled_at if book.cancellation else None,
        held=balances[Account.BACKER_FUNDS] + balances[Account.CREATOR_PAYABLE],
        refunding=balances[Account.REFUNDS_IN_FLIGHT],
        refunded=sum(refunds.get(state.value, (0, 0))[1] for state in _RETURNED),
        claimable=balances[Account.CLAIMABLE],
        paid=sum(stage.payable for stage in stages if stage.state is StageState.PAID),
        balances={account.value: balances.get(account, 0) for account in Account},
        refunds={s: RefundFigures(count=c, amount=a) for s, (c, a) in refunds.items()},
        blocks=book.head.block,
        head=book.head.hash,
        state=book.life.state.value,
    )


def refund_view(refund: Refund) -> RefundView:
    return RefundView(
        refund_id=refund.refund_id,
        campaign_id=refund.campaign_id,
        kind=refund.kind.value,
        payer=refund.payer.value,
        beyond_pledge=refund.beyond,
        pledge_id=refund.pledge_id,
        backer_id=refund.backer_id,
        amount=refund.amount,
        currency=refund.currency,
        cause=refund.cause,
        state=refund.state.value,
        reason=refund.reason,
        attempts=len(refund.attempts),
        created_at=refund.created_at,
        advance_max=refund.advance_max,
        advanced=refund.advanced,
        unpaid=refund.unpaid,
        wishes_other_way=wishes_other_way(refund),
        refundable_until=refund.refundable_until,
    )


def traced_refund_view(refund: Refund, caller: Principal) -> TracedRefundView:
    concerned = Role.STAFF in caller.roles or caller.subject == refund.backer_id
    return TracedRefundView(
        **refund_view(refund).model_dump(),
        acquirer_reference=refund.acquirer_reference if concerned else None,
    )


def acts_view(refund: Refund) -> ActsView:
    told = refund.other_means
    return ActsView(
        refund_id=refund.refund_id,
        acts=[_act(act) for act in refund.acts],
        other_means=_other_means(told) if told else None,
    )


def _other_means(told: OtherMeans) -> OtherMeansView:
    return OtherMeansView(
        method=told.method.value, proof=told.proof, note=told.note, by=told.by, at=told.at
    )


def _act(act: Act) -> ActView:
    return ActView(what=act.kind.value, by=act.by, at=act.at, reason=act.reason)


def stage_view(stage: Stage, lines: Sequence[Line]) -> StageView:
    return StageView(**dict(stage_outline(stage)), gate=[_line(line) for line in lines])


def stage_outline(stage: Stage) -> StageOutline:
    return StageOutline(
        stage=stage.number,
        kind=stage.kind.value,
        state=stage.state.value,
        share_basis_points=stage.share_basis_points,
        planned_amount=stage.planned_amount,
        amount=stage.amount,
        set_off=stage.set_off,
        currency=stage.currency,
        due_at=stage.due_at,
        paid_at=stage.paid_at,
        attempts=len(stage.attempts),
        reason=stage.reason,
        milestone=_milestone(stage.milestone) if stage.milestone else None,
        approval=_approval(stage.approval) if stage.approval else None,
        fees=_fees(stage.divided) if stage.divided else None,
    )


def receivable_view(receivable: Receivable) -> ReceivableView:
    return ReceivableView(
        receivable_id=receivable.receivable_id,
        campaign_id=receivable.campaign_id,
        cause=receivable.cause,
        state=receivable.state.value,
        amount=receivable.amount,
        settled=receivable.settled,
        written_off=receivable.written_off,
        open=receivable.open,
        currency=receivable.currency,
        arisen_at=receivable.arisen_at,
        proposed=_ending(receivable.proposed) if receivable.proposed else None,
        endings=[
            _ending(ending, second_by)
            for ending, second_by in zip(receivable.endings, receivable.ended_by, strict=True)
        ],
    )


def _ending(ending: Proposed, second_by: str | None = None) -> EndingView:
    return EndingView(
        kind=ending.kind.value,
        amount=ending.amount,
        reason=ending.reason,
        by=ending.by,
        second_by=second_by,
        at=ending.at,
    )


def holds_view(book: Book) -> HoldsView:
    return HoldsView(campaign_id=book.campaign_id, holds=[_hold(hold) for hold in book.holds])


def _hold(hold: Hold) -> HoldView:
    return HoldView(
        hold_id=hold.hold_id,
        kind=hold.kind.value,
        reason=hold.reason,
        by=hold.by,
        since=hold.since,
        released_by=hold.released_by,
        released_at=hold.released_at,
        about=hold.about,
        answered_by=hold.answered_by,
    )


def _milestone(milestone: Milestone) -> MilestoneView:
    return MilestoneView(
        revision=milestone.revision,
        evidence=milestone.evidence,
        state=milestone.state.value,
        submitted_at=milestone.submitted_at,
        decided_by=milestone.decided_by,
        decided_at=milestone.decided_at,
        reason=milestone.reason,
    )


def _approval(approval: Approval) -> ApprovalView:
    return ApprovalView(
        by=approval.by,
        second_by=approval.second_by,
        amount=approval.amount,
        destination_version=approval.destination_version,
        approved_at=approval.approved_at,
    )


def _fees(divided: LastStage) -> FeesView:
    covered, owed = divided.covered, divided.owed
    return FeesView(
        platform=covered.platform + owed.platform,
        processing=covered.processing + owed.processing,
        tax=covered.tax + owed.tax,
        owed=owed.total,
    )


def _line(line: Line) -> LineView:
    return LineView(
        name=line.name,
        state=line.state.value,
        why=line.why,
        since=line.since,
        who=line.who.value if line.who else None,
        expected_by=line.expected_by,
    )


def block_view(block: Block) -> dict[str, object]:
    return published(block)
