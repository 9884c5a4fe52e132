"""Collections and indexes of this service; `migrate` makes them."""

from servicekit.schema import CollectionSchema, Index, Schema

SCHEMA = Schema(
    version=3,
    collections=(
        # The planner streams this index alone: everything it needs is in it.
        CollectionSchema(
            "memberships",
            (Index([("campaign_id", 1), ("backer_id", 1), ("joined", 1), ("key_hash", 1)]),),
        ),
        CollectionSchema("departures", (Index([("campaign_id", 1), ("left", 1)]),)),
        CollectionSchema(
            "causes",
            (
                Index([("campaign_id", 1), ("heard_at", -1)]),
                Index([("state", 1), ("heard_at", 1)]),
            ),
        ),
        CollectionSchema(
            "chunks",
            (
                Index([("recipients", 1), ("caused_at", -1), ("_id", -1)]),
                # Only chunks of campaign-wide causes are ever asked for by cause.
                Index(
                    [("cause", 1), ("state", 1), ("partition", 1), ("size", 1)],
                    partial={"partition": {"$gte": 0}},
                ),
            ),
        ),
        CollectionSchema("readers"),
        CollectionSchema("creators"),
    ),
)
