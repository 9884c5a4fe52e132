"""The shapes of documents of rewards on their way."""

from dataclasses import asdict
from typing import Any

from servicekit.documents import read_as
from updates.adapters.document_ids import joined_id
from updates.domain.reward_tracking import RewardTracking
from updates.domain.tracking import Parcel, Tracking, TrackingMove, TrackingState

Document = dict[str, Any]


def tracking_document(tracking: Tracking) -> Document:
    return {
        "_id": joined_id(tracking.campaign_id, tracking.reward_id, tracking.backer_id),
        "version": tracking.version,
        "campaign_id": tracking.campaign_id,
        "reward_id": tracking.reward_id,
        "backer_id": tracking.backer_id,
        "state": tracking.state.value,
        "batch": tracking.batch,
        "parcels": [asdict(one) for one in tracking.parcels],
        "history": [
            {"old": one.old.value, "new": one.new.value, "by": one.by, "at": one.at}
            for one in tracking.history
        ],
        "received_from": tracking.received_from.value if tracking.received_from else None,
        "next_due": tracking.next_due,
    }


def tracking_from(row: Document) -> Tracking:
    return Tracking(
        campaign_id=row["campaign_id"],
        reward_id=row["reward_id"],
        backer_id=row["backer_id"],
        state=TrackingState(row["state"]),
        batch=row["batch"],
        parcels=tuple(read_as(Parcel, one) for one in row["parcels"]),
        history=tuple(
            TrackingMove(TrackingState(one["old"]), TrackingState(one["new"]), one["by"], one["at"])
            for one in row["history"]
        ),
        received_from=TrackingState(row["received_from"]) if row["received_from"] else None,
        next_due=row["next_due"],
        version=row["version"],
    )


def reward_document(reward: RewardTracking) -> Document:
    return {"_id": joined_id(reward.campaign_id, reward.reward_id), **asdict(reward)}


def reward_from(row: Document) -> RewardTracking:
    return read_as(RewardTracking, row)
