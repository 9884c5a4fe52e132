"""Collections and indexes of this service; `migrate` makes them."""

from servicekit.schema import CollectionSchema, Index, Schema

SCHEMA = Schema(
    version=5,
    collections=(
        CollectionSchema(
            "campaigns",
            # Only campaigns with something due are in the index that the sweep reads.
            (Index([("next_due", 1)], partial={"next_due": {"$type": "date"}}),),
        ),
        CollectionSchema(
            "pledges",
            (
                Index([("reference", 1)], unique=True),
                Index([("campaign_id", 1), ("_id", 1)]),
                # Only pending pledges are asked for by campaign, and most never are pending.
                Index([("campaign_id", 1), ("placed_at", -1)], partial={"state": "pending"}),
                # Only errored pledges have something due.
                Index([("next_due", 1)], partial={"next_due": {"$type": "date"}}),
            ),
        ),
        CollectionSchema("held"),
        CollectionSchema("teams"),
    ),
)
