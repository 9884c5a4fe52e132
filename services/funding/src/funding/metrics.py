"""Metrics of funding: kind, meaning, and what to do (`operations.md` 2)."""

from prometheus_client import Counter, Gauge, Histogram

from funding.domain.campaign import CampaignState, Verdict
from funding.domain.pledge import Pledge, PledgeState
from funding.domain.settling import Line

CAMPAIGNS = Gauge(
    "sosst_funding_campaigns",
    "Campaigns by state. Many in settling: look at the settling lines of the oldest.",
    ["state"],
)
BLOCKED = Gauge(
    "sosst_funding_verdict_blocked_campaigns",
    "Campaigns past their deadline by the settling line that is missing; the API says it in words.",
    ["line"],
)
VERDICTS = Counter(
    "sosst_funding_verdicts_total", "Verdicts reached, each once per campaign.", ["verdict"]
)
VERDICT_LATENESS = Histogram(
    "sosst_funding_verdict_lateness_seconds",
    "From the last settling line turning green to the verdict. Promise: 60 s for 99.9 %.",
    buckets=(1, 2, 5, 10, 30, 60, 300, 900, 3600, 86400),
)
PLEDGES = Counter(
    "sosst_funding_pledges_total",
    "Payment facts taken by HTTP, by outcome. Many refused: a caller is broken.",
    ["outcome"],
)
LATE_PAYMENTS = Counter(
    "sosst_funding_late_payments_total",
    "Pledges captured after their deadline or verdict, which no verdict counts; a transaction "
    "that is repeated counts again. Many: facts of payments come late, look at the intake's lag.",
)
IMPORT_ROWS = Counter(
    "sosst_funding_import_rows_total",
    "Rows of backer reports that were to be written, by outcome; `unwritten` ones are good, in a "
    "file with a refused one. Many refused: read the report of the import, it names each.",
    ["outcome"],
)
ERRORED_PLEDGES = Gauge(
    "sosst_funding_errored_pledges",
    "Pledges whose payment failed and that wait for their next step or their money. Many at once: "
    "the provider or the checkout refuses payments.",
)
ERRORED = Counter(
    "sosst_funding_errored_steps_total",
    "Steps of errored pledges. Many dropped: look at what the checkout does with last tries.",
    ["step"],
)

for _state in CampaignState:
    CAMPAIGNS.labels(_state.value)
for _line in Line:
    BLOCKED.labels(_line.value)
for _verdict in (CampaignState.GOAL_MET, CampaignState.GOAL_MISSED):
    VERDICTS.labels(_verdict.value)
for _step in ("waited", "dropped"):
    ERRORED.labels(_step)
for _row in ("new", "known", "refused", "unwritten"):
    IMPORT_ROWS.labels(_row)
for _outcome in ("taken", "refused"):
    PLEDGES.labels(_outcome)


def observe_verdict(verdict: Verdict) -> None:
    VERDICTS.labels(verdict.outcome.value).inc()
    VERDICT_LATENESS.observe(verdict.late_by_seconds)


def observe_errored(pledge: Pledge) -> None:
    ERRORED.labels("dropped" if pledge.state is PledgeState.DROPPED else "waited").inc()
