"""Evidence of milestones in MongoDB."""

from dataclasses import asdict, replace

from servicekit.documents import read_as
from servicekit.mongo import Database, Session, sorted_errors
from updates.adapters.document_ids import joined_id
from updates.adapters.mongo_stores import save_versioned
from updates.adapters.tracking_documents import Document
from updates.domain.milestone import (
    Evidence,
    EvidenceFile,
    EvidenceState,
    FundsLine,
    Milestone,
    Spent,
)


class MongoMilestones:
    """The collection `milestones`, a document per campaign and stage."""

    def __init__(self, database: Database, session: Session) -> None:
        self._milestones = database.collection("milestones")
        self._session = session

    async def load(self, campaign_id: str, stage: int) -> Milestone | None:
        wanted = {"_id": joined_id(campaign_id, str(stage))}
        with sorted_errors():
            row = await self._milestones.find_one(wanted, session=self._session)
        return milestone_from(row) if row else None

    async def of_campaign(self, campaign_id: str) -> list[Milestone]:
        query = {"campaign_id": campaign_id}
        with sorted_errors():
            cursor = self._milestones.find(query, session=self._session).sort("stage", 1)
            return [milestone_from(row) for row in await cursor.to_list(None)]

    async def save(self, milestone: Milestone) -> None:
        saved = replace(milestone, version=milestone.version + 1)
        await save_versioned(self._milestones, self._session, [milestone_document(saved)])


def milestone_document(milestone: Milestone) -> Document:
    return {
        "_id": joined_id(milestone.campaign_id, str(milestone.stage)),
        "version": milestone.version,
        "campaign_id": milestone.campaign_id,
        "stage": milestone.stage,
        "revisions": [
            {
                **asdict(one),
                "state": one.state.value,
                "funds": [{**asdict(line), "spent": line.spent.value} for line in one.funds],
            }
            for one in milestone.revisions
        ],
    }


def milestone_from(row: Document) -> Milestone:
    return Milestone(
        row["campaign_id"],
        row["stage"],
        tuple(_evidence_from(one) for one in row["revisions"]),
        row["version"],
    )


def _evidence_from(row: Document) -> Evidence:
    funds = tuple(
        FundsLine(line["what"], line["amount"], Spent(line["spent"])) for line in row["funds"]
    )
    # What was written before evidence had files names none.
    files = tuple(read_as(EvidenceFile, one) for one in row.get("files", ()))
    state = EvidenceState(row["state"])
    return read_as(Evidence, row, state=state, funds=funds, files=files)
