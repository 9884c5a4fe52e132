"""Routes of who people are: told by the platform or by themselves, and erased."""

from datetime import datetime
from typing import Annotated

from fastapi import FastAPI
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from notifier.domain.person import Person, PersonRole, zone_named
from notifier.handlers.people import erase_person, take_descriptions, take_own_description
from notifier.http.callers import PERSON, unknown_person
from notifier.http.paths import PersonId
from notifier.ports.unit import NotifierUnit
from servicekit.access import Guard
from servicekit.auth import Principal, Role
from servicekit.clock import Clock
from servicekit.instants import Instant
from servicekit.problems import Problem
from servicekit.units import UnitsOfWork

Language = Annotated[str, Field(max_length=35, pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$")]
# A line break in an address or a name would be a header of its own in a mail.
Address = Annotated[str, Field(max_length=320, pattern=r"^[^\s@<>,;]+@[^\s@<>,;]+$")]
DisplayName = Annotated[str, Field(min_length=1, max_length=140, pattern=r"^[^\x00-\x1f\x7f]+$")]


def _is_a_zone(zone: str) -> str:
    if zone_named(zone) is None:
        raise ValueError("no IANA zone has this name")
    return zone


Zone = Annotated[str, Field(max_length=64, description="IANA name."), AfterValidator(_is_a_zone)]


class PersonBody(BaseModel):
    """How a person is described, whole: what is left out is not known any more."""

    model_config = ConfigDict(extra="forbid")

    address: Address | None = None
    display_name: DisplayName | None = None
    language: Language
    zone: Zone
    roles: list[PersonRole] | None = Field(
        None, max_length=10, description="Only said by the platform; people keep what they are."
    )
    described_at: Instant | None = Field(
        None, description="When it became so; an earlier one replaces nothing. Absent: now."
    )


class PersonView(BaseModel):
    person_id: str
    address: str | None
    display_name: str | None
    language: str
    zone: str
    roles: list[PersonRole]
    described_at: datetime


class ErasedView(BaseModel):
    """Nothing is left but that there was this person."""

    person_id: str
    erased: bool = True


def add_people_routes(
    api: FastAPI, guard: Guard, units: UnitsOfWork[NotifierUnit], clock: Clock
) -> None:
    """Add them."""
    own = guard.allow(Role.SERVICE, PERSON, unknown=unknown_person)

    @api.put("/people/{person_id}")
    async def describe_person(
        caller: Annotated[Principal, own], person_id: PersonId, body: PersonBody
    ) -> PersonView:
        """Say who a person is; the same again, or an older word, changes nothing."""
        told = _person(person_id, body, clock.now())
        if Role.SERVICE in caller.roles:

            async def work(unit: NotifierUnit) -> Person:
                await take_descriptions(unit, [told])
                return (await unit.people.load([person_id]))[person_id]

            return _view(await units.run(work))
        if body.roles is not None:
            title = "What somebody is, is said by the platform"
            raise Problem(403, "roles-are-told", title, "leave out `roles`; they stay as they are")
        return _view(await units.run(lambda unit: take_own_description(unit, told)))

    @api.get("/people/{person_id}", dependencies=[own])
    async def read_person(person_id: PersonId) -> PersonView:
        """Show who a person is."""
        known = await units.run(lambda unit: unit.people.load([person_id]))
        person = known.get(person_id)
        if person is None or person.erased:
            raise unknown_person()
        return _view(person)

    @api.delete("/people/{person_id}", dependencies=[own])
    async def forget_person(person_id: PersonId) -> ErasedView:
        """Erase address, name and what was told to this person alone; the counts stay."""
        await units.run(lambda unit: erase_person(unit, person_id, clock.now()))
        return ErasedView(person_id=person_id)


def _person(person_id: str, body: PersonBody, now: datetime) -> Person:
    return Person(
        person_id=person_id,
        described_at=body.described_at or now,
        address=body.address,
        display_name=body.display_name,
        language=body.language,
        zone=body.zone,
        roles=frozenset(body.roles or ()),
    )


def _view(person: Person) -> PersonView:
    return PersonView(
        person_id=person.person_id,
        address=person.address,
        display_name=person.display_name,
        language=person.language,
        zone=person.zone,
        roles=sorted(person.roles),
        described_at=person.described_at,
    )
