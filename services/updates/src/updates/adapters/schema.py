"""Collections and indexes of this service; `migrate` makes them."""

from servicekit.schema import CollectionSchema, Index, Schema

SCHEMA = Schema(
    version=20,
    collections=(
        CollectionSchema("projects"),
        CollectionSchema("view_sources"),
        CollectionSchema("view_gate"),
        CollectionSchema("backers", (Index([("campaign_id", 1), ("joined", 1)]),)),
        CollectionSchema("returns"),
        CollectionSchema(
            "follow_ups",
            (
                Index([("next_due", 1)], partial={"next_due": {"$type": "date"}}),
                # The staff's queue: few of all campaigns wait for them.
                Index([("staff_since", 1), ("_id", 1)], partial={"staff_since": {"$type": "date"}}),
                # How many problems are open: most campaigns have none, and none that ended owes it.
                Index(
                    [("problems.resolved_at", 1)],
                    partial={"letter": None, "problems.opened_at": {"$type": "date"}},
                ),
                # How many projects are silent: most were heard lately.
                Index([("silence.steps.taken", 1)], partial={"silence.steps.taken": {"$gt": 0}}),
            ),
        ),
        CollectionSchema("askers"),
        CollectionSchema(
            "comments",
            (
                Index(
                    [("campaign_id", 1), ("update_id", 1), ("written_at", -1), ("comment_id", -1)]
                ),
                # How much somebody wrote lately.
                Index([("campaign_id", 1), ("author_id", 1), ("written_at", -1)]),
                # What an erased person wrote anywhere.
                Index([("author_id", 1)]),
            ),
        ),
        CollectionSchema(
            "reports",
            (
                Index([("of", 1), ("number", -1)], unique=True),
                # How much somebody reported lately.
                Index([("reporter_id", 1), ("at", -1)]),
            ),
        ),
        # The staff's queue: what is decided has left it.
        CollectionSchema(
            "report_cases",
            (Index([("reported_at", 1), ("_id", 1)], partial={"state": "open"}),),
        ),
        # The staff's other queue: what is decided has left it.
        CollectionSchema("open_appeals", (Index([("appealed_at", 1), ("_id", 1)]),)),
        CollectionSchema(
            "media",
            (
                Index([("upload", 1)], unique=True),
                Index([("campaign_id", 1), ("attached_to", 1)]),
                Index([("next_due", 1)], partial={"next_due": {"$type": "date"}}),
            ),
        ),
        CollectionSchema(
            "revisions",
            (Index([("campaign_id", 1), ("update_id", 1), ("number", -1)], unique=True),),
        ),
        CollectionSchema(
            "updates",
            (
                Index(
                    [("campaign_id", 1), ("published_at", -1), ("update_id", -1)],
                    partial={"state": "published"},
                ),
                # Drafts are few beside what is published, and most updates are never scheduled.
                Index(
                    [("campaign_id", 1), ("drafted_at", -1), ("update_id", -1)],
                    partial={"published_at": None},
                ),
                Index([("schedule.next_due", 1)], partial={"schedule.next_due": {"$type": "date"}}),
                # How many should have gone out: what is kept back is looked at again and again.
                Index(
                    [("schedule.publish_at", 1)], partial={"schedule.publish_at": {"$type": "date"}}
                ),
            ),
        ),
        CollectionSchema(
            "pledges",
            (
                Index([("campaign_id", 1), ("promise.backer_id", 1)]),
                # Who is owed a reward, page by page.
                Index([("campaign_id", 1), ("promise.reward_id", 1), ("promise.backer_id", 1)]),
                Index([("campaign_id", 1), ("promise.reward_id", 1), ("_id", 1)]),
            ),
        ),
        CollectionSchema(
            "questionnaires",
            (
                Index([("campaign_id", 1), ("reward_id", 1)]),
                Index([("next_due", 1)], partial={"next_due": {"$type": "date"}}),
            ),
        ),
        CollectionSchema(
            "reward_replies",
            (
                Index([("campaign_id", 1), ("reward_id", 1), ("pledge_id", 1)]),
                Index([("next_due", 1)], partial={"next_due": {"$type": "date"}}),
                # What an erased person replied anywhere.
                Index([("backer_id", 1)], partial={"sealed.key_id": {"$type": "string"}}),
            ),
        ),
        CollectionSchema(
            "address_exports",
            (Index([("campaign_id", 1), ("reward_id", 1), ("export_id", 1)], unique=True),),
        ),
        CollectionSchema(
            "trackings",
            (
                Index([("campaign_id", 1), ("backer_id", 1)]),
                Index([("next_due", 1)], partial={"next_due": {"$type": "date"}}),
                # What was sent to an erased person from anywhere.
                Index([("backer_id", 1)], partial={"parcels.number": {"$gt": ""}}),
            ),
        ),
        CollectionSchema(
            "codes",
            (
                # A backer of a reward has one code, whoever opens it in however many tabs.
                Index(
                    [("campaign_id", 1), ("reward_id", 1), ("backer_id", 1)],
                    unique=True,
                    partial={"backer_id": {"$type": "string"}},
                ),
                # Free ones, from any place among them.
                Index(
                    [
                        ("campaign_id", 1),
                        ("reward_id", 1),
                        ("withheld", 1),
                        ("backer_id", 1),
                        ("_id", 1),
                    ]
                ),
            ),
        ),
        CollectionSchema("relaunch_letters"),
        CollectionSchema(
            "share_links", (Index([("campaign_id", 1), ("update_id", 1), ("link_id", 1)]),)
        ),
        CollectionSchema("share_link_uses", (Index([("campaign_id", 1), ("update_id", 1)]),)),
        CollectionSchema("milestones", (Index([("campaign_id", 1), ("stage", 1)]),)),
        CollectionSchema(
            "reward_trackings",
            (Index([("next_due", 1)], partial={"next_due": {"$type": "date"}}),),
        ),
        CollectionSchema(
            "surveys",
            (
                Index([("campaign_id", 1), ("survey_id", 1)]),
                Index([("next_due", 1)], partial={"next_due": {"$type": "date"}}),
            ),
        ),
        CollectionSchema(
            "answers",
            (
                Index([("survey", 1), ("_id", 1)]),
                # What an erased person answered by name.
                Index([("person", 1)], partial={"person": {"$type": "string"}}),
            ),
        ),
        CollectionSchema("participants", (Index([("survey", 1)]),)),
        CollectionSchema(
            "claims",
            (
                Index([("campaign_id", 1), ("claim_id", 1)]),
                Index([("campaign_id", 1), ("backer_id", 1), ("claim_id", 1)]),
                # Whose turn runs out first: the orders of several states are merged, not sorted.
                Index([("state", 1), ("due_at", 1), ("_id", 1)]),
                # What an erased person claimed anywhere.
                Index([("backer_id", 1)]),
                # One problem is claimed once, however often and from how many tabs.
                Index(
                    [("campaign_id", 1), ("pledge_id", 1), ("reason", 1)],
                    unique=True,
                    partial={"open": True},
                ),
            ),
        ),
        CollectionSchema(
            "plans", (Index([("next_due", 1)], partial={"next_due": {"$type": "date"}}),)
        ),
        CollectionSchema("promise_log", (Index([("campaign_id", 1), ("number", -1)]),)),
    ),
)
