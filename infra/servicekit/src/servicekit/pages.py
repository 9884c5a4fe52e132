"""Pages for people: plain HTML that loads nothing, sends nothing elsewhere and is kept nowhere."""

import base64
import hashlib

from fastapi.responses import HTMLResponse

LANGUAGES = ("fr", "en")
# It stands in the page itself; the policy names its hash, so no other style is applied.
STYLE = (
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:42rem;margin:2rem auto;padding:0 1rem;"
    "color:#1a1a1a;background:#fff}h1{font-size:1.5rem}dt{font-weight:600;margin-top:.75rem}"
    "dd{margin:0}.note{border-left:.3rem solid #0b5cad;padding:.5rem 1rem;background:#eef4fb}"
    "button{font:inherit;padding:.6rem 1rem;border:2px solid #0b5cad;background:#0b5cad;"
    "color:#fff;border-radius:.3rem}button:focus-visible,a:focus-visible{outline:3px solid #f5a623}"
    "nav{text-align:right}"
)
_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
SAFE = {
    "Content-Security-Policy": "default-src 'none'; "
    f"style-src 'sha256-{_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Vary": "Accept-Language",
}


class Page(HTMLResponse):
    """An answer that a browser shows and does nothing else with."""

    def __init__(self, html: str, language: str, status: int = 200) -> None:
        super().__init__(html, status, SAFE | {"Content-Language": language})


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
