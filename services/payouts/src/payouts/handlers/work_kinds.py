"""The work of this service: its kinds and ids, so that whoever wakes it names the same item."""

from datetime import datetime
from typing import Any

from payouts.domain.refund import Refund
from payouts.domain.stage import Stage
from servicekit.work import WorkItem

REFUND = "refund"
REFUND_RUN = "refund-run"
REFUND_RUN_END = "refund-run-end"
STAGE = "stage"
DISPUTE = "dispute"
CLAIM = "claim"
INVOICE = "invoice"

BY_PEOPLE = 50
OF_A_RUN = 100


def refund_work(refund: Refund, due: datetime) -> WorkItem:
    """What people did something about comes first, then each campaign in its turn."""
    payload = {"campaign_id": refund.campaign_id, "refund_id": refund.refund_id}
    return WorkItem(
        f"{REFUND}/{refund.refund_id}",
        REFUND,
        due,
        BY_PEOPLE if refund.acts else OF_A_RUN,
        payload,
        group=refund.campaign_id,
    )


def refund_run_work(campaign_id: str, due: datetime) -> WorkItem:
    return WorkItem(
        f"{REFUND_RUN}/{campaign_id}", REFUND_RUN, due, payload={"campaign_id": campaign_id}
    )


def refund_run_end_work(campaign_id: str, cause: str, due: datetime) -> WorkItem:
    payload = {"campaign_id": campaign_id, "cause": cause}
    return WorkItem(f"{REFUND_RUN_END}/{cause}", REFUND_RUN_END, due, payload=payload)


def stage_work(stage: Stage, due: datetime) -> WorkItem:
    payload = {"campaign_id": stage.campaign_id, "number": stage.number}
    return WorkItem(f"{STAGE}/{stage.stage_id}", STAGE, due, payload=payload)


def dispute_work(dispute_id: str, due: datetime) -> WorkItem:
    return WorkItem(f"{DISPUTE}/{dispute_id}", DISPUTE, due, payload={"dispute_id": dispute_id})


def claim_work(claim_id: str, payload: dict[str, Any], due: datetime) -> WorkItem:
    return WorkItem(f"{CLAIM}/{payload['campaign_id']}/{claim_id}", CLAIM, due, payload=payload)
