"""The delivery notice that the platform sends from the plan where its creator sent none."""

import hashlib
from datetime import date

from updates.domain.claim_turns import SUITE
from updates.domain.delivery_plan import DeliveryPlan, Provision
from updates.domain.errors import Refused
from updates.domain.kinds import DeliveryMode, DeliveryNotice, Section
from updates.domain.update import TITLE_CHARACTERS_MAX, Content, UpdateText, Visibility

# So the platform's notices are named, which anybody can compute; nobody else's update is.
_RESERVED = "delivery-notice-"
_MODES = {Provision.PRODUCT: DeliveryMode.POST, Provision.SERVICE: DeliveryMode.SERVICE}
_SAID = {
    "fr": (
        "Avis de livraison : {title}",
        "Cette récompense est en route et son initiateur ne l'a pas annoncé. La plateforme vous en "
        "informe elle-même, d'après le calendrier publié.",
        "Livraison promise pour le {day}.",
        "Aucune date de livraison n'est promise.",
    ),
    "en": (
        "Delivery notice: {title}",
        "This reward is on its way and its creator has not said so. The platform tells you itself, "
        "from the published plan.",
        "Delivery is promised for {day}.",
        "No day of delivery is promised.",
    ),
}


def notice_id(reward_id: str) -> str:
    """Return the id of the platform's own notice of a reward: there is one."""
    return f"{_RESERVED}{hashlib.blake2b(reward_id.encode(), digest_size=16).hexdigest()}"


def is_platforms(author_id: str) -> bool:
    """Whether nobody wrote it: it ends no silence, and nothing that its creator owes."""
    return author_id == SUITE


def check_name(update_id: str, author_id: str) -> None:
    """Refuse a creator's update under a name by which the platform's own would be published."""
    if update_id.startswith(_RESERVED) and not is_platforms(author_id):
        kept = "are kept for the platform's own notices; choose another id"
        raise Refused("update-reserved", f"ids that begin with {_RESERVED} {kept}")


def platform_notice(plan: DeliveryPlan, reward_id: str, today: date) -> Content:
    """Return what is said; without a promised day it is estimated for today, and says so."""
    lines = [line for line in plan.lines if line.reward_id == reward_id]
    day = max((line.promises[-1].day for line in lines), default=None)
    mode = _MODES[lines[0].provision] if lines else DeliveryMode.POST
    title = plan.rewards.get(reward_id, reward_id)
    texts = tuple(_text(language, title, day) for language in _SAID)
    parts = DeliveryNotice(day or today, mode, (reward_id,))
    return Content(SUITE, parts, Visibility.PUBLIC, texts)


def _text(language: str, title: str, day: date | None) -> UpdateText:
    heading, details, promised, unpromised = _SAID[language]
    progress = promised.format(day=day.isoformat()) if day is not None else unpromised
    said = heading.format(title=title)[:TITLE_CHARACTERS_MAX]
    return UpdateText(language, said, details, {Section.PROGRESS: progress})
