"""What others tell of one campaign, as the records of six topics, and the provider's side."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from payouts import wire
from payouts.domain.claim_money import ClaimMoney
from servicekit.ordering import Incoming
from services.payouts.tests.builders import REWARD, a_pledge
from services.payouts.tests.conftest import CAMPAIGN
from services.payouts.tests.fakes import MemoryProvider
from sosst_contracts import funding, updates
from sosst_contracts.codec import Draft
from sosst_contracts.event import Event
from sosst_contracts.testing import sample

CREATOR = "creator-1"
MET, MISSED, CANCELLED = "goal_met", "goal_missed", "cancelled"
TERMS = funding.Terms(
    stage_shares_basis_points=[2000, 3000, 5000],
    platform_fee_basis_points=500,
    processing_fee_basis_points=290,
    processing_fee_fixed=30,
    tax_basis_points=2000,
    settle_seconds=900,
    pending_window_seconds=3600,
)


class Post(StrEnum):
    """What its creator publishes, what staff make of it, and what the silence watch says."""

    EMERGENCY = "emergency"
    RECOVERY_PLAN = "recovery_plan"
    NEWS = "news"
    RAISED = "raised"
    LOWERED = "lowered"
    SILENCE = "silence"


@dataclass(frozen=True, slots=True)
class Backed:
    """A pledge; `withdrawn_by` backer or provider before the verdict, None if it stays.

    What is paid by `sepa_debit` goes back the way it came for two days only.
    """

    number: int
    amount: int
    withdrawn_by: str | None = None
    method: str | None = None

    @property
    def payment_reference(self) -> str:
        return f"ch_{self.number}"


@dataclass
class Told:
    """Six topics of one campaign; what is in them was published, whoever has read it."""

    provider: MemoryProvider
    now: datetime
    pledges: list[Incoming] = field(default_factory=list)
    campaigns: list[Incoming] = field(default_factory=list)
    posts: list[Incoming] = field(default_factory=list)
    claims: list[Incoming] = field(default_factory=list)
    plans: list[Incoming] = field(default_factory=list)
    deliveries: list[Incoming] = field(default_factory=list)
    delivered: list[tuple[int, bool]] = field(default_factory=list)
    claimed: list[ClaimMoney] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)
    backed: list[Backed] = field(default_factory=list)
    behind_end: list[Backed] = field(default_factory=list)
    cancelled: bool = False
    ending: str | None = None

    def topic(self, name: str) -> list[Incoming]:
        return {
            wire.PLEDGES_TOPIC: self.pledges,
            wire.CAMPAIGNS_TOPIC: self.campaigns,
            wire.POSTS_TOPIC: self.posts,
            wire.CLAIMS_TOPIC: self.claims,
            wire.PLANS_TOPIC: self.plans,
            wire.DELIVERIES_TOPIC: self.deliveries,
        }[name]

    def launch(self) -> None:
        launched = sample(funding.CampaignLaunched).model_copy(
            update={"campaign_id": CAMPAIGN, "creator_id": CREATOR, "terms": TERMS}
        )
        self._say(self.campaigns, launched)

    def collect(self, backed: Backed, standing: str = "counted") -> None:
        """The provider captures it, and funding says so."""
        pledge = a_pledge(backed.number, backed.amount)
        self.backed.append(backed)
        if self.cancelled:
            self.behind_end.append(backed)
        self.provider.cash += pledge.amount - pledge.provider_fee
        self.provider.charged[pledge.payment_reference] = pledge.amount
        self.provider.list_movement(
            pledge.balance_transaction,
            "",
            "charge",
            pledge.payment_reference,
            pledge.amount,
            pledge.provider_fee,
        )
        collected = funding.PledgeCollected(
            campaign_id=CAMPAIGN,
            pledge_id=pledge.pledge_id,
            backer_id=pledge.backer_id,
            amount=pledge.amount,
            currency="EUR",
            provider="sandbox",
            payment_reference=pledge.payment_reference,
            provider_fee=pledge.provider_fee,
            balance_transaction=pledge.balance_transaction,
            captured_at=self.now,
            standing=standing,
            method=backed.method,
            reward_id=REWARD,
        )
        self._say(self.pledges, collected)

    def withdraw(self, backed: Backed) -> None:
        """Before the verdict its backer takes it back, or the provider has given it back."""
        returned_in = None
        if backed.withdrawn_by == "provider":
            returned_in = self.provider.return_by_itself(backed.payment_reference)
        withdrawn = funding.PledgeWithdrawn(
            campaign_id=CAMPAIGN,
            pledge_id=f"pledge-{backed.number}",
            backer_id=f"backer-{backed.number}",
            amount=backed.amount,
            currency="EUR",
            provider="sandbox",
            payment_reference=backed.payment_reference,
            withdrawn_by=backed.withdrawn_by or "backer",
            standing="counted",
            before_verdict=True,
            return_balance_transaction=returned_in,
            withdrawn_at=self.now,
        )
        self._say(self.pledges, withdrawn)

    def end(self, ending: str) -> None:
        """Say the verdict, or that the campaign was cancelled before any."""
        self.ending = ending
        stays = [one.amount for one in self.backed if one.withdrawn_by is None]
        figures = {"campaign_id": CAMPAIGN, "creator_id": CREATOR, "currency": "EUR"}
        figures |= {"collected": sum(stays), "count": len(stays)}
        figures |= {"pledges_sequence": len(self.pledges)}
        if ending == CANCELLED:
            self._cancel(figures | {"after_verdict": False})
            return
        reached = sample(funding.VerdictReached).model_copy(
            update=figures | {"verdict": ending, "terms": TERMS, "reached_at": self.now}
        )
        self._say(self.campaigns, reached)

    def cancel_after_all(self) -> None:
        """Say that staff cancelled it after its goal was met; what is paid later is not in it."""
        self.cancelled = True
        figures = {"campaign_id": CAMPAIGN, "creator_id": CREATOR, "currency": "EUR"}
        sequence = {"pledges_sequence": len(self.pledges), "after_verdict": True}
        self._cancel(figures | sequence)

    def post(self, post: Post) -> None:
        """Publish it; what answers an emergency is about the oldest that nothing has answered."""
        name = f"update-{len(self.posts) + 1}"
        match post:
            case Post.EMERGENCY:
                self._publish(name, kind="emergency", severity="critical")
                self.unanswered.append(name)
            case Post.RECOVERY_PLAN:
                about = self.unanswered.pop(0) if self.unanswered else "update-0"
                self._publish(name, kind="recovery_plan", answers=about, dates="unchanged")
            case Post.NEWS:
                self._publish(name, kind="news")
            case Post.RAISED:
                self._grade(name, kind="emergency", severity="serious")
                self.unanswered.append(name)
            case Post.LOWERED:
                about = self.unanswered.pop(0) if self.unanswered else "update-0"
                self._grade(about, kind="delay_notice")
            case Post.SILENCE:
                step = {"campaign_id": CAMPAIGN, "step": "stage_held"}
                self._say(self.posts, sample(updates.SilenceStepReached, **step))

    def claim(self, wanted: ClaimMoney, backer_id: str, by: str) -> None:
        """Say that a claim ended in money, of all pledges that were told so far."""
        self.claimed.append(wanted)
        asked = updates.ClaimMoneyRequested(
            campaign_id=CAMPAIGN,
            claim_id=wanted.claim_id,
            pledge_id=wanted.pledge_id,
            backer_id=backer_id,
            reason=wanted.reason,
            kind=wanted.kind.value,
            amount=wanted.amount,
            currency="EUR",
            payer=wanted.payer.value,
            decided_by=by,
            pledges_sequence=len(self.pledges),
            requested_at=self.now,
        )
        self._say(self.claims, asked)

    def deliver(self, number: int, arrives: bool) -> None:
        """Say that this backer has the reward now, or sent it back."""
        self.delivered.append((number, arrives))
        state = "delivered" if arrives else "returned"
        moved = {"backer_id": f"backer-{number}", "old": "shipped", "new": state}
        about = {"campaign_id": CAMPAIGN, "reward_id": REWARD, "state": state}
        self._say(self.deliveries, sample(updates.DeliveryChanged, changes=[moved], **about))

    def having(self, deliveries: int, claims: int) -> set[str]:
        """Return the pledges with their reward, and no claim about them, as of these facts."""
        now = dict(self.delivered[:deliveries])
        claimed = {one.pledge_id for one in self.claimed[:claims]}
        return {f"pledge-{number}" for number, arrived in now.items() if arrived} - claimed

    def submit(self, stage: int, evidence: str) -> None:
        """Say that the creator shows a milestone."""
        about = {"campaign_id": CAMPAIGN, "stage": stage, "submitted_by": CREATOR}
        self._say(self.plans, sample(updates.MilestoneSubmitted, evidence=evidence, **about))

    def _publish(self, name: str, **parts: object) -> None:
        about = {"campaign_id": CAMPAIGN, "update_id": name}
        self._say(self.posts, sample(updates.UpdatePublished, **about, **parts))

    def _grade(self, name: str, **grade: object) -> None:
        about = {"campaign_id": CAMPAIGN, "update_id": name, "by": "staff-9", "reason": "so it is"}
        self._say(self.posts, sample(updates.ProblemGraded, **about, **grade))

    def _cancel(self, figures: dict[str, object]) -> None:
        cancelled = sample(funding.CampaignCancelled).model_copy(
            update=figures | {"cancelled_at": self.now}
        )
        self._say(self.campaigns, cancelled)

    def _say(self, topic: list[Incoming], event: Event) -> None:
        sequence = len(topic) + 1
        topic.append(Incoming(Draft(event, self.now).seal(sequence), 0, sequence))
