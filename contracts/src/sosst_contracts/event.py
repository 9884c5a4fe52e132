"""The base of all events, and the field types that they are made of."""

from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StringConstraints,
    ValidationInfo,
)
from pydantic_core import core_schema

from sosst_contracts.money import BASIS_POINTS, EXPONENTS, MAXIMUM_AMOUNT, UnknownCurrency

# Given as validation context when a record is read: readers are lenient where writers are strict.
READING = {"reading": True}
UNKNOWN = "unknown"
LARGEST_TOTAL = 2**53 - 1


class Part(BaseModel):
    """An object inside an event: strict types, unknown fields ignored, never changed."""

    model_config = ConfigDict(strict=True, frozen=True, extra="ignore", allow_inf_nan=False)


class Event(Part):
    """A past fact on one topic; a subclass is one major version of one event.

    `topic`, `name` and `version` ("major.minor") are the contract. `key_field` names the field
    that is the record's key. `sequenced` says whether facts carry a gap-free number per key.
    `about_fields` name the things within the key that a fact is about: two facts that share one
    are told apart from their neighbours of the same key by it (decision 0015). On a `compacted`
    topic the latest fact of a key says everything, and a record without a value erases it.
    """

    topic: ClassVar[str]
    name: ClassVar[str]
    version: ClassVar[str] = "1.0"
    key_field: ClassVar[str] = "campaign_id"
    sequenced: ClassVar[bool] = True
    about_fields: ClassVar[tuple[str, ...]] = ()
    compacted: ClassVar[bool] = False

    @classmethod
    @cache
    def owner(cls) -> str:
        """Return the service that alone produces the topic."""
        return cls.topic.split(".", 1)[0]

    @classmethod
    @cache
    def major(cls) -> int:
        return int(cls.version.split(".", 1)[0])

    @classmethod
    @cache
    def type_name(cls) -> str:
        """Return the wire name, such as `sosst.funding.verdict-reached.v1`."""
        return f"sosst.{cls.owner()}.{cls.name}.v{cls.major()}"

    @classmethod
    @cache
    def source(cls) -> str:
        return f"/sosst/{cls.owner()}"

    @classmethod
    @cache
    def schema_id(cls) -> str:
        """Return the `$id` of the frozen schema."""
        return f"urn:sosst:event:{cls.owner()}.{cls.name}:{cls.version}"

    @property
    def key(self) -> str:
        """Return the record's key."""
        return str(getattr(self, self.key_field))

    @property
    def things(self) -> tuple[tuple[str, str], ...]:
        """Return what the fact is about as (field, value), the key first."""
        key_field = self.key_field
        about = [(field, str(getattr(self, field))) for field in self.about_fields]
        return ((key_field, str(getattr(self, key_field))), *about)


class Vocabulary:
    """An open vocabulary: writers use these words, readers map any other to `unknown`.

    Used as `Annotated[str, Vocabulary("counted", "late")]`; a new word is a minor change.
    """

    def __init__(self, *words: str) -> None:
        self.words = words

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        return core_schema.with_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return handler(schema) | {"x-extensible-enum": list(self.words)}

    def _check(self, word: str, information: ValidationInfo) -> str:
        if word in self.words:
            return word
        if information.context is READING:
            return UNKNOWN
        raise ValueError(f"not one of {', '.join(self.words)}")


def _in_utc(instant: datetime) -> datetime:
    if instant.tzinfo is UTC:
        return instant
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise ValueError("outside the years 1 to 9999 in UTC") from None


def _known_currency(currency: str) -> str:
    if currency not in EXPONENTS:
        raise UnknownCurrency(f"unknown currency {currency!r}")
    return currency


def _of_a_whole(shares: list[int]) -> list[int]:
    if sum(shares) != BASIS_POINTS:
        raise ValueError(f"shares are {BASIS_POINTS} together, not {sum(shares)}")
    return shares


Identifier = Annotated[str, StringConstraints(min_length=1, max_length=200)]
# People are named by person id only; the schema says so for those who must know where they are.
Person = Annotated[Identifier, Field(json_schema_extra={"x-personal-data": "pseudonym"})]
# What says who or where a person is; only on restricted topics that can forget it.
PersonalText = Annotated[
    str,
    StringConstraints(min_length=1, max_length=320),
    Field(json_schema_extra={"x-personal-data": "personal"}),
]
Text = Annotated[str, StringConstraints(max_length=1_000)]
Title = Annotated[str, StringConstraints(min_length=1, max_length=140)]
Instant = Annotated[AwareDatetime, AfterValidator(_in_utc)]
Amount = Annotated[int, Field(ge=0, le=MAXIMUM_AMOUNT)]
Total = Annotated[int, Field(ge=0, le=LARGEST_TOTAL)]
Count = Annotated[int, Field(ge=0, le=LARGEST_TOTAL)]
Sequence = Annotated[int, Field(ge=0, le=LARGEST_TOTAL)]
BasisPoints = Annotated[int, Field(ge=0, le=BASIS_POINTS)]
StageShares = Annotated[
    list[BasisPoints], Field(min_length=3, max_length=3), AfterValidator(_of_a_whole)
]
Seconds = Annotated[int, Field(ge=0, le=LARGEST_TOTAL)]
Currency = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Z]{3}$"),
    AfterValidator(_known_currency),
]
