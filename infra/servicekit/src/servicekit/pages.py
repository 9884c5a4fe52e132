"""Pages for people: plain HTML that loads nothing, sends nothing elsewhere and is kept nowhere."""

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

LANGUAGES = ("fr", "en")
FRAME = Path(__file__).parent / "templates"
# It stands in the page itself; the policy names its hash, so no other style is applied.
STYLE = (
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:42rem;margin:2rem auto;padding:0 1rem;"
    "overflow-wrap:anywhere;"
    "color:#1a1a1a;background:#fff}h1{font-size:1.5rem}dt{font-weight:600;margin-top:.75rem}"
    "dd{margin:0}.note{border-left:.3rem solid #0b5cad;padding:.5rem 1rem;background:#eef4fb}"
    "button{font:inherit;padding:.6rem 1rem;border:2px solid #0b5cad;background:#0b5cad;"
    "color:#fff;border-radius:.3rem}button:focus-visible,a:focus-visible{outline:3px solid #f5a623}"
    "nav{text-align:right}label,legend{font-weight:600}fieldset{border:0;padding:0;margin:1rem 0}"
    "textarea,select,input[type=number]{font:inherit;display:block;margin:.25rem 0 .75rem}"
    "textarea{width:100%;box-sizing:border-box}input[type=radio]+label,input[type=checkbox]+label"
    "{font-weight:400}section{border-top:1px solid #ccc;margin-top:1.5rem}"
    "nav button{background:none;border:0;color:#0b5cad;text-decoration:underline;padding:0}"
)


# In French what belongs to a word stands behind a space, and no line begins with it.
_FRENCH_SPACE = re.compile(r" (?=[:;?!»])|(?<=«) ")


def typeset(words: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """Return words in each language as its printers set them, from what keyboards have."""
    return {
        language: {
            key: (_FRENCH_SPACE.sub("\u00a0", said) if language == "fr" else said).replace("'", "’")
            for key, said in each.items()
        }
        for language, each in words.items()
    }


def safe_headers(style: str, *, form_action: str) -> dict[str, str]:
    """Return what lets a browser apply this style and send forms there, and do nothing else."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return {
        "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{digest}'; "
        f"form-action {form_action}; base-uri 'none'; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "X-Robots-Tag": "noindex, nofollow",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cache-Control": "private, no-store",
    }


SAFE = safe_headers(STYLE, form_action="'self'") | {"Vary": "Accept-Language"}


class Page(HTMLResponse):
    """An answer that a browser shows and does nothing else with.

    Its forms go where it came from, and to `form_target` (an origin) where one is named. FastAPI
    describes a route by the default of its `status_code`.
    """

    def __init__(
        self, html: str, language: str, status_code: int = 200, form_target: str = ""
    ) -> None:
        safe = safe_headers(STYLE, form_action=f"'self' {form_target}".rstrip())
        super().__init__(html, status_code, SAFE | safe | {"Content-Language": language})


class PageTemplates:
    """A service's templates of pages; each fills the `body` of the frame that all pages share."""

    def __init__(self, folder: Path) -> None:
        self._templates = Environment(
            loader=FileSystemLoader([folder, FRAME]),
            autoescape=select_autoescape(default=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def page(
        self,
        template: str,
        language: str,
        words: Mapping[str, str],
        address: Callable[[str], str],
        *,
        note: str = "",
        status: int = 200,
        form_target: str = "",
        **shown: object,
    ) -> Page:
        """Show a template in a language; `address` is where the page stands in each of them.

        `words` have at least `title`, `other_language` and `other_language_label`. Whatever is
        shown is escaped. `form_target` is another origin that its forms may be sent to.
        """
        (other,) = (one for one in LANGUAGES if one != language)
        html = self._templates.get_template(template).render(
            language=language,
            words=words,
            # Ours, and without anything to escape; the policy knows its hash.
            style=Markup(STYLE),
            note=note,
            address=address(language),
            other_address=address(other),
            other_language=other,
            **shown,
        )
        return Page(html, language, status, form_target)

    def whole_page(self, template: str, language: str, style: str, **shown: object) -> HTMLResponse:
        """Show a template that is a page by itself, in a style of its own, without any form.

        Whatever is shown is escaped; the style is ours, and its policy's hash is of it alone.
        """
        page = self._templates.get_template(template)
        html = page.render(language=language, style=Markup(style), **shown)
        headers = safe_headers(style, form_action="'none'") | {"Content-Language": language}
        return HTMLResponse(html, headers=headers)


def language_of(asked: str, accepted: str) -> str:
    """Return the language to answer in: as asked for, else the first accepted one of ours.

    `accepted` is the header `Accept-Language`; without any of ours it is French.
    """
    if asked in LANGUAGES:
        return asked
    known = [
        (-quality, place, language)
        for place, (language, quality) in enumerate(_accepted(accepted))
        if language in LANGUAGES and quality > 0
    ]
    return min(known)[2] if known else LANGUAGES[0]


def _accepted(header: str) -> list[tuple[str, float]]:
    found = []
    for part in header[:1_000].split(","):
        tag, _, parameter = part.strip().partition(";")
        quality = parameter.strip().removeprefix("q=") if parameter else "1"
        try:
            found.append((tag.strip().lower().partition("-")[0], float(quality)))
        except ValueError:
            continue
    return found
