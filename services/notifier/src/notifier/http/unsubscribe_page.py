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
        "what": "Vous ne recevrez plus d'e-mails sur ce projet : ni ses actualités, ni ses "
        "questions, ni les réponses à une réclamation.",
        "button": "Ne plus recevoir d'e-mails",
        "stays": "Nous vous écrirons toujours pour un remboursement, un paiement ou une urgence, "
        "et tout reste lisible dans votre boîte de réception sur la plateforme. Si vous suivez le "
        "projet sans compte, votre adresse est effacée.",
        DONE: "C'est fait : vous ne recevrez plus d'e-mails sur ce projet.",
        INVALID: "Ce lien n'est pas valable. Prenez celui du dernier e-mail reçu.",
    },
    "en": {
        "title": "Emails about this project",
        "other_language": "Français",
        "other_language_label": "Language",
        "campaign": "Project",
        "what": "You will receive no more emails about this project: no updates, no questions, no "
        "answers to a claim.",
        "button": "No more emails",
        "stays": "We will still write to you of a refund, a payment or an emergency, and "
        "everything stays in your inbox on the platform. If you follow the project without an "
        "account, your address is erased.",
        DONE: "Done: you will receive no more emails about this project.",
        INVALID: "This link is not valid. Use the one in the last email that you received.",
    },
}
WORDS = typeset(_WORDS)
UNSUBSCRIBE = AskingPage("/unsubscribe", WORDS)
