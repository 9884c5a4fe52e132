"""What goes in and out over HTTP of webhook endpoints."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import AnyHttpUrl, BaseModel, ConfigDict, Field, UrlConstraints

from notifier.http.models import Identifier, Why
from servicekit.instants import Instant

Url = Annotated[AnyHttpUrl, UrlConstraints(max_length=2_000, host_required=True)]
Names = Annotated[list[Identifier], Field(min_length=1, max_length=1_000)]


class EndpointBody(BaseModel):
    """Where facts are posted, and which."""

    model_config = ConfigDict(extra="forbid")

    url: Url
    campaigns: Names | None = Field(None, description="Of these campaigns only; absent: of all.")
    types: Names | None = Field(None, description="Of these `ce_type` only; absent: of all.")
    begin: Literal["now", "beginning"] = Field(
        "now", description="Where a new endpoint begins; for a known one it changes nothing."
    )


class SecretView(BaseModel):
    """A secret as it is known afterwards: by its name."""

    secret_id: str
    made_at: datetime


class NewSecret(SecretView):
    """A secret, shown to who made it and for ten minutes: a lost answer is no lost secret."""

    secret: str | None = Field(description="In Standard Webhooks' form; null afterwards.")


class EndpointView(BaseModel):
    """An endpoint and how it does."""

    endpoint_id: str
    owner_id: str
    url: str
    campaigns: list[str] | None
    types: list[str] | None
    state: str
    disabled_because: str | None
    failing_since: datetime | None
    failures: int
    last_failure: str | None
    secrets: list[SecretView] = Field(description="All sign; the first is the newest.")
    secret: str | None = Field(description="The newest one, shown for ten minutes to who made it.")


class EndpointPage(BaseModel):
    items: list[EndpointView]
    next_cursor: str | None


class StateBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    enabled: bool
    why: Why


class CursorBody(BaseModel):
    """From where on everything is sent, again too."""

    model_config = ConfigDict(extra="forbid")

    begin: Literal["now", "beginning"] | Instant
    why: Why
