"""The page of the link that turns a project's mails off."""

from collections.abc import Mapping

from notifier.http.asking_page import DONE, INVALID, AskingPage

WORDS: Mapping[str, Mapping[str, str]] = {
    "fr": {
        "title": "E-mails sur ce projet",
        "other_language": "English",
        "other_language_label": "Langue",
        "campaign": "Projet",
        "what": "Vous ne recevrez plus d'e-mails sur les actualités de ce projet.",
        "button": "Ne plus recevoir d'e-mails",
        "stays": "Ce qui concerne votre argent ou vos droits vous sera toujours écrit, et tout "
        "reste lisible dans votre boîte de réception sur la plateforme.",
        DONE: "C'est fait : vous ne recevrez plus d'e-mails sur les actualités de ce projet.",
        INVALID: "Ce lien n'est pas valable. Prenez celui du dernier e-mail reçu.",
    },
    "en": {
        "title": "Mails about this project",
        "other_language": "Français",
        "other_language_label": "Language",
        "campaign": "Project",
        "what": "You will receive no more mails about updates of this project.",
        "button": "No more mails",
        "stays": "What concerns your money or your rights is still written to you, and everything "
        "stays in your inbox on the platform.",
        DONE: "Done: you will receive no more mails about updates of this project.",
        INVALID: "This link is not valid. Take the one of the last mail that you received.",
    },
}
UNSUBSCRIBE = AskingPage("/unsubscribe", WORDS)
