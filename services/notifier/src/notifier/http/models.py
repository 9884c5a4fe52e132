"""What goes in and out over HTTP."""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from servicekit.instants import Instant

Identifier = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9._:-]+$")]
Why = Annotated[str, Field(min_length=1, max_length=500, description="For the audit record.")]


class NotificationView(BaseModel):
    notification_id: str
    cause: str
    kind: str
    campaign_id: str
    at: datetime
    content: dict[str, object]
    read: bool
    reason_gone: bool = Field(description="Nothing is left to be done about it.")
    not_mailed: str | None = Field(
        description="Why its mail did not come, where it is decisive and was not read yet."
    )
    hidden: bool = Field(
        description="Staff hid the update: `content` quotes nothing of it while they do."
    )


class MailStopped(BaseModel):
    """Why mails do not reach this person; `until` null: until they give another address."""

    reason: str
    until: datetime | None


class InboxPage(BaseModel):
    """Newest first; `read` follows a watermark that the person moves.

    What the person hid is left out, so that a page may hold fewer than asked for.
    """

    items: list[NotificationView]
    next_cursor: str | None
    read_until: datetime | None
    unread: int = Field(description="How many are not read, up to 100; hidden ones do not count.")
    mail_stopped: MailStopped | None = Field(description="Null where nothing speaks against mail.")
    pinned: list[NotificationView] = Field(
        description="On the first page: what is decisive, was not read, and did not come by mail."
    )


class ReadBody(BaseModel):
    """Everything up to this instant is read."""

    model_config = ConfigDict(extra="forbid")

    up_to: Instant


class HiddenView(BaseModel):
    notification_id: str
    hidden: bool


class ReadView(BaseModel):
    read_until: datetime


class RoleView(BaseModel):
    """Those who are told of a cause in another role than a backer's; the same figures."""

    role: str
    audience: int
    delivered: int
    suppressed: int
    pending: int
    complete: bool


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
    others: list[RoleView] = Field(description="Creator, staff and followers, each with figures.")


class NoticeList(BaseModel):
    items: list[NoticeView]
    next_cursor: str | None
