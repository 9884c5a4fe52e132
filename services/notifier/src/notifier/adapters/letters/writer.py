"""Writes a letter as a mail: our words in the reader's language, quoted words in their own.

A cause is rendered once for each language, and for each zone where it names a day or an hour; what
differs from reader to reader (their name, their link) is put into holes that nobody can guess.
Everything else a stranger wrote is escaped by the templates, and no header can be left. The headers
that all readers have are made by the library, once; what differs, and the two parts, are put
together here.
"""

import hashlib
import re
import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Any
from urllib.parse import quote

from markupsafe import Markup, escape

from notifier.adapters.letters.parts import about, addressed_to, alternatives, head_of
from notifier.adapters.letters.words import (
    Speech,
    brief,
    environment,
    isolated,
    language_of,
    zone_of,
)
from notifier.domain.cause import CauseKind, Told
from notifier.domain.follow import FollowWish
from notifier.domain.kind import ToldAs, leads_to_own_pages
from notifier.domain.personal_link import PersonalLink
from notifier.ports.email import Letter, LetterRefused, Mail

# What mail programs show whole; Gmail cuts at 102 KB.
BYTES_MAX = 80_000
# Of two languages, readers with and without a name and all zones of a few causes at once, and a few
# megabytes: one that is made anew for each reader costs seventeen times as much as the reader.
RENDERED_KEPT = 512
QUOTED_CHARACTERS_MAX = 2_000
NOTICE, MERGED = "notice", "merged"
_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,255}")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")
_BREAKS = re.compile(r"[\x00-\x20\x7f-\x9f\u2028\u2029]+")
# A language tag is an attribute of HTML; what is none says nothing.
_TAG = re.compile(r"[A-Za-z0-9-]{1,35}")

Sign = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Sender:
    """Who writes: address and name that readers see, and where their links lead.

    `unsubscribe` makes the link by which a person turns a project's mails off, `follow` the one by
    which they confirm that they follow it, `personal` the one to what they may do about it; with
    `own_pages` it leads on to the pages of their pledge, and more letters have it.
    """

    address: str
    name: str
    platform_url: str
    unsubscribe: Callable[[str, str], str]
    follow: Callable[[FollowWish], str]
    personal: Callable[[PersonalLink], str]
    own_pages: bool = False

    @property
    def domain(self) -> str:
        return self.address.rpartition("@")[2]


@dataclass(frozen=True, slots=True)
class _Rendered:
    """What all readers of a letter in one language and zone share; `head` ends with its line."""

    head: bytes
    html: str
    text: str


@dataclass(frozen=True, slots=True)
class _Holes:
    """Drawn once for each process: no text that somebody wrote can contain them."""

    name: str = field(default_factory=lambda: secrets.token_hex(16))
    unsubscribe: str = field(default_factory=lambda: secrets.token_hex(16))
    personal: str = field(default_factory=lambda: secrets.token_hex(16))


class LetterWriter:
    """`ports.email.Letters`."""

    def __init__(
        self, sender: Sender, inline: Callable[[str], str], sign: Sign | None = None
    ) -> None:
        self._sender = sender
        self._inline = inline
        self._sign = sign
        self._holes = _Holes()
        self._rendered: OrderedDict[tuple[object, ...], _Rendered] = OrderedDict()

    def write(self, letter: Letter) -> Mail:
        reader = letter.reader
        recipient = usable_address(reader.address)
        name = one_line(reader.name)
        rendered = self._rendering(letter, bool(name))
        link = ""
        if letter.may_be_muted:
            link = self._sender.unsubscribe(reader.person_id, letter.told.campaign_id)
        at = int(letter.written_at.timestamp())
        personal = self._sender.personal(
            PersonalLink(reader.person_id, letter.told.campaign_id, at)
        )
        text = self._filled(rendered.text, name, link, personal)
        html = self._filled(rendered.html, *(str(escape(one)) for one in (name, link, personal)))
        head = (_unsubscribing(link), rendered.head, self._own_head(letter, recipient, name))
        content = b"".join((*head, alternatives(text, html)))
        if self._sign is not None:
            content = self._sign(content) + content
        if len(content) > BYTES_MAX:
            raise LetterRefused("too-large", f"{len(content)} bytes of {letter.told.cause}")
        return Mail(letter.return_path, recipient, content)

    def _own_head(self, letter: Letter, recipient: str, name: str) -> bytes:
        """Return the headers that differ from reader to reader."""
        date = format_datetime(letter.written_at)
        own = f"Date: {date}\r\nMessage-ID: <{letter.notification_id}@{self._sender.domain}>\r\n"
        return addressed_to(name, recipient) + own.encode()

    def _shared_head(self, letter: Letter, subject: str) -> bytes:
        """Return the headers that all readers of a rendering have."""
        project = f"<project.{_mark(letter.told.campaign_id)}@{self._sender.domain}>"
        mail = EmailMessage(policy=SMTP)
        mail["From"] = Address(self._sender.name, addr_spec=self._sender.address)
        # All mails about a project hang on the same root, which no mail is: one conversation.
        mail["In-Reply-To"] = project
        mail["References"] = project
        mail["Auto-Submitted"] = "auto-generated"
        mail["MIME-Version"] = "1.0"
        return head_of(mail) + about(subject)

    def _filled(self, text: str, name: str, link: str, personal: str) -> str:
        named = text.replace(self._holes.name, name).replace(self._holes.unsubscribe, link)
        return named.replace(self._holes.personal, personal)

    def _rendering(self, letter: Letter, is_named: bool) -> _Rendered:
        language = language_of(letter.reader.language)
        zone = zone_of(letter.reader.zone)
        told = letter.told
        said = (*map(_said, (told, *letter.others)), letter.campaign)
        anywhere = (*said, letter.role, language, is_named, letter.may_be_muted)
        here = (*anywhere, zone.key)
        for key in (anywhere, here):
            if key in self._rendered:
                self._rendered.move_to_end(key)
                return self._rendered[key]
        speech = Speech(language, zone)
        rendered = self._render(letter, speech, is_named)
        self._rendered[here if speech.zones else anywhere] = rendered
        if len(self._rendered) > RENDERED_KEPT:
            self._rendered.popitem(last=False)
        return rendered

    def _render(self, letter: Letter, speech: Speech, is_named: bool) -> _Rendered:
        frame = self._values(letter, letter.told, speech, is_named)
        template = template_of(letter.told.kind, letter.role)
        words: dict[str, dict[str, Any]] = {"html": {}, "txt": {}}
        if letter.others:
            template, all_told = f"{MERGED}.j2", (letter.told, *letter.others)
            kinds = (told.kind for told in all_told)
            frame["own_pages"] = any(self._leads_on(kind, letter.role) for kind in kinds)
            words = {m: {"messages": self._messages(letter, speech, m)} for m in words}

        def rendered(base: str, medium: str) -> str:
            return _rendered(template, base, medium, frame | words[medium])

        return _Rendered(
            head=self._shared_head(letter, _subject(rendered("subject", "txt"))),
            html=self._inline(rendered("html", "html")),
            text=rendered("txt", "txt"),
        )

    def _messages(self, letter: Letter, speech: Speech, medium: str) -> list[Markup]:
        """Return what each letter says without its greeting and its foot, under its own title.

        Its template has escaped what strangers wrote, or it is no HTML.
        """
        return [
            Markup(
                _rendered(
                    template_of(told.kind, letter.role),
                    f"message.{medium}",
                    medium,
                    self._values(letter, told, speech, is_named=False),
                )
            )
            for told in (letter.told, *letter.others)
        ]

    def _values(self, letter: Letter, told: Told, speech: Speech, is_named: bool) -> dict[str, Any]:
        """Return what a template is told of a letter about this."""
        title = one_line(letter.campaign)
        return {
            "language": speech.language,
            "kind": told.kind.value,
            "role": letter.role.value,
            "speech": speech,
            "project": isolated(title),
            "brief": brief(title),
            "campaign": speech.named(title),
            "content": _shown(told.content),
            "name": self._holes.name if is_named else "",
            "personal": self._holes.personal,
            "own_pages": self._leads_on(told.kind, letter.role),
            "unsubscribe": self._holes.unsubscribe if letter.may_be_muted else "",
            "address": self._address(letter, told),
            "amount": _amount(told, speech),
            "quoted": _quoted(told, speech.language),
        }

    def _leads_on(self, kind: CauseKind, role: ToldAs) -> bool:
        return self._sender.own_pages and leads_to_own_pages(kind, role)

    def _address(self, letter: Letter, told: Told) -> str:
        """Return where the letter's button leads: to the platform, or to a page of ours."""
        if told.kind is CauseKind.FOLLOW_ASKED:
            at = int(told.caused_at.timestamp())
            return self._sender.follow(FollowWish(letter.reader.person_id, told.campaign_id, at))
        path = str(told.content.get("url", ""))
        return f"{self._sender.platform_url.rstrip('/')}/{quote(path.lstrip('/'), safe='/?&=#%')}"


def _rendered(template: str, base: str, medium: str, values: Mapping[str, object]) -> str:
    found = environment(str(values["language"]), medium).get_template(template)
    parts = {"base": f"base.{base}.j2", "parts": f"parts.{medium}.j2"}
    return found.render({**values, **parts})


def template_of(kind: CauseKind, role: ToldAs) -> str:
    """Return the template of a kind: of its own for who backs or follows, else a short notice."""
    if role in (ToldAs.CREATOR, ToldAs.STAFF):
        return f"{NOTICE}.j2"
    names = environment("en", "txt").list_templates()
    own = f"{kind.value}.j2"
    return own if own in names else f"{NOTICE}.j2"


def usable_address(address: str) -> str:
    """Return the address as servers take it; raises `LetterRefused` for what is none.

    A domain in other letters is written as servers know it; a mailbox in other letters needs what
    few servers have, and counts as unusable.
    """
    mailbox, _, domain = address.strip().rpartition("@")
    try:
        found = f"{mailbox}@{domain.encode('idna').decode()}"
    except UnicodeError:
        found = ""
    if not _ADDRESS.fullmatch(found) or ".." in found or mailbox[0] == "." or mailbox[-1] == ".":
        raise LetterRefused("no-address", "no server would take this address")
    return found


def one_line(text: str) -> str:
    """Return the text without anything that ends or turns a line, as headers must be."""
    return " ".join(_CONTROLS.sub(" ", text).split())


def _subject(rendered: str) -> str:
    """Return it as one line; unlike `one_line` it keeps the signs that our own words have.

    Those are spaces that do not break, and what holds a title together that runs to the left.
    """
    return _BREAKS.sub(" ", rendered).strip(" ")


def _unsubscribing(link: str) -> bytes:
    """Return the headers of RFC 8058; by hand, as the library folds or encodes a long link."""
    if not link:
        return b""
    assert link.isascii() and not _CONTROLS.search(link), "a link of ours is one line"
    post = "List-Unsubscribe-Post: List-Unsubscribe=One-Click"
    return f"List-Unsubscribe: <{link}>\r\n{post}\r\n".encode()


def _said(told: Told) -> tuple[object, ...]:
    """Return what says which words a letter has: an edited update keeps its cause's name."""
    return told.cause, told.caused_at, told.content.get("revision")


def _mark(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=10).hexdigest()


def _amount(told: Told, speech: Speech) -> str:
    amount, currency = told.content.get("amount"), told.content.get("currency")
    if isinstance(amount, int) and isinstance(currency, str):
        return speech.amount(amount, currency)
    return ""


def _shown(content: Mapping[str, object]) -> dict[str, object]:
    """Shorten what strangers wrote at length; it stands in full behind the link."""
    return {name: _shortened(v) if isinstance(v, str) else v for name, v in content.items()}


def _shortened(text: str) -> str:
    return text if len(text) <= QUOTED_CHARACTERS_MAX else f"{text[:QUOTED_CHARACTERS_MAX]} …"


def _quoted(told: Told, language: str) -> dict[str, str]:
    """Return what is quoted in the reader's language if it is there, else in the first one."""
    texts = _texts(told.content)
    if not texts:
        return {}
    mine = (text for text in texts if language_of(text["language"]) == language)
    text = next((one for one in mine if _is(one, language)), texts[0])
    tag = text["language"] if _TAG.fullmatch(text["language"]) else ""
    excerpt = _shortened(text.get("excerpt") or "")
    title = one_line(text["title"])
    return {"language": tag, "title": title, "named": isolated(title), "excerpt": excerpt}


def _texts(content: Mapping[str, Any]) -> list[Mapping[str, str]]:
    """Return the words that are quoted, one a language: an update's, or the title of a survey."""
    texts = content.get("texts")
    if isinstance(texts, list):
        return texts
    return [content] if {"title", "language"} <= content.keys() else []


def _is(text: Mapping[str, str], language: str) -> bool:
    return text["language"].casefold().partition("-")[0] == language
