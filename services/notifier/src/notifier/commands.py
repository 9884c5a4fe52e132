"""What notifier can be asked on the command line beyond what every service can."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from email import message_from_bytes
from email.policy import default
from pathlib import Path

from notifier.domain.cause import CauseKind, Told
from notifier.domain.kind import ToldAs, may_be_muted
from notifier.domain.notification import notification_id
from notifier.ports.email import Letter, Letters, Reader

CAMPAIGN = "sun-lamp"
READERS = {
    "fr": Reader("backer-1", "camille@example.org", "Camille", "fr", "Europe/Paris"),
    "en": Reader("backer-2", "robin@example.org", "Robin", "en", "Europe/London"),
}

# What one mail holds where these come in a burst.
MERGED = (CauseKind.UPDATE_PUBLISHED, CauseKind.SURVEY_OPENED, CauseKind.DELIVERY_CHANGED)


def describe_templates(parser: ArgumentParser) -> None:
    parser.add_argument("--to", type=Path, required=True, metavar="FOLDER", help="where to")


Samples = Mapping[CauseKind, Sequence[Mapping[str, object]]]


def perform_templates(
    arguments: Namespace,
    letters: Letters,
    samples: Samples,
    roles: Callable[[CauseKind], Sequence[ToldAs]],
    now: datetime,
) -> int:
    """Write every letter in every language: the mail, and its two parts to look at."""
    folder: Path = arguments.to
    folder.mkdir(parents=True, exist_ok=True)
    written = 0
    for kind, role in [(one, role) for one in CauseKind for role in roles(one)]:
        for number, content in enumerate(samples.get(kind, ({},)), start=1):
            for language in READERS:
                # Each under a name of its own: a writer says the same of the same cause.
                told = Told(kind, f"{CAMPAIGN}-{number}", CAMPAIGN, now, content)
                path = folder / f"{kind.value}-{number}.{role.value}.{language}"
                _write(path, told, role, language, letters, now)
                written += 1
    for language in READERS:
        first, *others = [_told(kind, samples, now) for kind in MERGED]
        path = folder / f"merged.{ToldAs.BACKER.value}.{language}"
        _write(path, first, ToldAs.BACKER, language, letters, now, tuple(others))
        written += 1
    print(f"{written} letters in {folder}")
    return 0


def _told(kind: CauseKind, samples: Samples, now: datetime) -> Told:
    return Told(kind, CAMPAIGN, CAMPAIGN, now, samples.get(kind, ({},))[0])


def _write(
    path: Path,
    told: Told,
    role: ToldAs,
    language: str,
    letters: Letters,
    now: datetime,
    others: tuple[Told, ...] = (),
) -> None:
    reader = READERS[language]
    letter = Letter(
        told=told,
        campaign="Sun lamp",
        notification_id=notification_id(told.cause, now, reader.person_id),
        reader=reader,
        return_path="bounce@example.org",
        written_at=now,
        may_be_muted=may_be_muted(told, role),
        role=role,
        others=others,
    )
    content = letters.write(letter).content
    mail = message_from_bytes(content, policy=default)
    path.with_suffix(f"{path.suffix}.eml").write_bytes(content)
    for kind, suffix in (("html", ".html"), ("plain", ".txt")):
        part = mail.get_body((kind,))
        assert part is not None, "every letter has both parts"
        path.with_suffix(path.suffix + suffix).write_text(part.get_content(), encoding="utf-8")
