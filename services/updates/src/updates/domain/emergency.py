"""The emergency brake: said at once, with a confirmation that names what follows from it.

« Une annonce d'urgence doit être immédiatement publiée sur la plateforme. » So it is never
scheduled, its form is its author's alone and is not kept for long.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

from updates.domain.errors import Refused
from updates.domain.kinds import UpdateKind
from updates.domain.update import Update, UpdateState

FORM_KEPT = timedelta(hours=24)

# What whoever publishes an emergency says that they know; each is a promise kept elsewhere.
EFFECTS = (
    "every_backer_is_told_at_once",
    "nobody_can_mute_it",
    "the_next_stage_is_held",
    "a_recovery_plan_is_due",
    "scheduled_updates_are_paused",
)
# How long the plan has is a setting; who knows the word that said seven days still means this.
_SAID_BEFORE = {"a_recovery_plan_is_due_within_seven_days": "a_recovery_plan_is_due"}


def is_form(update: Update) -> bool:
    """Whether it is an emergency that is still being written."""
    return update.content.kind is UpdateKind.EMERGENCY and update.state is UpdateState.DRAFT


def form_expired(update: Update, now: datetime, kept: timedelta = FORM_KEPT) -> bool:
    """Whether it is a form that is kept no longer."""
    return is_form(update) and now >= update.drafted_at + kept


def check_confirmed(
    update: Update, confirmed: Collection[str], now: datetime, kept: timedelta = FORM_KEPT
) -> None:
    """Refuse an emergency whose form is too old, or whose effects are not all named."""
    if update.content.kind is not UpdateKind.EMERGENCY:
        return
    if form_expired(update, now, kept):
        raise Refused("form-expired", "the form of this emergency is too old: write it again")
    if {_SAID_BEFORE.get(name, name) for name in confirmed} != set(EFFECTS):
        names = ", ".join(EFFECTS)
        raise Refused("confirmation-required", f"an emergency is confirmed by its effects: {names}")
