"""What the page says about plans by itself, in the languages that it is shown in."""

Words = dict[str, str]

MISSING: Words = {
    "fr": "L'initiateur n'a pas encore publié le calendrier de livraison",
    "en": "The creator has not published a delivery plan yet",
}


def overdue(days: int) -> Words:
    """Return what is said of a day that was over so many days ago."""
    if days == 1:
        return {"fr": "Date dépassée depuis 1 jour", "en": "1 day past the date"}
    return {"fr": f"Date dépassée depuis {days} jours", "en": f"{days} days past the date"}
