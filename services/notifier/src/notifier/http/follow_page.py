"""The page of the link that confirms a following."""

from collections.abc import Mapping

from notifier.http.asking_page import DONE, INVALID, AskingPage
from servicekit.pages import typeset

_WORDS: Mapping[str, Mapping[str, str]] = {
    "fr": {
        "title": "Suivre ce projet",
        "other_language": "English",
        "other_language_label": "Langue",
        "campaign": "Projet",
        "what": "Vous recevrez par e-mail les actualités publiques de ce projet.",
        "button": "Suivre ce projet",
        "stays": "Chaque e-mail contient un lien pour ne plus en recevoir ; votre adresse est "
        "alors effacée.",
        DONE: "C'est fait : vous suivez ce projet.",
        INVALID: "Ce lien n'est pas ou plus valable. Demandez-en un autre sur la page du projet.",
    },
    "en": {
        "title": "Follow this project",
        "other_language": "Français",
        "other_language_label": "Language",
        "campaign": "Project",
        "what": "You will receive the public updates of this project by email.",
        "button": "Follow this project",
        "stays": "Each email has a link to receive no more of them; your address is erased then.",
        DONE: "Done: you follow this project.",
        INVALID: "This link is not valid, or not any more. Ask for one on the project's page.",
    },
}
WORDS = typeset(_WORDS)
FOLLOW = AskingPage("/follow", WORDS)
