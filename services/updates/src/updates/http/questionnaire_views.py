"""From questionnaires to what people see, and back."""

import csv
import io
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime

from servicekit.problems import Problem
from updates.domain.address_export import AddressExport
from updates.domain.cells import inert
from updates.domain.questionnaire import Asked, Option, Questionnaire
from updates.handlers.questionnaires import Exported, ExportedReply, OwnReply
from updates.http.questionnaire_models import (
    AddressBody,
    ExportReadView,
    ExportView,
    OptionBody,
    QuestionnaireBody,
    QuestionnaireView,
    ReplyBody,
    ReplyView,
)
from updates.ports.questionnaires import Address, Words

_ADDRESS = ("name", "line 1", "line 2", "line 3", "line 4", "line 5", "postcode", "city")
_COUNTRY = ("region", "country", "telephone")
_LINES = 5


def unknown_questionnaire() -> Problem:
    return Problem(404, "questionnaire-unknown", "Nothing is asked for this reward")


def unknown_pledge() -> Problem:
    return Problem(404, "pledge-unknown", "There is no such pledge of yours")


def asked_from(body: QuestionnaireBody) -> Asked:
    options = tuple(Option(o.option_id, o.words, tuple(o.choices)) for o in body.options)
    return Asked(options, body.address)


def words_from(body: ReplyBody) -> Words:
    address = body.address
    if address is None:
        return Words(body.choices, None)
    fields = address.model_dump()
    return Words(body.choices, Address(**{**fields, "lines": tuple(address.lines)}))


def questionnaire_view(one: Questionnaire) -> QuestionnaireView:
    return QuestionnaireView(
        campaign_id=one.campaign_id,
        reward_id=one.reward_id,
        options=[_option_body(option) for option in one.asked.options],
        address=one.asked.address,
        written_at=one.written_at,
        closing_at=one.closing_at,
    )


def _option_body(option: Option) -> OptionBody:
    return OptionBody(option_id=option.option_id, words=option.words, choices=list(option.choices))


def reply_view(own: OwnReply, now: datetime) -> ReplyView:
    words = own.words
    address = words.address if words else None
    return ReplyView(
        reward_id=own.reply.reward_id,
        asked=questionnaire_view(own.questionnaire),
        choices=dict(words.choices) if words else None,
        address=AddressBody(**{**asdict(address), "lines": list(address.lines)})
        if address
        else None,
        replied_at=own.reply.replied_at,
        locks_at=own.reply.locks_at,
        locked=own.reply.is_locked(now),
        erased_at=own.reply.erased_at,
    )


def export_view(export: AddressExport) -> ExportView:
    return ExportView(
        export_id=export.export_id,
        pledges=list(export.pledges),
        reads=[ExportReadView(by=read.by, at=read.at) for read in export.reads],
    )


def export_lines(exported: Exported, now: datetime) -> Iterator[str]:
    """Return the lines of the file: a pledge each, no cell of which a spreadsheet computes."""
    asked = exported.questionnaire.asked
    address = [*_ADDRESS, *_COUNTRY] if asked.address else []
    options = [option.words for option in asked.options]
    yield _line(["pledge", "backer", "locked", *options, *address])
    for row in exported.rows:
        yield _line(_cells(row, asked, now))


def _cells(row: ExportedReply, asked: Asked, now: datetime) -> list[str]:
    words, reply = row.words, row.reply
    choices = words.choices if words else {}
    cells = [reply.pledge_id, reply.backer_id, "yes" if reply.is_locked(now) else "no"]
    cells += [choices.get(option.option_id, "") for option in asked.options]
    if asked.address:
        cells += _address_cells(words.address if words else None)
    return cells


def _address_cells(address: Address | None) -> list[str]:
    if address is None:
        return [""] * len((*_ADDRESS, *_COUNTRY))
    lines = [*address.lines, *[""] * _LINES][:_LINES]
    where = [address.postcode, address.city, address.region, address.country, address.telephone]
    return [address.name, *lines, *where]


def _line(cells: list[str]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow([inert(cell) for cell in cells])
    return line.getvalue()
