"""What one transaction of notifier reads and writes, bound to its session."""

from notifier.adapters.facts import OutboxFacts
from notifier.adapters.mongo_audience import (
    MongoConsents,
    MongoEndings,
    MongoReturnedPledges,
    MongoSieve,
)
from notifier.adapters.mongo_campaigns import MongoCreators, MongoTitles
from notifier.adapters.mongo_edited_updates import MongoEditedUpdates
from notifier.adapters.mongo_email import (
    MongoDeliveries,
    MongoMailed,
    MongoSuppressions,
    MongoUnsubscriptions,
)
from notifier.adapters.mongo_follows import MongoFollows
from notifier.adapters.mongo_hidden_updates import MongoHiddenUpdates
from notifier.adapters.mongo_people import MongoPeople, MongoReaders
from notifier.adapters.mongo_personal_links import MongoRevocations
from notifier.adapters.mongo_preferences import MongoPreferences
from notifier.adapters.mongo_receipt_questions import MongoReceiptQuestions
from notifier.adapters.mongo_replays import MongoReplays
from notifier.adapters.mongo_stores import (
    MongoCauses,
    MongoChunks,
    MongoMemberships,
)
from notifier.adapters.mongo_unreached import MongoUnreachedMessages
from notifier.adapters.mongo_webhooks import MongoWebhookEndpoints
from notifier.adapters.mongo_withdrawals import MongoWithdrawals
from notifier.ports.unit import NotifierUnit
from notifier.wire import told
from notifier.wire.erasures import erased
from servicekit.mongo import Database, Session
from servicekit.units import Plumbing


def bind(
    database: Database, session: Session, plumbing: Plumbing, *, partitions: int
) -> NotifierUnit:
    """Make the stores of one transaction; plans are cut for so many partitions."""
    return NotifierUnit(
        plumbing=plumbing,
        memberships=MongoMemberships(database, session),
        causes=MongoCauses(database, session),
        chunks=MongoChunks(database, session, partitions),
        creators=MongoCreators(database, session),
        people=MongoPeople(database, session),
        endings=MongoEndings(database, session),
        returned=MongoReturnedPledges(database, session),
        consents=MongoConsents(database, session),
        sieve=MongoSieve(database, session),
        follows=MongoFollows(database, session),
        revocations=MongoRevocations(database, session),
        preferences=MongoPreferences(database, session),
        readers=MongoReaders(database, session),
        titles=MongoTitles(database, session),
        deliveries=MongoDeliveries(database, session),
        suppressions=MongoSuppressions(database, session),
        unsubscriptions=MongoUnsubscriptions(database, session),
        mailed=MongoMailed(database, session),
        hidden_updates=MongoHiddenUpdates(database, session),
        edited_updates=MongoEditedUpdates(database, session),
        receipt_questions=MongoReceiptQuestions(database, session),
        withdrawals=MongoWithdrawals(database, session),
        facts=OutboxFacts(plumbing.outbox, told.planned, told.completed, erased),
        endpoints=MongoWebhookEndpoints(database, session),
        replays=MongoReplays(database, session),
        unreached=MongoUnreachedMessages(database, session),
    )
