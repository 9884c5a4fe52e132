"""An event that news carry, as a calendar takes it (RFC 5545)."""

from datetime import UTC, datetime

from updates.domain.kinds import Occurrence
from updates.domain.update import Update

LINE_OCTETS_MAX = 75


def calendar(update: Update, event: Occurrence) -> str:
    """Return the event of a published update; its instants are in UTC, as every calendar reads."""
    assert update.published_at is not None
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//SOSST//updates//EN",
        "BEGIN:VEVENT",
        f"UID:{update.campaign_id}/{update.update_id}@sosst",
        f"DTSTAMP:{_instant(update.published_at)}",
        f"DTSTART:{_instant(event.starts_at)}",
        f"DTEND:{_instant(event.ends_at)}",
        f"SUMMARY:{_text(update.content.texts[0].title)}",
        *([f"LOCATION:{_text(event.place)}"] if event.place else []),
        *([f"URL:{event.link}"] if event.link else []),
        "END:VEVENT",
        "END:VCALENDAR",
    ]
    return "".join(f"{_folded(line)}\r\n" for line in lines)


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")


def _text(words: str) -> str:
    """Escape what would end the text or begin another line."""
    escaped = words.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
    return "\\n".join(escaped.splitlines())


def _folded(line: str) -> str:
    """Break a long line between characters; a break is undone by whoever reads it."""
    parts, width = [""], 0
    for character in line:
        octets = len(character.encode())
        if width + octets > LINE_OCTETS_MAX:
            parts.append("")
            width = 1  # The space that goes before what is folded.
        parts[-1] += character
        width += octets
    return "\r\n ".join(parts)
