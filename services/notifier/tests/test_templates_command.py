"""`python -m notifier templates --to FOLDER`: every letter, to be opened and looked at."""

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from email import message_from_bytes
from email.policy import default
from html.parser import HTMLParser
from pathlib import Path

import pytest

from notifier.adapters.letters.samples import SAMPLES, roles_told
from notifier.adapters.letters.writer import BYTES_MAX
from notifier.commands import READERS
from notifier.domain.cause import CauseKind

# A service's own sender, without keys: no letter leads to the pages of one's own pledge.
MAIL = {
    "SMTP_HOST": "127.0.0.1",
    "MAIL_FROM": "lamps@ours.example",
    "PLATFORM_URL": "https://ours.example",
    "LINKS_URL": "https://api.ours.example",
    "MAIL_LINK_SECRETS": "0123456789abcdef",
}
# What is left of a word that was not given, of a template, or of a place in a translation.
NOT_WORDS = re.compile(r"%\(\w+\)s|\{[{%]|[%}]\}|\bNone\b|\b[Uu]ndefined\b|\bTrue\b|\bFalse\b")
# Elements that have no end.
VOID = frozenset({"br", "hr", "img", "meta", "link", "input"})


def run(folder: Path, settings: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, with nothing but these settings."""
    return subprocess.run(
        [sys.executable, "-m", "notifier", "templates", "--to", str(folder)],
        env={f"NOTIFIER_{name}": value for name, value in settings.items()},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the command writes of whoever sets nothing; the folder is made by it."""
    folder = tmp_path_factory.mktemp("letters") / "new"
    done = run(folder, {})
    assert done.returncode == 0, done.stderr
    assert str(folder) in done.stdout
    return folder


def letters() -> list[str]:
    """Return the name of every letter, without its language."""
    each = [
        f"{kind.value}-{number}.{role.value}"
        for kind in CauseKind
        for role in roles_told(kind)
        for number in range(1, len(SAMPLES[kind]) + 1)
    ]
    return [*each, "merged.backer"]


class Elements(HTMLParser):
    """Reads a page, and that each element ends where it should."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: set[str] = set()
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open and self.open.pop() == tag, f"</{tag}> ends something else"


def test_every_letter_is_there_in_every_language_and_nothing_else(folder: Path) -> None:
    """The mail and its two parts, for each kind, role and sample."""
    wanted = {
        f"{name}.{language}{suffix}"
        for name in letters()
        for language in READERS
        for suffix in (".eml", ".html", ".txt")
    }
    assert {one.name for one in folder.iterdir()} == wanted


def test_no_letter_lacks_a_word_and_none_is_large(folder: Path) -> None:
    """Nothing is empty, nothing stands for a word that is missing, each page is well formed."""
    for name in letters():
        for language in READERS:
            content = (folder / f"{name}.{language}.eml").read_bytes()
            subject = message_from_bytes(content, policy=default)["Subject"]
            page = (folder / f"{name}.{language}.html").read_text(encoding="utf-8")
            text = (folder / f"{name}.{language}.txt").read_text(encoding="utf-8")
            assert len(content) <= BYTES_MAX == 80_000, name
            for said in (subject, page, text):
                assert said.strip(), name
                assert NOT_WORDS.search(said) is None, (name, language, NOT_WORDS.search(said))
            elements = Elements(page)
            assert elements.open == [] and {"html", "body"} <= elements.names, name
            assert f'lang="{language}"' in page


def test_no_two_samples_of_a_kind_are_one_letter(folder: Path) -> None:
    """Each shows its own: one that was shown as another one would never be looked at."""
    for kind, samples in SAMPLES.items():
        for role in roles_told(kind):
            for language in READERS:
                names = [
                    f"{kind.value}-{number}.{role.value}.{language}.txt"
                    for number in range(1, len(samples) + 1)
                ]
                said = {(folder / name).read_text(encoding="utf-8") for name in names}
                assert len(said) == len(samples), (kind, role, language)


def test_the_texts_are_set_as_their_language_is(folder: Path) -> None:
    """A French colon has a space in front that never ends a line; no two empty lines anywhere."""
    for name in letters():
        for language in READERS:
            text = (folder / f"{name}.{language}.txt").read_text(encoding="utf-8")
            assert "\n\n\n" not in text, (name, language)
            own = [line for line in text.splitlines() if not line.startswith(">")]
            tight = [line for line in own if re.search(r"\S:(\s|$)", line)]
            loose = [line for line in own if re.search(r" [:;?!»]|« ", line)]
            assert language != "fr" or tight == loose == [], (name, tight, loose)


class Shown(HTMLParser):
    """Reads what somebody sees of a page, where its links lead, and what mail programs list."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.said: list[str] = []
        self.preview = ""
        self.links: list[dict[str, str | None]] = []
        self._inside = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        hidden = tag in ("style", "title") or given.get("class") == "preview"
        self._inside = tag if hidden else self._inside
        if tag == "a":
            self.links.append(given)

    def handle_endtag(self, tag: str) -> None:
        if tag == self._inside:
            self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "div":
            self.preview += data
        elif not self._inside:
            self.said.append(data)


def test_text_and_page_say_the_same(folder: Path) -> None:
    """Every word and every link of the one stands in the other, as often."""
    for name in letters():
        for language in READERS:
            text = (folder / f"{name}.{language}.txt").read_text(encoding="utf-8")
            shown = Shown((folder / f"{name}.{language}.html").read_text(encoding="utf-8"))
            said = " ".join([*shown.said, *(str(link["href"]) for link in shown.links)])
            words = [Counter(re.findall(r"\w+", one)) for one in (text, said)]
            assert words[0] == words[1], (name, language, words[0] - words[1], words[1] - words[0])


def test_a_list_of_mails_shows_what_a_letter_says(folder: Path) -> None:
    """Behind the subject comes its first sentence; not the title again, and the greeting."""
    for name in letters():
        for language in READERS:
            page = (folder / f"{name}.{language}.html").read_text(encoding="utf-8")
            text = (folder / f"{name}.{language}.txt").read_text(encoding="utf-8")
            said = text.partition(f"{READERS[language].name},\n\n")[2].replace("* ", "")
            assert Shown(page).preview.split()[:5] == said.split()[:5], name
            assert page.index('class="preview"') < page.index("<table")


def test_every_link_has_a_colour_of_ours(folder: Path) -> None:
    """On a dark page the blue of a mail program can hardly be read; the foot's are as its text."""
    for name in letters():
        page = (folder / f"{name}.fr.html").read_text(encoding="utf-8")
        links = Shown(page).links
        assert [one for one in links if "color:" not in str(one.get("style"))] == [], name
        dark = page.partition("prefers-color-scheme: dark")[2].partition("</style>")[0]
        assert all(f"{place} a" in dark for place in (".button", ".own", ".foot"))


def test_no_letter_is_in_the_other_language(folder: Path) -> None:
    """Subject, page and text of each differ: nothing was left untranslated as a whole."""
    for name in letters():
        french, english = (folder / f"{name}.{language}.eml" for language in ("fr", "en"))
        subjects = [
            message_from_bytes(one.read_bytes(), policy=default)["Subject"]
            for one in (french, english)
        ]
        assert subjects[0] != subjects[1], name
        for suffix in (".html", ".txt"):
            said = [
                (folder / f"{name}.{language}{suffix}").read_text(encoding="utf-8")
                for language in ("fr", "en")
            ]
            assert said[0] != said[1], name
        texts = [(folder / f"{name}.{language}.txt").read_text() for language in ("fr", "en")]
        assert "Bonjour" in texts[0] and "Bonjour" not in texts[1], name


def test_a_missing_word_would_be_found() -> None:
    """What a template leaves behind when something is missing is no word."""
    for left in ("%(amount)s", "{{ name }}", "{% if %}", "for None", "undefined"):
        assert NOT_WORDS.search(left)
    with pytest.raises(AssertionError):
        Elements("<p><b>x</p></b>")


def test_letters_are_those_of_the_service_where_its_settings_name_a_mail_server(
    folder: Path, tmp_path: Path
) -> None:
    """Its sender and links, from files too; nothing else of a service is asked for."""
    secrets = tmp_path / "secrets"
    secrets.write_text("0123456789abcdef")
    own = {name: value for name, value in MAIL.items() if name != "MAIL_LINK_SECRETS"}
    done = run(tmp_path / "own", own | {"MAIL_LINK_SECRETS_FILE": str(secrets)})
    assert done.returncode == 0, done.stderr
    name = "claim-answered-1.backer.en"
    letter = message_from_bytes((tmp_path / "own" / f"{name}.eml").read_bytes(), policy=default)
    assert "lamps@ours.example" in letter["From"]
    samples, ours = ((of / f"{name}.txt").read_text() for of in (folder, tmp_path / "own"))
    assert "https://api.ours.example/unsubscribe?" in ours
    assert "/personal?" in samples and "/personal?" not in ours


@pytest.mark.parametrize("missing", [name for name in MAIL if name != "SMTP_HOST"])
def test_a_server_without_its_sender_is_refused(tmp_path: Path, missing: str) -> None:
    """The command says which setting is missing, and leaves no folder."""
    done = run(tmp_path / "none", {name: one for name, one in MAIL.items() if name != missing})
    assert done.returncode == 64 and f"NOTIFIER_{missing}" in done.stderr
    assert not (tmp_path / "none").exists()
