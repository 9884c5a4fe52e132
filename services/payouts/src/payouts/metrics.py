"""Metrics of payouts: kind, meaning, and what to do (`operations.md` 2)."""

from prometheus_client import Counter, Gauge, Histogram

from payouts.domain.book_state import BookState
from payouts.domain.dispute import DisputeState
from payouts.domain.gate import LINES
from payouts.domain.plan import StageKind
from payouts.domain.reconciliation import BreakKind
from payouts.domain.refund import RefundState
from payouts.domain.stage import StageState

# Providers have codes without end, and a label is from a fixed list: any other one is `other`.
REFUND_REASONS = (
    "none",
    "absent",
    "cancelled-by-provider",
    "charge_already_refunded",
    "charge_disputed",
    "charge_for_pending_refund_disputed",
    "declined",
    "dispute",
    "expired_or_canceled_card",
    "insufficient_funds",
    "lost_or_stolen_card",
    "merchant_request",
    "unknown",
    "window-closed",
    "other",
)
REFUND_TRANSITIONS = Counter(
    "sosst_payouts_refund_transitions_total",
    "Refunds by the state they came to, and why. None while refunds are requested: the run is "
    "stalled. One reason growing in failed: what it names is the same for all of them.",
    ["to", "reason"],
)
REFUNDS = Gauge(
    "sosst_payouts_refunds",
    "Refunds by state. Growing in unknown, failed or awaiting_funds: look at the provider.",
    ["state"],
)
REFUND_OLDEST = Gauge(
    "sosst_payouts_refund_oldest_timestamp_seconds",
    "When the oldest refund in the state was requested; 0 = none. Old in unknown: look it up.",
    ["state"],
)
STAGES = Gauge(
    "sosst_payouts_stages",
    "Stages by kind and state. Many approved: read the gate's lines of the oldest.",
    ["stage", "state"],
)
GATE_BLOCKED = Gauge(
    "sosst_payouts_gate_blocked",
    "Stages that are due and kept here, by each line of the gate that keeps them. Growing: the "
    "line names who must act, `GET /campaigns/{id}/stages` says it of one in words.",
    ["line"],
)
STAGE_READY_OLDEST = Gauge(
    "sosst_payouts_stage_ready_oldest_timestamp_seconds",
    "Since when the stage waits longest that nothing but ourselves keeps; 0 = none. Older than a "
    "quarter of an hour: its worker does not send it, read the log for its id.",
)
STAGE_IN_TRANSIT_OLDEST = Gauge(
    "sosst_payouts_stage_in_transit_oldest_timestamp_seconds",
    "When the payout was asked for that its bank has not confirmed for the longest; 0 = none. A "
    "week old: see the queue stages-in-transit, ask the provider.",
)
STAGE_LATE_FAILURES = Counter(
    "sosst_payouts_stage_late_failures_total",
    "Payouts that the bank sent back after it confirmed them. Each: the creator must be asked.",
)
APPROVALS_WAITING = Gauge(
    "sosst_payouts_approvals_waiting",
    "Refunds and stages that wait for a second person. Growing: read the queues to approve.",
)
THRESHOLD = Gauge(
    "sosst_payouts_threshold",
    "Thresholds in force, by setting. Changed: find out who agreed to it beside who did it.",
    ["kind"],
)
AWAITING_FUNDS = Gauge(
    "sosst_payouts_awaiting_funds_items",
    "Refunds that wait for the float. Above 0: top up at the provider, they go on by themselves.",
    ["currency"],
)
UNCLAIMED = Gauge(
    "sosst_payouts_unclaimed_ledgers",
    "Campaigns whose ledger knows more than a restored database. Any: look at them, one by one.",
)
WINDOWS_CLOSING = Gauge(
    "sosst_payouts_refund_windows_closing",
    "Refunds that wait while their payment can be returned only days longer. Any: end the wait.",
)
HOLD_LIMIT_RATIO = Gauge(
    "sosst_payouts_hold_limit_ratio",
    "The oldest money held, as a part of how long its provider lets us. Near 1: see /holdings.",
)
RUN_REMAINING = Gauge(
    "sosst_payouts_run_remaining",
    "Refunds that runs have still to create, or that wait to be sent. Not falling: it stalls.",
)
RUN_ETA = Gauge(
    "sosst_payouts_run_eta_seconds",
    "How long those take at the pace since the last look; 0 = none, +Inf = nothing moves.",
)
FLOAT = Gauge(
    "sosst_payouts_float_minor_units",
    "The platform's own money at the provider. Near or below 0: top up, refunds wait.",
    ["currency"],
)
TOP_UP = Gauge(
    "sosst_payouts_top_up_minor_units",
    "What must be topped up at the provider before all that waits may leave. Above 0: do it.",
    ["currency"],
)
BREAKS = Gauge(
    "sosst_payouts_reconciliation_breaks",
    "Differences between the provider's list and the books that are open. Each: read its detail.",
    ["kind"],
)
BREAK_OLDEST = Gauge(
    "sosst_payouts_reconciliation_break_oldest_timestamp_seconds",
    "When the oldest open difference was first seen; 0 = none. A day old: two people say of it.",
)
SUSPENSE = Gauge(
    "sosst_payouts_suspense_minor_units",
    "Cash at the provider that no book has. Not 0: it belongs to somebody, find out to whom.",
    ["currency"],
)
BOOKS = Gauge(
    "sosst_payouts_books",
    "Books by state. Old campaigns open: something is left in them, their /money says what.",
    ["state"],
)
HEADS_SIGNED = Gauge(
    "sosst_payouts_heads_signed_timestamp_seconds",
    "When the heads of all chains were last signed; 0 = never. Older than 26 hours: look why.",
)
BOOKS_ROUND = Gauge(
    "sosst_payouts_books_round_timestamp_seconds",
    "When the last finished check of all books from their beginnings began. Two days old: look.",
)
BLOCKS = Counter("sosst_payouts_blocks_total", "Blocks sealed into the chains.")
VERDICT_CONTRADICTIONS = Counter(
    "sosst_payouts_verdict_contradictions_total",
    "Verdicts that our own counted pledges contradict. Any: somebody must look, no stage is paid.",
)
DISPUTES = Gauge(
    "sosst_payouts_disputes",
    "Disputes by state. Any unattributed: a payment that no pledge of ours is known for; look.",
    ["state"],
)
RECEIVABLES = Gauge(
    "sosst_payouts_receivables",
    "Open debts of creators. Growing: see the queue receivables, ask for it or write it off.",
)
PAID_TWICE = Counter(
    "sosst_payouts_paid_twice_total",
    "Chargebacks of pledges that a refund had returned or may still return. Any: contest it.",
)
STOPPED_FOR_A_PERSON = Counter(
    "sosst_payouts_stopped_for_a_person_total",
    "Steps that the rules refused although the provider did something. Any: read the log.",
    ["kind"],
)
PROVIDER_REQUESTS = Counter(
    "sosst_payouts_provider_requests_total",
    "Calls to the provider by outcome. unknown or error growing: the provider is in trouble.",
    ["operation", "outcome"],
)
PROVIDER_DURATION = Histogram(
    "sosst_payouts_provider_request_duration_seconds",
    "Time of calls to the provider; near the client's time-out, answers get lost.",
    ["operation"],
)
PROVIDER_WEBHOOKS = Counter(
    "sosst_payouts_provider_webhooks_total",
    "Webhooks by outcome. refused growing: the secret is wrong or somebody forges.",
    ["outcome"],
)

CLAIM_MONEY = Counter(
    "sosst_payouts_claim_money_total",
    "Claims by what their money came to at once. refused growing: read the reasons of the refunds.",
    ["state"],
)

for _state in RefundState:
    CLAIM_MONEY.labels(_state.value)
    REFUNDS.labels(_state.value)
    for _reason in REFUND_REASONS:
        REFUND_TRANSITIONS.labels(_state.value, _reason)
    REFUND_OLDEST.labels(_state.value)
for _stage in StageKind:
    for _stage_state in StageState:
        STAGES.labels(_stage.value, _stage_state.value)
for _line in LINES:
    GATE_BLOCKED.labels(_line)
for _book_state in BookState:
    BOOKS.labels(_book_state.value)
for _break in BreakKind:
    BREAKS.labels(_break.value)
for _dispute_state in DisputeState:
    DISPUTES.labels(_dispute_state.value)
for _kind in ("refund", "stage", "dispute", "claim"):
    STOPPED_FOR_A_PERSON.labels(_kind)
for _outcome in ("woke", "ignored", "refused"):
    PROVIDER_WEBHOOKS.labels(_outcome)


def reason_label(reason: str | None) -> str:
    """Return the label for why a refund is what it is."""
    if reason is None:
        return "none"
    return reason if reason in REFUND_REASONS else "other"
