"""A feedback form to begin with, in French and English."""

from updates.domain.survey import Form, Question, QuestionKind, SurveyKind

_WORDS = {
    "fr": (
        "Votre avis sur ce que vous avez reçu",
        "Vos réponses aident à faire mieux. Elles sont anonymes.",
        "Êtes-vous satisfait de ce que vous avez reçu ?",
        "Que recommanderiez-vous d'améliorer ?",
        "Soutiendriez-vous un prochain projet ?",
        ("Oui", "Peut-être", "Non"),
    ),
    "en": (
        "Your opinion of what you received",
        "Your answers help to do better. They are anonymous.",
        "Are you satisfied with what you received?",
        "What should be better?",
        "Would you back another project?",
        ("Yes", "Perhaps", "No"),
    ),
}
LANGUAGES = tuple(_WORDS)


def feedback_form(language: str) -> Form:
    """Return the form in a language that has one."""
    title, introduction, satisfied, better, again, options = _WORDS[language]
    questions = (
        Question("satisfied", QuestionKind.SCALE, satisfied),
        Question("again", QuestionKind.CHOICE, again, options),
        Question("better", QuestionKind.TEXT, better, required=False),
    )
    return Form(SurveyKind.FEEDBACK, False, language, title, introduction, questions)
