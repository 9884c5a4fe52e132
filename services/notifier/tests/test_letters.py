"""Letters: every kind in every language whole, small and safe, whatever strangers wrote."""

import base64
import re
from dataclasses import replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from html import unescape
from html.parser import HTMLParser
from itertools import product
from pathlib import Path
from typing import Any

import dkim
import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from notifier.adapters.letters import LetterWriter, words
from notifier.adapters.letters.samples import SAMPLES, roles_told
from notifier.adapters.letters.signing import DkimSigner
from notifier.adapters.letters.styles import inlined
from notifier.adapters.letters.writer import BYTES_MAX, usable_address
from notifier.domain.cause import CauseKind
from notifier.domain.kind import ToldAs
from notifier.domain.webhook_endpoint import SendOutcome
from notifier.ports.email import Letter, LetterRefused, Reader
from services.notifier.tests.letters import ANNA, BEN, SENDER, letter, letter_writer

HOLE = re.compile(r"%\(\w+\)s")
EVIL = '"><script>alert(1)</script>\r\nBcc: all@evil.example\r\n\r\n<img src=x onerror=y>'


def mail_of(one: Letter) -> EmailMessage:
    return message_from_bytes(letter_writer().write(one).content, policy=default)


def part(mail: EmailMessage, subtype: str) -> str:
    found = mail.get_body((subtype,))
    assert found is not None
    return str(found.get_content())


class Tags(HTMLParser):
    """Reads which elements and attributes there are."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes += attrs


@pytest.mark.parametrize("reader", [ANNA, BEN], ids=["fr", "en"])
def test_a_burst_is_one_letter_with_each_under_its_title(reader: Reader) -> None:
    """One greeting, one foot, one subject that is no notice's; what strangers wrote is escaped."""
    evil = {"texts": [{"language": "en", "title": EVIL, "excerpt": EVIL}], "url": "/u/5"}
    kinds = (CauseKind.SURVEY_OPENED, CauseKind.DELIVERY_CHANGED, CauseKind.UPDATE_PUBLISHED)
    one = letter(CauseKind.UPDATE_PUBLISHED, reader, campaign="A & B")
    said = [SAMPLES[kinds[0]][0], SAMPLES[kinds[1]][0], evil]
    others = tuple(
        replace(one.told, kind=kind, content=content)
        for kind, content in zip(kinds, said, strict=True)
    )
    merged = mail_of(replace(one, others=others))
    html, text = part(merged, "html"), part(merged, "plain")
    assert str(merged["Subject"]).startswith("A & B") and "4 messages" in str(merged["Subject"])
    for told in (one.told, *others[:2]):
        alone = str(mail_of(replace(one, told=told))["Subject"])
        assert f"* {alone}" in text and alone in unescape(html)
    assert html.count("<h2") == 4 and html.count("<h1") == 1
    assert html.count("unsubscribe?") == 1 and text.count("unsubscribe?") == 1
    tags = Tags(html)
    assert not tags.names & {"script", "img", "iframe"} and "Bcc" not in merged
    assert "&amp;amp;" not in html and "&amp;" not in text


@pytest.mark.parametrize("reader", [ANNA, BEN], ids=["fr", "en"])
@pytest.mark.parametrize("kind", list(CauseKind))
def test_every_kind_in_every_language(kind: CauseKind, reader: Reader) -> None:
    """A subject, a text beside the HTML, both in the reader's language; small, and whole."""
    language = words.language_of(reader.language)
    for content, role in product(SAMPLES.get(kind, ({},)), roles_told(kind)):
        mail = mail_of(letter(kind, reader, content=content, role=role))
        html, text = part(mail, "html"), part(mail, "plain")
        assert len(mail.as_bytes()) < BYTES_MAX / 4
        assert mail["Subject"] and f'lang="{language}"' in html
        for shown in (mail["Subject"], html, text):
            assert not HOLE.search(shown) and "None" not in shown
        assert ("Bonjour" in text) is (language == "fr")


def test_every_kind_has_its_own_words_for_whoever_is_told() -> None:
    """A new kind is written of safely, and found here until it has words and something to show."""
    assert set(CauseKind) == SAMPLES.keys()
    wordless = {
        (kind.value, role.value)
        for kind in CauseKind
        for role in roles_told(kind)
        if mail_of(letter(kind, BEN, role=role))["Subject"].startswith("News about")
    }
    assert wordless == set()


def messages() -> set[str]:
    """Return every text of ours that stands in a template."""
    folder = words.FOLDER / "templates"
    found = extract_from_dir(
        folder,
        method_map=[("**.j2", "jinja2.ext.babel_extract")],
        options_map={"**.j2": {"trim_blocks": "true", "lstrip_blocks": "true", "silent": "false"}},
    )
    return {message for _, _, message, _, _ in found if isinstance(message, str)}


@pytest.mark.parametrize("language", [one for one in words.LANGUAGES if one != "en"])
def test_catalogues_are_complete(language: str) -> None:
    """Every text has its words in every language, with the same holes, and none is left over."""
    with (words.FOLDER / "locale" / f"{language}.po").open("rb") as file:
        catalogue = {m.id: m for m in read_po(file, locale=language) if m.id}
    assert catalogue.keys() == messages()
    for message in catalogue.values():
        assert message.string and not message.fuzzy
        assert sorted(HOLE.findall(message.string)) == sorted(HOLE.findall(message.id))


# The product's own words for its people and things, as its domain has them.
FRENCH = {
    r"backers?": r"soutiens?",
    r"creator": r"initiateur",
    r"stages?": r"versements?",
    r"pledge": r"contribution",
}


def test_one_french_word_stands_for_one_thing() -> None:
    """Whoever reads of a stage in one letter, and of it again in the next, reads the same word."""
    with (words.FOLDER / "locale" / "fr.po").open("rb") as file:
        said = {str(m.id): str(m.string) for m in read_po(file, locale="fr") if m.id}
    for english, french in FRENCH.items():
        mine = {m for m in said if re.search(rf"\b{english}\b", m, re.IGNORECASE)}
        assert len(mine) > 2
        assert [m for m in mine if not re.search(rf"\b{french}\b", said[m], re.IGNORECASE)] == []


def test_french_words_are_set_as_french_is() -> None:
    """No line begins with a sign: what stands before or in quotes does not break; no typed mark."""
    with (words.FOLDER / "locale" / "fr.po").open("rb") as file:
        said = {str(m.id): str(m.string) for m in read_po(file, locale="fr") if m.id}
    for english, french in said.items():
        assert re.findall(r"(?<!\u00a0)[:;?!»]|«(?!\u00a0)|'", french) == [], french
        assert "'" not in english and '"' not in english + french


def test_french_words_agree_with_the_project_and_not_with_its_title() -> None:
    """A title has a gender and a number that nobody knows: `Les lampes a été annulé` is none."""
    with (words.FOLDER / "locale" / "fr.po").open("rb") as file:
        said = {str(m.id): str(m.string) for m in read_po(file, locale="fr") if m.id}
    named = [french for english, french in said.items() if "%(campaign)s" in english]
    assert len(named) > 30
    assert [one for one in named if not re.search(r"\b(projet|Projet) %\(campaign\)s", one)] == []


@pytest.mark.parametrize(
    ("reader", "title", "subject"),
    [
        (ANNA, "Qui a peur ?", "Le projet «\u00a0Qui a peur ?\u00a0» a été annulé"),
        (BEN, "Who is afraid?", "“Who is afraid?” has been cancelled"),
        (BEN, "מנורה 2024!", "“\u2068מנורה 2024!\u2069” has been cancelled"),
        (BEN, f"{'long ' * 40}end", f"“{('long ' * 16)[:79].rstrip()}…” has been cancelled"),
    ],
)
def test_a_title_is_set_apart_from_what_is_said_of_it(
    reader: Reader, title: str, subject: str
) -> None:
    """A sentence in a sentence, or written from right to left; a long one is whole above it."""
    mail = mail_of(letter(CauseKind.CAMPAIGN_CANCELLED, reader, campaign=title))
    html = unescape(part(mail, "html"))
    assert mail["Subject"] == subject
    assert subject in part(mail, "plain") and subject in html
    (above,) = re.findall(r'class="project"[^>]*>([^<]*)<', html)
    assert above.strip("\u2068\u2069") == title.strip()
    assert title in part(mail, "plain")


def test_what_is_quoted_runs_as_its_letters_do() -> None:
    """From right to left where it is written so, whatever the letter around it does."""
    texts = [{"language": "he", "title": "מנורה 2024!", "excerpt": "שלום!"}]
    content = {"texts": texts, "url": "/u/1"}
    mail = mail_of(letter(CauseKind.UPDATE_PUBLISHED, ANNA, content=content))
    quote = part(mail, "html").partition("<blockquote")[2].partition("</blockquote>")[0]
    assert len(re.findall(r'<(?:strong|p) dir="auto"', quote)) == 2 and "text-align: start" in quote
    assert mail["Subject"] == "A lamp\u00a0: \u2068מנורה 2024!\u2069"


def test_the_first_of_a_month_and_days_and_times_alike() -> None:
    """`1er` in French, and one order of day and month in all that is English."""
    speech = {tag: words.Speech(tag, words.zone_of("UTC")) for tag in words.LANGUAGES}
    said = {
        tag: (one.whole_day("2026-02-01"), one.whole_day("2026-02-11"), one.instant(f"{day}Z"))
        for tag, one in speech.items()
        for day in ("2026-02-01T09:30:00",)
    }
    assert said["fr"][:2] == ("1er février 2026", "11 février 2026")
    assert said["fr"][2].startswith("1er février 2026 à 09:30 (temps universel")
    assert said["en"][:2] == ("1 February 2026", "11 February 2026")
    assert said["en"][2].startswith("1 February 2026, 09:30 (Coordinated")


@pytest.mark.parametrize(("reader", "word"), [(ANNA, "argent"), (BEN, "your money")])
def test_staff_are_not_told_of_money_of_theirs(reader: Reader, word: str) -> None:
    """What they cannot turn off is their work; whose money it is reads the other sentence."""
    refunds = (CauseKind.REFUND_FAILED, CauseKind.REFUND_RUN_FINISHED, CauseKind.STAGE_DUE)
    feet = {
        (kind, role): part(mail_of(letter(kind, reader, role=role)), "plain").rpartition("-- ")[2]
        for kind in refunds
        for role in roles_told(kind)
    }
    assert len(feet) == 6
    assert all((word in foot) is (role is not ToldAs.STAFF) for (_, role), foot in feet.items())


def test_staff_read_which_one_it_is() -> None:
    """A refund, a dispute, a claim: there are many, and the letter names the one."""
    kinds = (
        CauseKind.REFUND_FAILED,
        CauseKind.REFUND_BLOCKED,
        CauseKind.REFUND_REFUSED,
        CauseKind.DISPUTE_OPENED,
        CauseKind.DISPUTE_LOST,
        CauseKind.CLAIM_ESCALATED,
    )
    for kind in kinds:
        sample = SAMPLES[kind][0]
        (name,) = (one for one in ("refund_id", "dispute_id", "claim_id") if one in sample)
        text = part(mail_of(letter(kind, BEN, role=ToldAs.STAFF)), "plain")
        assert f"Reference: {sample[name]}" in text


@pytest.mark.parametrize("reader", [ANNA, BEN], ids=["fr", "en"])
def test_what_became_of_a_webhook_is_said_in_words(reader: Reader) -> None:
    """Each outcome has its own in the reader's language; none is the code's."""
    said = set()
    for content in SAMPLES[CauseKind.WEBHOOK_DISABLED]:
        one = letter(CauseKind.WEBHOOK_DISABLED, reader, content=content, role=ToldAs.OWNER)
        (line,) = re.findall(
            r"(?:Last answer|Dernière réponse)\u00a0?: (.*)", part(mail_of(one), "plain")
        )
        assert line.strip() not in {outcome.value for outcome in SendOutcome}
        said.add(line)
    assert len(said) == len(SendOutcome) - 1


@pytest.mark.parametrize("reader", [ANNA, BEN], ids=["fr", "en"])
def test_a_button_says_where_it_leads(reader: Reader) -> None:
    """To an update or to questions where the letter has their address; else one signs in."""
    for kind in CauseKind:
        for content, role in product(SAMPLES[kind], roles_told(kind)):
            html = part(mail_of(letter(kind, reader, content=content, role=role)), "html")
            buttons = re.findall(r'class="button"[^>]*><a href="([^"]*)"[^>]*>([^<]*)<', html)
            assert len(buttons) <= 1
            for address, label in buttons:
                home = address == f"{SENDER.platform_url}/"
                assert (label in ("Sign in", "Se connecter")) is home, (kind, address, label)


def test_a_silence_says_what_follows_from_it() -> None:
    """Once the stage is on hold nobody is warned that it will be; a lowered problem is lowered."""
    kind = CauseKind.SILENCE_STEP_REACHED
    for content in SAMPLES[kind]:
        mail = mail_of(letter(kind, BEN, content=content, role=ToldAs.CREATOR))
        warned = "After a longer silence" in part(mail, "plain")
        assert warned is (content["step"] in ("creator_reminded", "backers_may_ask"))
        assert "Nothing heard since: 1 January 2026" in part(mail, "plain")
    raised, lowered = (
        str(
            mail_of(letter(CauseKind.PROBLEM_GRADED, BEN, content=one, role=ToldAs.STAFF))[
                "Subject"
            ]
        )
        for one in SAMPLES[CauseKind.PROBLEM_GRADED]
    )
    assert "is now an emergency" in raised and "no longer an emergency" in lowered


@pytest.mark.parametrize(("reader", "word"), [(ANNA, "Urgence"), (BEN, "Emergency")])
def test_a_letter_of_an_emergency_says_that_it_is_one(reader: Reader, word: str) -> None:
    """In its subject, which is all that many read; no other update says so."""
    usual, *_, urgent = SAMPLES[CauseKind.UPDATE_PUBLISHED]
    for content, says in ((urgent, True), (usual, False)):
        mail = mail_of(letter(CauseKind.UPDATE_PUBLISHED, reader, content=content))
        assert str(mail["Subject"]).startswith(word) is says
        assert part(mail, "plain").count(word) == int(says)
        assert "The first hundred lamps glow" in str(mail["Subject"])


def test_who_is_told_that_no_plan_came_is_asked_for_nothing() -> None:
    """The day is the creator's, and over: to a backer it is no day to answer by."""
    kind = CauseKind.RECOVERY_PLAN_MISSING
    asked = part(mail_of(letter(CauseKind.RECOVERY_PLAN_REMINDER_DUE, BEN)), "plain")
    over = part(mail_of(letter(kind, BEN)), "plain")
    assert "To be published by" in asked and "It was due by" in over
    assert not any(words in over for words in ("Answer by", "To be published by"))


@pytest.mark.parametrize("kind", [CauseKind.SURVEY_OPENED, CauseKind.UPDATE_CORRECTED])
def test_a_letter_says_what_it_is_about(kind: CauseKind) -> None:
    """A project has many surveys and updates: the title stands there, in its own language."""
    content = SAMPLES[kind][0]
    title = content.get("title") or SAMPLES[CauseKind.UPDATE_PUBLISHED][0]["texts"][0]["title"]  # type: ignore[index]
    html = part(mail_of(letter(kind, ANNA)), "html")
    assert f'<strong dir="auto">{title}</strong>' in re.sub(r' style="[^"]*"', "", html)
    assert '<blockquote lang="en"' in html
    assert str(title) in part(mail_of(letter(kind, ANNA)), "plain")


def test_the_check_of_catalogues_bites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A template with a text that no catalogue knows is found."""
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "new.j2").write_text('{{ _("Never translated") }}')
    monkeypatch.setattr(words, "FOLDER", tmp_path)
    assert messages() == {"Never translated"}


def test_nothing_that_strangers_wrote_becomes_a_header_or_an_element() -> None:
    """Names, titles, excerpts and reasons are shown as they are, and do nothing."""
    stranger = Reader("p", "p@p.example", EVIL, "en", "Mars/Base")
    texts = [{"language": f'en" onload="x{EVIL}', "title": EVIL, "excerpt": EVIL}]
    contents: dict[CauseKind, dict[str, object]] = {
        CauseKind.UPDATE_PUBLISHED: {"texts": texts, "url": '//evil.example/\r\nX: y"><b>'},
        CauseKind.CAMPAIGN_CANCELLED: {"title": EVIL, "reason": EVIL},
        CauseKind.REFUND_SUCCEEDED: {"refund_id": EVIL, "amount": 1, "currency": "JPY"},
    }
    for kind, content in contents.items():
        mail = mail_of(letter(kind, stranger, content=content, campaign=EVIL))
        plain = mail_of(letter(kind))
        assert mail["Bcc"] is None and mail.keys() == plain.keys()
        assert [a.addr_spec for a in mail["To"].addresses] == ["p@p.example"]
        tags = Tags(part(mail, "html"))
        assert not tags.names & {"script", "img", "b"}
        assert not {name for name, _ in tags.attributes} & {"onerror", "onload"}
        links = [value for name, value in tags.attributes if name == "href"]
        assert all(str(one).startswith(("https://sosst.example/", "https://api.")) for one in links)


def test_nothing_is_loaded_and_nobody_is_followed() -> None:
    """No image, no script, no style from elsewhere: opening a mail tells nobody anything."""
    for kind in CauseKind:
        tags = Tags(part(mail_of(letter(kind)), "html"))
        assert not tags.names & {"img", "script", "link", "iframe", "object", "video"}
        assert not [v for n, v in tags.attributes if n == "src" or "url(" in (v or "")]


def test_a_letter_again_is_the_same_message() -> None:
    """Message-ID follows from the notification; mails of a project hang on one root."""
    first, again = (
        mail_of(letter(CauseKind.REFUND_FAILED)),
        mail_of(letter(CauseKind.REFUND_FAILED)),
    )
    update = mail_of(letter(CauseKind.UPDATE_PUBLISHED))
    bens = mail_of(letter(CauseKind.REFUND_FAILED, BEN))
    assert first["Message-ID"] == again["Message-ID"]
    assert len({first["Message-ID"], update["Message-ID"], bens["Message-ID"]}) == 3
    assert first["References"] == update["References"] == update["In-Reply-To"]


def test_who_may_unsubscribe_can_with_one_click() -> None:
    """RFC 8058 on what may be turned off; no such header on what concerns money."""
    update = mail_of(letter(CauseKind.UPDATE_PUBLISHED))
    link = update["List-Unsubscribe"].strip("<>")
    assert update["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert link.startswith("https://") and "of=anna" in link
    raw = letter_writer().write(letter(CauseKind.UPDATE_PUBLISHED)).content
    assert f"\nList-Unsubscribe: <{link}>\r\n".encode() in b"\n" + raw
    assert link in part(update, "plain") and link.replace("&", "&amp;") in part(update, "html")
    refund = mail_of(letter(CauseKind.REFUND_FAILED))
    assert refund["List-Unsubscribe"] is None


def test_readers_do_not_see_each_other() -> None:
    """Rendered once for many, with each one's own name and link."""
    writer = letter_writer()
    people = [Reader(f"p{n}", f"p{n}@p.example", f"Name{n} & Co", "en", "UTC") for n in range(3)]
    mails = [writer.write(letter(CauseKind.UPDATE_PUBLISHED, one)).content for one in people]
    for number, content in enumerate(mails):
        text = part(message_from_bytes(content, policy=default), "html")
        assert f"Name{number} &amp; Co" in text and f"of=p{number}" in text
        others = {0, 1, 2} - {number}
        assert not any(f"Name{other}" in text or f"of=p{other}&" in text for other in others)


def test_amounts_and_instants_as_the_reader_writes_them() -> None:
    """Two, none and three decimals; the reader's own zone; French and English marks."""
    due = CauseKind.PLEDGE_REMINDER_DUE
    french, english = (part(mail_of(letter(due, one)), "plain") for one in (ANNA, BEN))
    assert "49,50\u00a0€" in french and "8 mars 2026 à 23:30 (heure normale d’Europe" in french
    assert "€49.50" in english and "8 March 2026, 18:30 (Eastern" in english
    for amount, currency, shown in ((1999, "JPY", "¥1,999"), (1_999, "KWD", "KWD1.999")):
        content = {"refund_id": "r", "amount": amount, "currency": currency}
        mail = mail_of(letter(CauseKind.REFUND_SUCCEEDED, BEN, content=content))
        assert shown in mail["Subject"]


def test_an_update_is_quoted_in_the_language_that_the_reader_has() -> None:
    """The reader's own if it is there, else the first, marked with its language."""
    texts = [
        {"language": "de", "title": "Es leuchtet", "excerpt": "Hundert"},
        {"language": "fr-CA", "title": "Elle brille", "excerpt": "Cent"},
    ]
    for reader, title, tag in ((ANNA, "Elle brille", "fr-CA"), (BEN, "Es leuchtet", "de")):
        content = {"texts": texts, "url": "/u"}
        mail = mail_of(letter(CauseKind.UPDATE_PUBLISHED, reader, content=content))
        assert title in mail["Subject"]
        assert f'<blockquote lang="{tag}"' in part(mail, "html")


@pytest.mark.row("S3")
def test_an_update_without_words_is_quoted_by_its_title() -> None:
    """A letter of an image alone, or one for backers only: no empty line is quoted."""
    content = {"texts": [{"language": "en", "title": "It glows"}], "url": "/u"}
    mail = mail_of(letter(CauseKind.UPDATE_PUBLISHED, BEN, content=content))
    assert "It glows" in mail["Subject"]
    quote = part(mail, "html").partition("<blockquote")[2].partition("</blockquote>")[0]
    assert "It glows" in quote and "<p" not in quote
    quoted = [line for line in part(mail, "plain").splitlines() if line.startswith(">")]
    assert quoted == ["> It glows"]


@pytest.mark.parametrize(
    ("kind", "renderings"), [(CauseKind.UPDATE_PUBLISHED, 1), (CauseKind.CLAIMABLE_REMINDER_DUE, 3)]
)
def test_a_letter_is_rendered_once_for_whom_it_is_the_same(
    kind: CauseKind, renderings: int
) -> None:
    """For each zone only where it names a day or an hour."""
    inlines: list[str] = []

    def inline(html: str) -> str:
        inlines.append(html)
        return html

    writer = LetterWriter(SENDER, inline)
    zones = ["Europe/Paris", "America/New_York", "Asia/Tokyo"]
    for number in range(12):
        writer.write(letter(kind, replace(ANNA, person_id=str(number), zone=zones[number % 3])))
    assert len(inlines) == renderings


def test_endless_texts_are_shortened() -> None:
    """A reason of a megabyte makes no mail of a megabyte."""
    content = {"title": "x", "reason": "ü " * 500_000}
    written = letter_writer().write(letter(CauseKind.CAMPAIGN_CANCELLED, content=content))
    assert len(written.content) < BYTES_MAX
    endless = letter(CauseKind.REFUND_FAILED, campaign="x" * 200_000)
    with pytest.raises(LetterRefused):
        letter_writer().write(endless)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "nobody",
        "a b@c.example",
        "a@b@c.example",
        "a@c.example\r\nRCPT TO:<x@y.example>",
        "<a@c.example>",
        "é@c.example",
        "a..b@c.example",
        ".a@c.example",
        "a.@c.example",
        "a@" + "x" * 300,
        "a@exa mple.com",
    ],
)
def test_addresses_that_no_server_takes(address: str) -> None:
    """They are refused before anything is sent, under one word."""
    with pytest.raises(LetterRefused) as refused:
        usable_address(address)
    assert refused.value.reason == "no-address"


def test_domains_in_other_letters_are_written_as_servers_know_them() -> None:
    """IDNA for domains; the mailbox stays as it is."""
    assert usable_address(" Jean@été.example ") == "Jean@xn--t-9fab.example"


def test_a_signed_letter_can_be_verified_by_anybody() -> None:
    """DKIM over what readers see and may press; a changed header or link breaks it."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public = base64.b64encode(
        key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    )
    record = b"v=DKIM1; k=rsa; p=" + public
    asked: list[bytes] = []

    def published(name: bytes, timeout: int = 5) -> bytes:
        asked.append(name)
        return record

    writer = LetterWriter(SENDER, inlined, DkimSigner("sosst.example", "s1", private))
    content = writer.write(letter(CauseKind.UPDATE_PUBLISHED)).content
    assert content.startswith(b"DKIM-Signature:")
    assert dkim.verify(content, dnsfunc=published)
    assert asked == [b"s1._domainkey.sosst.example."]
    for part in (b"Subject: =?utf-8?", b"List-Unsubscribe: <https://", b"To: Anna"):
        assert part in content
        assert not dkim.verify(content.replace(part, part + b"x", 1), dnsfunc=published)


def test_openssl_signs_in_the_librarys_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library asks it for each signature, and it answers what the library would have."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    signer = DkimSigner("sosst.example", "s1", private)
    ours, asked = dkim.RSASSA_PKCS1_v1_5_sign, []

    def compared(hashed: Any, numbers: dict[str, int]) -> bytes:
        signed: bytes = ours(hashed, numbers)
        asked.append(signed == dkim.crypto.RSASSA_PKCS1_v1_5_sign(hashed, numbers))
        return signed

    monkeypatch.setattr(dkim, "RSASSA_PKCS1_v1_5_sign", compared)
    signer(letter_writer().write(letter(CauseKind.UPDATE_PUBLISHED)).content)
    assert asked == [True]
    assert ours is not dkim.crypto.RSASSA_PKCS1_v1_5_sign
