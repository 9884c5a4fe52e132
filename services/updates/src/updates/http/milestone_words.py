"""What the page says about milestones by itself, in the languages that it is shown in."""

from collections.abc import Mapping

Words = dict[str, str]

# How the page names what a creator says of the money: nobody else says it.
DECLARED: Words = {
    "fr": "Utilisation des fonds, déclarée par l'initiateur",
    "en": "Use of funds, as stated by the creator",
}

# What a stage waits for (`domain.md` 6), by its number.
WITH_REWARDS: Mapping[int, Words] = {
    2: {"fr": "Préparation des récompenses terminée", "en": "Rewards prepared"},
    3: {"fr": "Prêt à livrer toutes les récompenses", "en": "Ready to deliver every reward"},
}
WITHOUT_REWARDS: Mapping[int, Words] = {
    2: {"fr": "Travaux commencés, justificatifs à l'appui", "en": "Work begun, with evidence"},
    3: {"fr": "Projet achevé", "en": "Project completed"},
}


def milestone_name(stage: int, *, rewards: bool) -> Words:
    """Return how the milestone of a stage is called where there are rewards, or none."""
    return (WITH_REWARDS if rewards else WITHOUT_REWARDS)[stage]
