"""Collections and indexes of this service; `migrate` makes them."""

from servicekit.schema import CollectionSchema, Index, Schema

SCHEMA = Schema(
    version=1,
    collections=(
        CollectionSchema("projects"),
        CollectionSchema("backers", (Index([("campaign_id", 1), ("joined", 1)]),)),
        CollectionSchema("returns"),
        CollectionSchema(
            "updates",
            (
                Index(
                    [("campaign_id", 1), ("published_at", -1), ("update_id", -1)],
                    partial={"state": "published"},
                ),
            ),
        ),
    ),
)
