"""Collections, indexes and validators of this service; `migrate` makes them."""

from servicekit.schema import CollectionSchema, Index, Schema

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
                    account: {"bsonType": ["int", "long"], "minimum": 0}
                    for account in (
                        "provider_balance",
                        "creator_account",
                        "provider_costs",
                        "backer_funds",
                        "creator_payable",
                        "payouts_in_flight",
                        "refunds_in_flight",
                        "claimable",
                        "disputed_at_scheme",
                        "disputes_reserved",
                        "creator_receivable",
                        "compensation_costs",
                        "loss_costs",
                        "tax_payable",
                        "platform_fee_income",
                        "processing_fee_income",
                    )
                }
            }
        },
    }
}

SCHEMA = Schema(
    version=3,
    collections=(
        CollectionSchema("books", validator=BOOK_VALIDATOR),
        CollectionSchema(
            "blocks",
            (
                Index([("campaign_id", 1), ("number", 1)], unique=True),
                # A cause is posted once, over all books (R1: once per balance transaction and leg).
                Index([("causes", 1)], unique=True),
            ),
        ),
        CollectionSchema("unclaimed_postings", (Index([("campaign_id", 1), ("_id", 1)]),)),
        CollectionSchema(
            "pledge_money",
            (
                Index([("campaign_id", 1), ("_id", 1)]),
                # Whether who approves a payment is a backer of the campaign.
                Index([("campaign_id", 1), ("backer_id", 1)]),
            ),
            validator=PLEDGE_MONEY_VALIDATOR,
        ),
        CollectionSchema(
            "refunds",
            (
                Index([("campaign_id", 1), ("_id", 1)]),
                Index([("campaign_id", 1), ("state", 1)]),
                Index([("state", 1), ("currency", 1)]),
                Index([("attempts.provider_refund_id", 1)]),
            ),
        ),
        CollectionSchema("stages", (Index([("campaign_id", 1), ("number", 1)], unique=True),)),
        CollectionSchema("destinations"),
        CollectionSchema("creators"),
        CollectionSchema("cursors"),
    ),
)
