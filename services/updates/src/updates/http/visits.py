"""A visit by a personal link: the form that was sent, and who its token says is there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs

from fastapi import Request

from servicekit.link_tokens import LinkAct, LinkHolder, LinkTokenVerifier
from servicekit.pages import language_of
from servicekit.problems import Problem

FORM_BYTES_MAX = 1_000_000
FIELDS_MAX = 3_000


@dataclass(frozen=True, slots=True)
class Fields:
    """What a form was filled in with; what is not there is empty."""

    values: Mapping[str, Sequence[str]]

    def one(self, name: str) -> str:
        found = self.values.get(name, ())
        return found[0] if found else ""

    def all(self, name: str) -> Sequence[str]:
        return self.values.get(name, ())


@dataclass(frozen=True, slots=True)
class Visit:
    """Who came by which token, in which language, and what they sent."""

    holder: LinkHolder
    token: str
    language: str
    fields: Fields


async def read_fields(request: Request) -> Fields:
    """Return the fields of a form; the token stands in them, so nothing of them is logged."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > FORM_BYTES_MAX:
            raise Problem(413, "too-large", "The body is too large")
    try:
        text = body.decode("ascii")
        # Browsers end lines of a textarea with both characters.
        found = parse_qs(text, max_num_fields=FIELDS_MAX, errors="strict")
    except ValueError:
        return Fields({})  # Sent by no page of ours.
    return Fields({name: [one.replace("\r\n", "\n") for one in v] for name, v in found.items()})


def language_of_visit(request: Request, fields: Fields) -> str:
    return language_of(fields.one("lang"), request.headers.get("accept-language", ""))


async def visit_of(
    request: Request, links: LinkTokenVerifier, act: LinkAct, fields: Fields
) -> Visit:
    """Return the visit; raises a 401 problem where the token does not open this act."""
    token = fields.one("token")
    holder = await links.holder(token, act)
    return Visit(holder, token, language_of_visit(request, fields), fields)
