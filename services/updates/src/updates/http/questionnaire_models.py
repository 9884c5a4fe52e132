"""What goes in and out about reward questionnaires over HTTP."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field, StrictStr

from updates.domain.questionnaire import CHOICES_MAX, OPTIONS_MAX, WORDS_MAX
from updates.http.models import Body, Identifier

Choice = Annotated[StrictStr, Field(min_length=1, max_length=WORDS_MAX)]
Line = Annotated[StrictStr, Field(max_length=WORDS_MAX, pattern=r"^[^\x00-\x1f\x7f]*$")]
FilledLine = Annotated[Line, Field(min_length=1)]


class OptionBody(Body):
    """A question with its choices, such as a size."""

    option_id: Identifier
    words: Annotated[str, Field(min_length=1, max_length=WORDS_MAX)]
    choices: Annotated[list[Choice], Field(min_length=1, max_length=CHOICES_MAX)]


class QuestionnaireBody(Body):
    """What is asked of whoever gets the reward."""

    options: Annotated[list[OptionBody], Field(max_length=OPTIONS_MAX, default_factory=list)]
    address: bool = True


class QuestionnaireView(BaseModel):
    """`closing_at` is when the last notice was begun; each backer has its time from being told."""

    campaign_id: str
    reward_id: str
    options: list[OptionBody]
    address: bool
    written_at: datetime
    closing_at: datetime | None


class QuestionnairePage(BaseModel):
    items: list[QuestionnaireView]


class AddressBody(Body):
    """Where the reward is sent: the lines as they stand on the parcel."""

    name: FilledLine
    lines: Annotated[list[FilledLine], Field(min_length=1, max_length=5)]
    postcode: Line = ""
    city: FilledLine
    region: Line = ""
    country: Annotated[StrictStr, Field(pattern=r"^[A-Z]{2}$", description="ISO 3166-1 alpha-2.")]
    telephone: Line = ""


class ReplyBody(Body):
    """One of its choices for each option, and the address where one is asked."""

    choices: Annotated[
        dict[Identifier, Choice], Field(max_length=OPTIONS_MAX, default_factory=dict)
    ]
    address: AddressBody | None = None


class ReplyView(BaseModel):
    """One's own reply, and until when it can be changed."""

    reward_id: str
    asked: QuestionnaireView
    choices: dict[str, str] | None
    address: AddressBody | None
    replied_at: datetime | None
    locks_at: datetime | None
    locked: bool
    erased_at: datetime | None


class ExportReadView(BaseModel):
    by: str
    at: datetime


class ExportView(BaseModel):
    """Who took which replies, and when."""

    export_id: str
    pledges: list[str]
    reads: list[ExportReadView]


class ExportPage(BaseModel):
    items: list[ExportView]
    next_cursor: str | None
