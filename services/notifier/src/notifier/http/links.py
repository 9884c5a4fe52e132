"""What routes behind the links of mails share: the link itself, and the language of their page."""

from typing import Annotated

from fastapi import Depends, Query, Request

from servicekit.pages import language_of

LinkText = Annotated[str, Query(max_length=1_200)]


def _page_language(request: Request, lang: Annotated[str, Query(max_length=2)] = "") -> str:
    """Return the language of a page: as asked for, else as the browser would have it."""
    return language_of(lang, request.headers.get("accept-language", ""))


PageLanguage = Annotated[str, Depends(_page_language)]
