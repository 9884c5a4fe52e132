"""The page of the link that turns a project's mails off."""

from collections.abc import Mapping

from notifier.http.asking_page import DONE, INVALID, AskingPage
from servicekit.pages import typeset

_WORDS: Mapping[str, Mapping[str, str]] = {
    "fr": {
        "title": "E-mails sur ce projet",
        "other_language": "English",
        "other_language_label": "Langue",
        "campaign": "Projet",
        "what": "Vous ne recevrez plus d'e-mails sur les actualités de ce projet.",
        "button": "Ne plus recevoir d'e-mails",
        "stays": "Ce qui concerne votre argent ou vos droits vous sera toujours écrit, et tout "
        "reste lisible dans votre boîte de réception sur la plateforme. Si vous suivez le projet "
        "sans compte, votre adresse est effacée.",
        DONE: "C'est fait : vous ne recevrez plus d'e-mails sur les actualités de ce projet.",
        INVALID: "Ce lien n'est pas valable. Prenez celui du dernier e-mail reçu.",
    },
    "en": {
        "title": "Emails about this project",
        "other_language": "Français",
        "other_language_label": "Language",
        "campaign": "Project",
        "what": "You will receive no more emails about updates of this project.",
        "button": "No more emails",
        "stays": "What concerns your money or your rights is still written to you, and everything "
        "stays in your inbox on the platform. If you follow the project without an account, your "
        "address is erased.",
        DONE: "Done: you will receive no more emails about updates of this project.",
        INVALID: "This link is not valid. Use the one in the last email that you received.",
    },
}
WORDS = typeset(_WORDS)
UNSUBSCRIBE = AskingPage("/unsubscribe", WORDS)
