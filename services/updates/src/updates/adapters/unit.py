"""What one transaction of updates reads and writes, bound to its session."""

from servicekit.mongo import Database, Session
from servicekit.units import Plumbing
from updates import wire
from updates.adapters.facts import OutboxFacts
from updates.adapters.mongo_appeals import MongoAppeals
from updates.adapters.mongo_claims import MongoClaims, MongoPledges
from updates.adapters.mongo_codes import MongoCodes
from updates.adapters.mongo_comments import MongoComments
from updates.adapters.mongo_follow_ups import MongoAskers, MongoFollowUps
from updates.adapters.mongo_media import MongoMediaRows
from updates.adapters.mongo_milestones import MongoMilestones
from updates.adapters.mongo_plans import MongoPlans
from updates.adapters.mongo_questionnaires import (
    MongoAddressExports,
    MongoQuestionnaires,
    MongoRewardReplies,
)
from updates.adapters.mongo_relaunch_letters import MongoRelaunchLetters
from updates.adapters.mongo_reports import MongoReports
from updates.adapters.mongo_share_links import MongoShareLinks
from updates.adapters.mongo_stores import (
    MongoBackers,
    MongoProjects,
    MongoReturns,
    MongoRevisions,
    MongoUpdates,
)
from updates.adapters.mongo_surveys import (
    MongoAnswers,
    MongoAskedBackers,
    MongoSurveys,
)
from updates.adapters.mongo_tracking import (
    MongoOwedRewards,
    MongoRewardTrackings,
    MongoTrackings,
)
from updates.adapters.mongo_view import MongoViewGate
from updates.ports.unit import UpdatesUnit


def bind(database: Database, session: Session, plumbing: Plumbing) -> UpdatesUnit:
    """Make the stores of one transaction."""
    return UpdatesUnit(
        plumbing=plumbing,
        projects=MongoProjects(database, session),
        backers=MongoBackers(database, session),
        returns=MongoReturns(database, session),
        updates=MongoUpdates(database, session),
        pledges=MongoPledges(database, session),
        claims=MongoClaims(database, session),
        follow_ups=MongoFollowUps(database, session),
        askers=MongoAskers(database, session),
        surveys=MongoSurveys(database, session),
        answers=MongoAnswers(database, session),
        asked=MongoAskedBackers(database, session),
        plans=MongoPlans(database, session),
        revisions=MongoRevisions(database, session),
        comments=MongoComments(database, session),
        reports=MongoReports(database, session),
        appeals=MongoAppeals(database, session),
        view=MongoViewGate(database, session),
        questionnaires=MongoQuestionnaires(database, session),
        replies=MongoRewardReplies(database, session),
        exports=MongoAddressExports(database, session),
        trackings=MongoTrackings(database, session),
        rewards=MongoRewardTrackings(database, session),
        owed=MongoOwedRewards(database, session),
        milestones=MongoMilestones(database, session),
        codes=MongoCodes(database, session),
        media=MongoMediaRows(database, session),
        letters=MongoRelaunchLetters(database, session),
        share_links=MongoShareLinks(database, session),
        facts=OutboxFacts(plumbing.outbox, wire.draft),
    )
