"""What the page of a personal link says, in French and in English."""

from collections.abc import Mapping

from servicekit.pages import typeset

Words = Mapping[str, str]

_FRENCH: Words = {
    "title": "Votre remboursement",
    "other_language": "English",
    "other_language_label": "Langue",
    "amount": "Montant qui vous est dû",
    "campaign": "Projet",
    "owed_because": "Pourquoi nous vous le devons",
    "where": "Où il en est",
    "came_back_because": "Pourquoi il n'a pas abouti",
    "reference": "Référence",
    "again_title": "Réessayer par le même moyen de paiement",
    "again_text": "Nous renvoyons l'argent là d'où il est venu. Vous ne donnez rien ici.",
    "again_button": "Réessayer maintenant",
    "other_title": "Recevoir l'argent autrement",
    "other_text": "Pour votre sécurité, nous ne demandons jamais de coordonnées bancaires ici : "
    "notre équipe vous les demandera après votre connexion à votre compte.",
    "other_button": "Demander un autre moyen",
    "other_noted": "C'est noté : notre équipe vous le demandera après votre connexion.",
    "never_expires": "Cet argent est à vous et le reste, même après l'expiration de ce lien.",
    "note_again": "C'est noté : nous réessayons. Revenez sur cette page pour voir le résultat.",
    "note_other": "C'est noté : notre équipe vous le demandera après votre connexion.",
    "link-unknown": "Ce lien n'est pas valable. Connectez-vous à votre compte pour en obtenir un.",
    "link-revoked": "Un lien plus récent remplace celui-ci. Utilisez le dernier reçu.",
    "link-expired": "Ce lien a expiré. Connectez-vous à votre compte pour en obtenir un nouveau ; "
    "l'argent reste à vous.",
    "refused:window-closed": "Ce paiement ne peut plus être remboursé par le même moyen.",
    "refused:told-paid": "Notre équipe indique que vous avez été payé autrement ; nous le "
    "vérifions.",
    "refused:too-soon": "Vous avez déjà réessayé aujourd'hui. Revenez demain.",
    "refused:disputed": "Votre banque examine ce paiement ; nous attendons sa décision.",
    "refused": "Ce n'est plus possible maintenant. Voici où en est votre remboursement.",
    "cause:verdict-reached": "le projet n'a pas atteint son objectif",
    "cause:campaign-cancelled": "le projet a été annulé",
    "cause:withdrawal": "vous avez repris votre contribution",
    "cause:staff-refund": "notre équipe a accordé ce remboursement",
    "cause:late-pledge": "votre paiement est arrivé après la fin",
    "cause:claim-money-requested": "votre réclamation a été acceptée",
    "cause:compensation": "vous êtes dédommagé pour un problème avec votre récompense",
    "cause": "un remboursement vous est dû",
    "state:claimable": "il attend votre choix",
    "state:succeeded": "il a été remboursé",
    "state:paid_by_other_means": "il vous a été payé par un autre moyen",
    "state:blocked": "votre banque examine ce paiement",
    "state:cancelled": "votre banque vous l'a déjà rendu, ou il a été repris",
    "state": "il est en route",
    "reason:window-closed": "ce moyen de paiement n'accepte plus de remboursement après ce délai",
    "reason:expired_or_canceled_card": "la carte a expiré ou a été annulée",
    "reason:lost_or_stolen_card": "la carte a été déclarée perdue ou volée",
    "reason:bank_account_closed": "le compte bancaire est fermé",
    "reason:beyond-pledge": "un dédommagement au-delà de votre contribution se verse autrement",
    "reason": "le moyen de paiement ne l'a pas accepté",
}

_ENGLISH: Words = {
    "title": "Your refund",
    "other_language": "Français",
    "other_language_label": "Language",
    "amount": "Amount owed to you",
    "campaign": "Project",
    "owed_because": "Why we owe it to you",
    "where": "Where it is",
    "came_back_because": "Why it did not arrive",
    "reference": "Reference",
    "again_title": "Try the same means of payment again",
    "again_text": "We send the money back where it came from. You enter nothing here.",
    "again_button": "Try again now",
    "other_title": "Get the money another way",
    "other_text": "For your safety we never ask for bank details here: our team asks you for them "
    "once you have signed in to your account.",
    "other_button": "Ask for another way",
    "other_noted": "It is noted: our team will ask you once you have signed in.",
    "never_expires": "This money is yours and stays yours, also after this link has expired.",
    "note_again": "It is noted: we are trying again. Come back to this page to see the result.",
    "note_other": "It is noted: our team will ask you once you have signed in.",
    "link-unknown": "This link is not valid. Sign in to your account to get one.",
    "link-revoked": "A newer link takes the place of this one. Use the last one that you got.",
    "link-expired": "This link has expired. Sign in to your account to get a new one; the money "
    "stays yours.",
    "refused:window-closed": "This payment can no longer be returned the way it was paid.",
    "refused:told-paid": "Our team says that you were paid another way; we are checking.",
    "refused:too-soon": "You have tried again today already. Come back tomorrow.",
    "refused:disputed": "Your bank is looking into this payment; we wait for its decision.",
    "refused": "That is not possible any more. This is where your refund is now.",
    "cause:verdict-reached": "the project did not reach its goal",
    "cause:campaign-cancelled": "the project was cancelled",
    "cause:withdrawal": "you took your pledge back",
    "cause:staff-refund": "our team granted this refund",
    "cause:late-pledge": "your payment arrived after the end",
    "cause:claim-money-requested": "your claim was accepted",
    "cause:compensation": "you are compensated for a problem with your reward",
    "cause": "a refund is owed to you",
    "state:claimable": "it waits for your choice",
    "state:succeeded": "it was returned",
    "state:paid_by_other_means": "it was paid to you another way",
    "state:blocked": "your bank is looking into this payment",
    "state:cancelled": "your bank has given it to you already, or it was taken back",
    "state": "it is on its way",
    "reason:window-closed": "this means of payment takes no refund after that time",
    "reason:expired_or_canceled_card": "the card has expired or was cancelled",
    "reason:lost_or_stolen_card": "the card was reported lost or stolen",
    "reason:bank_account_closed": "the bank account is closed",
    "reason:beyond-pledge": "a compensation beyond your pledge is paid another way",
    "reason": "the means of payment did not accept it",
}

WORDS = typeset({"fr": _FRENCH, "en": _ENGLISH})


def said(words: Words, about: str, word: str) -> str:
    """Return what is said of a word, or what is said where it is not known."""
    return words.get(f"{about}:{word}") or words[about]
