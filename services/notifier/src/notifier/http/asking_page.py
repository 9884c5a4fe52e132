"""Pages that links of mails lead to and that ask one question: they show, and a button acts."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

from servicekit.pages import Page, PageTemplates

# Keys of what became of it: it was done, or the link is none of ours, or over.
DONE, INVALID = "done", "invalid"
TEMPLATES = PageTemplates(Path(__file__).parent / "templates")


@dataclass(frozen=True, slots=True)
class AskingPage:
    """One question; `words` say it in each language, and by a key of theirs what became of it.

    `path` is where its links lead: whoever looks is asked, whoever posts has it done.
    """

    path: str
    words: Mapping[str, Mapping[str, str]]

    def ask(self, link: str, language: str, campaign: str) -> Page:
        """Ask whether it is wished for this campaign."""
        return self._page(link, language, "", campaign, 200)

    def say(self, link: str, language: str, note: str, status: int = 200) -> Page:
        """Say what became of it: a key of the words."""
        return self._page(link, language, self.words[language][note], "", status)

    def _page(self, link: str, language: str, note: str, campaign: str, status: int) -> Page:
        return TEMPLATES.page(
            "asking.html",
            language,
            self.words[language],
            lambda one: f"{self.path}?{urlencode({'link': link, 'lang': one})}",
            note=note,
            status=status,
            campaign=campaign,
            link=link,
        )
