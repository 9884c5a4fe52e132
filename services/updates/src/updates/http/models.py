"""What goes in and out over HTTP: strict in, plain out."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from updates.domain.update import DETAILS_CHARACTERS_MAX, TITLE_CHARACTERS_MAX

Identifier = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9._:-]+$")]
Language = Annotated[str, Field(max_length=35, pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$")]


class Body(BaseModel):
    """A request: unknown members are refused, so that a typing error is not lost."""

    model_config = ConfigDict(extra="forbid")


class TextBody(Body):
    language: Language
    title: Annotated[str, Field(min_length=1, max_length=TITLE_CHARACTERS_MAX)]
    details: Annotated[str, Field(min_length=1, max_length=DETAILS_CHARACTERS_MAX)]


class DraftBody(Body):
    """A draft; details are Markdown. Its author is whoever the token names."""

    kind: Literal["progress_report"] = "progress_report"
    visibility: Literal["public", "backers"] = "public"
    texts: Annotated[list[TextBody], Field(min_length=1, max_length=20)]


class AudienceView(BaseModel):
    """Who is told: distinct backers as of a sequence of the pledges' topic."""

    pledges_sequence: int
    count: int


class UpdateView(BaseModel):
    campaign_id: str
    update_id: str
    author_id: str
    kind: str
    visibility: str
    texts: list[TextBody]
    state: str
    drafted_at: datetime
    published_at: datetime | None
    audience: AudienceView | None
    url: str


class UpdatePage(BaseModel):
    items: list[UpdateView]
    next_cursor: str | None


class AsOfView(BaseModel):
    """How far a topic is known here, and when its last fact happened."""

    sequence: int
    at: datetime


class FiguresView(BaseModel):
    """Minor units. raised and collected are funding's, refunded and paid payouts'.

    held is what was collected and is neither refunded, paid, charged back, nor taken as fees yet.
    """

    currency: str
    raised: int
    collected: int
    pledges: int
    refunded: int
    paid: int
    held: int
    fees: int
    charged_back: int


class ProjectView(BaseModel):
    campaign_id: str
    creator_id: str
    title: str
    goal: int
    deadline: datetime
    verdict: str | None
    backers: int
    figures: FiguresView
    as_of: dict[str, AsOfView]
    updates: list[UpdateView]
