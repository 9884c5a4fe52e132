"""Hidden and shown again, as events: why by one word, never what was said about it."""

from sosst_contracts import updates as events
from sosst_contracts.codec import Draft
from updates.domain.update import UpdateHidden, UpdateRestored


def hiding_draft(fact: UpdateHidden | UpdateRestored) -> Draft:
    """Turn what became of a published update into the event that says it."""
    update = fact.update
    hiding = update.hidings[-1]
    match fact:
        case UpdateHidden():
            hidden = events.UpdateHidden(
                campaign_id=update.campaign_id,
                update_id=update.update_id,
                author_id=update.content.author_id,
                revision=update.revision,
                reason=hiding.statement.reason.value,
                hidden_by=hiding.statement.by,
                hidden_at=hiding.statement.at,
            )
            return Draft(event=hidden, occurred_at=hiding.statement.at)
        case UpdateRestored():
            assert hiding.ruling is not None
            restored = events.UpdateRestored(
                campaign_id=update.campaign_id,
                update_id=update.update_id,
                author_id=update.content.author_id,
                hidden_at=hiding.statement.at,
                restored_by=hiding.ruling.by,
                restored_at=hiding.ruling.at,
            )
            return Draft(event=restored, occurred_at=hiding.ruling.at)
