"""Routes of what people want to be told, by which rhythm, and what of ended campaigns."""

from datetime import time
from typing import Annotated

from fastapi import FastAPI
from pydantic import BaseModel, ConfigDict, Field, WithJsonSchema, model_validator

from notifier.domain.audience import Consent
from notifier.domain.cause import CauseKind
from notifier.domain.routing import Frequency, Mute, Preferences, QuietHours
from notifier.http.callers import PERSON, unknown_person
from notifier.http.models import Identifier
from notifier.http.paths import CampaignId, PersonId
from notifier.ports.unit import NotifierUnit
from servicekit.access import Guard
from servicekit.problems import Problem
from servicekit.units import UnitsOfWork

MUTES_MAX = 500


# JSON Schema's own `time` has a zone, and this one has none: the person's may change.
_CLOCK = {"type": "string", "pattern": r"^[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?$"}
LocalTime = Annotated[time, WithJsonSchema(_CLOCK)]


class MuteBody(BaseModel):
    """A project, a kind, or a kind in a project."""

    model_config = ConfigDict(extra="forbid")

    campaign_id: Identifier | None = None
    kind: CauseKind | None = None

    @model_validator(mode="after")
    def _names_something(self) -> "MuteBody":
        if self.campaign_id is None and self.kind is None:
            raise ValueError("name a project, a kind, or both")
        return self


class QuietBody(BaseModel):
    """By the clock of the person's zone."""

    model_config = ConfigDict(extra="forbid")

    begin: LocalTime
    end: LocalTime

    @model_validator(mode="after")
    def _is_a_clock(self) -> "QuietBody":
        if self.begin.tzinfo or self.end.tzinfo or self.begin == self.end:
            raise ValueError("two different times of the day, without a zone")
        return self


class PreferencesBody(BaseModel):
    """All that a person asks for; what is left out is as for everybody.

    Emergencies and what concerns one's own money come whatever stands here.
    """

    model_config = ConfigDict(extra="forbid")

    mutes: list[MuteBody] = Field(default=[], max_length=MUTES_MAX)
    digest: Frequency = Field(
        Frequency.AT_ONCE, description="At once, each day at 8:00, each Monday at 8:00, local time."
    )
    quiet: QuietBody | None = None


class ConsentBody(BaseModel):
    """What a backer wants to hear of a campaign that ended without its goal."""

    model_config = ConfigDict(extra="forbid")

    choice: Consent


def add_preference_routes(api: FastAPI, guard: Guard, units: UnitsOfWork[NotifierUnit]) -> None:
    """Add them."""
    own = [guard.allow(PERSON, unknown=unknown_person)]

    @api.get("/people/{person_id}/preferences", dependencies=own)
    async def read_preferences(person_id: PersonId) -> PreferencesBody:
        """Show what the person asked for."""
        known = await units.run(lambda unit: unit.preferences.load([person_id]))
        return _body(known.get(person_id, Preferences()))

    @api.put("/people/{person_id}/preferences", dependencies=own)
    async def ask_for(person_id: PersonId, body: PreferencesBody) -> PreferencesBody:
        """Ask for this and nothing else; it holds from the next message on."""
        asked = _preferences(body)
        await units.run(lambda unit: unit.preferences.save(person_id, asked))
        return _body(asked)

    @api.get("/people/{person_id}/consents/{campaign_id}", dependencies=own)
    async def read_consent(person_id: PersonId, campaign_id: CampaignId) -> ConsentBody:
        """Show what the person wants to hear of the campaign once it has ended."""
        choice = await units.run(lambda unit: unit.consents.of(campaign_id, person_id))
        return ConsentBody(choice=choice)

    @api.put("/people/{person_id}/consents/{campaign_id}", dependencies=own)
    async def consent(
        person_id: PersonId, campaign_id: CampaignId, body: ConsentBody
    ) -> ConsentBody:
        """Choose what to hear of an ended campaign; only its backers are asked."""

        async def work(unit: NotifierUnit) -> None:
            if not await unit.memberships.has_backed(campaign_id, person_id):
                raise _unknown_campaign()
            await unit.consents.choose(campaign_id, person_id, body.choice)

        await units.run(work)
        return body


def _preferences(body: PreferencesBody) -> Preferences:
    mutes = dict.fromkeys(Mute(one.campaign_id, one.kind) for one in body.mutes)
    quiet = QuietHours(body.quiet.begin, body.quiet.end) if body.quiet else None
    return Preferences(tuple(mutes), body.digest, quiet)


def _body(preferences: Preferences) -> PreferencesBody:
    quiet = preferences.quiet
    return PreferencesBody(
        mutes=[MuteBody(campaign_id=one.campaign_id, kind=one.kind) for one in preferences.mutes],
        digest=preferences.digest,
        quiet=QuietBody(begin=quiet.begin, end=quiet.end) if quiet else None,
    )


def _unknown_campaign() -> Problem:
    title = "This person backs no such campaign"
    detail = "check its id; only who has backed a campaign chooses what to hear of its end"
    return Problem(404, "campaign-unknown", title, detail)
