"""Collections and indexes of this service; `migrate` makes them."""

from notifier.domain.kind import ToldAs
from servicekit.mongo import Document
from servicekit.schema import CollectionSchema, Index, Schema

# Every other role's word stands behind this one in the alphabet; an index may say no "not".
BESIDE_BACKERS: Document = {"role": {"$gt": ToldAs.BACKER.value}}
# Who chose what to hear of a campaign, each choice in the order of its people.
BY_CHOICE = [("campaign_id", 1), ("choice", 1), ("person_id", 1)]
# Where somebody stands beside plans, and in them (`places`).
BY_RECIPIENT = [("recipients", 1), ("caused_at", -1), ("first", 1)]
BY_PLACE = [
    ("campaign_id", 1),
    ("partition", 1),
    ("caused_at", -1),
    ("as_of", 1),
    ("first", 1),
    ("last", 1),
]
# Whom a chunk begins with of which it is forgotten whom it has: such a chunk is in neither.
NOBODY = ""

SCHEMA = Schema(
    version=23,
    collections=(
        # The planner streams this index alone: everything it needs is in it.
        CollectionSchema(
            "memberships",
            (
                Index([("campaign_id", 1), ("backer_id", 1), ("joined", 1), ("key_hash", 1)]),
                # In which campaigns' plans somebody may stand.
                Index([("backer_id", 1), ("campaign_id", 1)]),
            ),
        ),
        CollectionSchema("departures", (Index([("campaign_id", 1), ("left", 1)]),)),
        CollectionSchema(
            "causes",
            (
                Index([("campaign_id", 1), ("heard_at", -1), ("_id", -1)]),
                Index([("state", 1), ("heard_at", 1), ("_id", 1)]),
            ),
        ),
        CollectionSchema(
            "chunks",
            (
                # An entry for each recipient: with ids of chunks in it it is three times as large.
                # Plans' chunks, of a thousand, are left out; those of a release before are in it.
                Index(BY_RECIPIENT, partial={"first": None}),
                # An entry for each chunk of a plan, found by whom it begins and ends with. A cause
                # of which somebody does not belong to the audience is one key on the way.
                Index(BY_PLACE, partial={"first": {"$gt": NOBODY}}),
                # Who may be forgotten: those who are have left it.
                Index([("caused_at", 1), ("_id", 1)], partial={"recipients.0": {"$exists": True}}),
                # Only chunks of campaign-wide causes are ever asked for by cause.
                Index(
                    [
                        ("cause", 1),
                        ("state", 1),
                        ("partition", 1),
                        ("size", 1),
                        ("hushed", 1),
                        ("supplement", 1),
                    ],
                    partial={"partition": {"$gte": 0}},
                ),
                # Followers may be as many as backers: who else was told is summed without them.
                Index(
                    [("cause", 1), ("role", 1), ("state", 1), ("size", 1), ("hushed", 1)],
                    partial=BESIDE_BACKERS,
                ),
            ),
        ),
        CollectionSchema("readers"),
        CollectionSchema("hidden", (Index([("person_id", 1), ("at", 1)]),)),
        CollectionSchema("creators"),
        CollectionSchema("titles"),
        CollectionSchema(
            "deliveries",
            (
                Index([("key", 1)], unique=True),
                Index([("cause", 1), ("channel", 1)]),
                # What else waits of a project: nothing but this is read of it where nothing does.
                Index(
                    [
                        ("campaign_id", 1),
                        ("merged_as", 1),
                        ("channel", 1),
                        ("cause", 1),
                        ("chunk_id", 1),
                    ],
                    partial={"left": {"$gt": 0}, "merged_as": {"$exists": True}},
                ),
                # Which of the chunks that somebody stands in wait, beside any number of others.
                Index(
                    [("campaign_id", 1), ("merged_as", 1), ("channel", 1), ("chunk_id", 1)],
                    partial={"left": {"$gt": 0}, "merged_as": {"$exists": True}},
                ),
                # Only what is not at its end is measured.
                Index([("channel", 1), ("priority", 1), ("left", 1)], partial={"left": {"$gt": 0}}),
            ),
        ),
        CollectionSchema("suppressions"),
        CollectionSchema(
            "unreached",
            (
                # What waits for somebody, and of whom; all else is only ever asked for by cause.
                Index([("since", 1), ("_id", 1)], partial={"open": True}),
                Index([("person_id", 1), ("caused_at", -1)], partial={"open": True}),
                Index([("chunk_id", 1)]),
                Index([("cause", 1), ("ended.how", 1)]),
            ),
        ),
        CollectionSchema("unsubscriptions"),
        CollectionSchema("mailed"),
        CollectionSchema("hidden_updates"),
        CollectionSchema("edited_updates"),
        CollectionSchema("receipt_questions_over", (Index([("at", 1)]),)),
        CollectionSchema(
            "withdrawals",
            (Index([("campaign_id", 1), ("kind", 1)]), Index([("until", 1)])),
        ),
        CollectionSchema("endings"),
        # Pledges of which everything was returned.
        CollectionSchema("returned", (Index([("campaign_id", 1), ("backer_id", 1)]),)),
        CollectionSchema(
            "consents",
            (
                Index(BY_CHOICE),
                Index([("person_id", 1)]),
            ),
        ),
        CollectionSchema("preferences"),
        CollectionSchema("revocations"),
        CollectionSchema(
            "follows",
            (
                Index([("campaign_id", 1), ("state", 1), ("person_id", 1), ("confirmed_at", 1)]),
                Index([("state", 1), ("asked_at", 1)]),
                Index([("who", 1), ("asked_at", 1)]),
                Index([("person_id", 1)]),
            ),
        ),
        CollectionSchema("people", (Index([("roles", 1), ("_id", 1)]),)),
        CollectionSchema("replays"),
        CollectionSchema("webhook_endpoints", (Index([("state", 1), ("failing_since", 1)]),)),
    ),
)
