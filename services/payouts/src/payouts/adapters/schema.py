"""Collections, indexes and validators of this service; `migrate` makes them."""

from datetime import UTC, datetime

from payouts.domain.ledger import SIDES, Account, Side
from payouts.domain.refund import RefundKind
from servicekit.mongo import Document
from servicekit.schema import CollectionSchema, Index, Schema

# Before every payment.
ANY_TIME = datetime(1970, 1, 1, tzinfo=UTC)
_PARTS = ("returnable", "reserved", "returned", "disputed")

# `money.md` 5: enforced from the first release, so that a buggy write is refused by the database.
PLEDGE_MONEY_VALIDATOR = {
    "$and": [
        {
            "$jsonSchema": {
                "required": ["amount", "over", *_PARTS],
                "properties": {
                    part: {"bsonType": ["int", "long"], "minimum": 0}
                    for part in ("amount", "over", *_PARTS)
                },
            }
        },
        {
            "$expr": {
                "$eq": [
                    {"$add": [f"${part}" for part in _PARTS]},
                    {"$add": ["$amount", "$over"]},
                ]
            }
        },
    ]
}

BOOK_VALIDATOR = {
    "$jsonSchema": {
        "required": ["balances", "version"],
        "properties": {
            "balances": {
                "properties": {
                    account.value: {"bsonType": ["int", "long"], "minimum": 0}
                    for account, side in SIDES.items()
                    if side is not Side.EITHER
                }
            }
        },
    }
}

# Money came back after the last stage took all that there was: it is looked for every minute.
LAST_APPROVED_WITH_MONEY: Document = {
    "last_approved": True,
    f"balances.{Account.BACKER_FUNDS.value}": {"$gt": 0},
}
# What is left of a cancelled campaign once it was divided: it is looked for every few seconds.
RUN_FINISHED_WITH_MONEY: Document = {
    "run.finished": True,
    f"balances.{Account.BACKER_FUNDS.value}": {"$gt": 0},
}

SCHEMA = Schema(
    version=21,
    collections=(
        CollectionSchema(
            "books",
            # Only those that were saved since they were found right: the check reads no others.
            (
                Index([("unchecked", 1), ("_id", 1)], partial={"unchecked": True}),
                # Only those whose ledger knows more after a restored backup have a place in it.
                Index([("unclaimed", 1), ("_id", 1)], partial={"unclaimed": {"$gt": 0}}),
                # What is not closed is few: the rest is looked for there.
                Index([("life.state", 1), ("_id", 1)]),
                Index([("last_approved", 1), ("_id", 1)], partial=LAST_APPROVED_WITH_MONEY),
                Index([("run.finished", 1), ("_id", 1)], partial=RUN_FINISHED_WITH_MONEY),
            ),
            validator=BOOK_VALIDATOR,
        ),
        CollectionSchema("book_checks"),
        CollectionSchema("head_signatures"),
        CollectionSchema("head_pages"),
        CollectionSchema("signed_heads"),
        CollectionSchema("movements", (Index([("account", 1), ("currency", 1)]),)),
        CollectionSchema(
            "breaks",
            (
                Index([("gone_at", 1), ("_id", 1)]),
                # Every look at the gate of a stage asks for those of its campaign.
                Index([("gone_at", 1), ("campaign_id", 1), ("_id", 1)]),
            ),
        ),
        CollectionSchema(
            "blocks",
            (
                Index([("campaign_id", 1), ("number", 1)], unique=True),
                # A cause is posted once, over all books (R1: once per balance transaction and leg).
                Index([("causes", 1)], unique=True),
                # Reconciliation follows the blocks of all campaigns in the order of time.
                Index([("sealed_at", 1), ("_id", 1)]),
            ),
        ),
        CollectionSchema("unclaimed_postings", (Index([("campaign_id", 1), ("_id", 1)]),)),
        CollectionSchema(
            "pledge_money",
            (
                Index([("campaign_id", 1), ("_id", 1)]),
                # Whether who approves a payment is a backer of the campaign.
                Index([("campaign_id", 1), ("backer_id", 1)]),
                # Whose pledge a dispute is about: the provider knows the payment only.
                Index([("payment_reference", 1)]),
            ),
            validator=PLEDGE_MONEY_VALIDATOR,
        ),
        CollectionSchema(
            "refunds",
            (
                Index([("campaign_id", 1), ("_id", 1)]),
                Index([("campaign_id", 1), ("state", 1)]),
                Index([("state", 1), ("currency", 1)]),
                Index([("state", 1), ("remind_at", 1)]),
                # Queues over all campaigns, oldest first.
                Index([("state", 1), ("created_at", 1), ("_id", 1)]),
                # Only payments whose window ends have a place in it.
                Index(
                    [("refundable_until", 1), ("_id", 1)],
                    partial={"refundable_until": {"$gt": ANY_TIME}},
                ),
                Index([("attempts.provider_refund_id", 1)]),
                Index([("pledge_id", 1)]),
                # What one person gave of a campaign counts together.
                Index(
                    [("campaign_id", 1), ("acts.by", 1)],
                    partial={"kind": RefundKind.COMPENSATION.value},
                ),
            ),
        ),
        CollectionSchema(
            "disputes", (Index([("campaign_id", 1), ("_id", 1)]), Index([("state", 1), ("_id", 1)]))
        ),
        CollectionSchema(
            "receivables",
            (
                Index([("campaign_id", 1)]),
                # The queue of open debts over all campaigns, oldest first.
                Index([("state", 1), ("arisen_at", 1), ("_id", 1)]),
            ),
        ),
        CollectionSchema(
            "invoices",
            (
                # One posting has one document.
                Index([("cause", 1)], unique=True),
                Index([("campaign_id", 1), ("issued_at", 1), ("_id", 1)]),
            ),
        ),
        CollectionSchema("invoice_numbers"),
        CollectionSchema("periods"),
        CollectionSchema(
            "stages",
            (
                Index([("campaign_id", 1), ("number", 1)], unique=True),
                # Queues over all campaigns, the first due first.
                Index([("state", 1), ("due_at", 1), ("_id", 1)]),
                Index([("attempts.state", 1), ("due_at", 1), ("_id", 1)]),
                # Whose a movement between a creator's account and a bank is.
                Index([("attempts.payout_id", 1)]),
                # Whose a transfer is that the provider made: a recovery asks by the page.
                Index([("attempts.transfer_id", 1)]),
            ),
        ),
        CollectionSchema("destinations"),
        CollectionSchema("creators"),
        CollectionSchema("launches"),
        CollectionSchema("lendings"),
        CollectionSchema("holdings"),
        # A view of updates' topics: who has which reward, and which claims about them are open.
        CollectionSchema("reward_deliveries"),
        CollectionSchema("reward_claims", (Index([("pledge_id", 1)]),)),
        CollectionSchema("cursors"),
    ),
)
