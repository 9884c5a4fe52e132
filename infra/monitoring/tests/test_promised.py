"""What the design of operations names is published; what is not, decision 0049 accounts for."""

from infra.monitoring.tests.test_rules import ALERTS, SUFFIXES, declared
from infra.native.folders import REPOSITORY

# As `operations.md` 2 and 3 name them, without the prefix and the labels.
METRICS = """
build_info ready consumer_records_total consumer_batch_duration_seconds consumer_event_age_seconds
consumer_lag_seconds consumer_lag_records consumer_gap_keys consumer_topic_missing consumer_stopped
consumer_partitions consumer_progress_timestamp_seconds consumer_rebalances_total set_aside_keys
set_aside_facts set_aside_total outbox_rows outbox_oldest_timestamp_seconds
outbox_publish_delay_seconds outbox_publish_failures_total sweep_due_oldest_timestamp_seconds
sweep_lateness_seconds sweep_success_timestamp_seconds work_items work_oldest_timestamp_seconds
work_lease_expired_total lane_batch_items lane_wait_seconds write_conflicts_total
as_of_waiting_items as_of_waiting_oldest_timestamp_seconds invariant_violations
invariant_checked_timestamp_seconds http_requests_total http_request_duration_seconds
idempotency_replays_total refusals_total mongodb_operation_duration_seconds event_loop_delay_seconds
switch_on recover_required migrations_pending credential_expiry_timestamp_seconds clock_skew_seconds

funding_campaigns funding_verdicts_total funding_verdict_lateness_seconds
funding_verdict_blocked_campaigns funding_pledges_total funding_errored_pledges
funding_late_payments_total funding_import_rows_total

payouts_refunds payouts_refund_oldest_timestamp_seconds payouts_refund_transitions_total
payouts_run_remaining payouts_run_eta_seconds payouts_stages
payouts_stage_ready_oldest_timestamp_seconds payouts_stage_late_failures_total payouts_gate_blocked
payouts_awaiting_funds_items payouts_float_minor_units payouts_blocks_total
payouts_provider_requests_total payouts_provider_request_duration_seconds
payouts_provider_webhooks_total payouts_reconciliation_breaks
payouts_reconciliation_break_oldest_timestamp_seconds payouts_disputes payouts_receivables
payouts_hold_limit_ratio payouts_approvals_waiting

updates_published_total updates_scheduled_overdue updates_open_problems updates_uploads_total
updates_orphan_media updates_claims updates_claim_overdue updates_silent_projects
updates_view_age_seconds

notifier_causes notifier_cause_oldest_incomplete_timestamp_seconds notifier_completeness_gap
notifier_told_delay_seconds notifier_notifications_total notifier_deliveries_total
notifier_delivery_queue notifier_delivery_eta_seconds notifier_possibly_repeated_total
notifier_bounces_total notifier_complaints_total notifier_suppressed_addresses
notifier_webhook_endpoints notifier_supplements_total
"""
NAMED_ALERTS = """
MoneyInvariantViolated CheckStale ReconciliationBreak FloatShort RefundRunStalled
RefundOutcomeUnknown RefundNotFinal StageReadyNotPaid PayoutReturned HoldLimitNear
ProviderBudgetBurn DeadlineOverdue VerdictNotActedOn NoticeInvariantViolated EmergencyNotTold
FanoutIncomplete ChannelFailing OutboxStuck ConsumerStalled SequenceGap ConsumerStopped
FactsSetAside ServiceDown ApiBudgetBurn RecoverRequired CredentialExpiring BackupTooOld Watchdog
"""
DECISION = "contracts/decisions/0049-no-figure-without-something-behind-it.md"
UNPUBLISHED = {"idempotency_replays_total", "BackupTooOld"}


def test_what_the_design_names_is_published_or_accounted_for() -> None:
    """Exactly what the decision names is missing: no other, and none that came meanwhile."""
    known = declared()
    missing = {name for name in METRICS.split() if SUFFIXES.sub("", f"sosst_{name}") not in known}
    there = {rule["alert"] for rule in ALERTS}
    missing |= {name for name in NAMED_ALERTS.split() if name not in there}
    assert missing == UNPUBLISHED
    page = (REPOSITORY / DECISION).read_text()
    assert all(f"**`{name}` is " in page for name in UNPUBLISHED)
