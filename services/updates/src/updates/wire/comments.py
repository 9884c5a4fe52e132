"""Comments as events: who wrote and where, never what."""

from sosst_contracts import updates as events
from sosst_contracts.codec import Draft
from updates.domain.comment import CommentAdded, CommentFact, CommentHidden, CommentRestored


def comment_draft(fact: CommentFact) -> Draft:
    """Turn a fact about a comment into the event that says it."""
    comment = fact.comment
    match fact:
        case CommentAdded(answered=answered):
            added = events.CommentAdded(
                campaign_id=comment.campaign_id,
                update_id=comment.update_id,
                comment_id=comment.comment_id,
                author_id=comment.author_id,
                by_team=comment.by_team,
                answers=comment.answers,
                answered_person_id=answered,
                added_at=comment.written_at,
            )
            return Draft(event=added, occurred_at=comment.written_at)
        case CommentHidden():
            statement = comment.hidings[-1].statement
            hidden = events.CommentHidden(
                campaign_id=comment.campaign_id,
                update_id=comment.update_id,
                comment_id=comment.comment_id,
                author_id=comment.author_id,
                reason=statement.reason.value,
                hidden_by=statement.by,
                hidden_at=statement.at,
            )
            return Draft(event=hidden, occurred_at=statement.at)
        case CommentRestored():
            ruling = comment.hidings[-1].ruling
            assert ruling is not None
            restored = events.CommentRestored(
                campaign_id=comment.campaign_id,
                update_id=comment.update_id,
                comment_id=comment.comment_id,
                author_id=comment.author_id,
                hidden_at=comment.hidings[-1].statement.at,
                restored_by=ruling.by,
                restored_at=ruling.at,
            )
            return Draft(event=restored, occurred_at=ruling.at)
