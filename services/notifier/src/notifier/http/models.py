"""What goes in and out over HTTP."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from servicekit.instants import Instant

Identifier = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9._:-]+$")]


class NotificationView(BaseModel):
    notification_id: str
    cause: str
    kind: str
    campaign_id: str
    at: datetime
    content: dict[str, object]
    read: bool
    reason_gone: bool = Field(description="Nothing is left to be done about it.")


class InboxPage(BaseModel):
    """Newest first; `read` follows a watermark that the person moves."""

    items: list[NotificationView]
    next_cursor: str | None
    read_until: datetime | None


class ReadBody(BaseModel):
    """Everything up to this instant is read."""

    model_config = ConfigDict(extra="forbid")

    up_to: Instant


class ReadView(BaseModel):
    read_until: datetime


class NoticeView(BaseModel):
    """Completeness: delivered + suppressed + failed + pending = audience + supplements."""

    cause: str
    kind: str
    campaign_id: str
    state: str
    pledges_sequence: int | None
    audience: int
    supplements: int
    delivered: int
    suppressed: int
    failed: int
    pending: int
    complete: bool


class NoticeList(BaseModel):
    items: list[NoticeView]
