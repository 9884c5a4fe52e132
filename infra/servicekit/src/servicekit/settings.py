"""Settings from environment variables: typed, described, and refused when unknown or missing."""

import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PrivateAttr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode

from servicekit.auth import DEVELOPMENT_ISSUER
from servicekit.issuer_keys import REFRESH_SECONDS
from servicekit.kafka import KafkaSecurity
from servicekit.secret_files import FILE, SECRET, SecretFiles, all_of, first_line, values_of

EXIT_SETTINGS = 64
# What a setting that names a time counts in, by how its name ends.
_SECONDS_OF = {"_seconds": 1, "_days": 86_400}
TIME_YEARS_MAX = 100
_TIME_SECONDS_MAX = TIME_YEARS_MAX * 366 * 86_400


def _listed(given: object) -> object:
    if isinstance(given, str) and given:
        return [one.strip() for one in given.split(",")]
    return given or ()


# Of a field that holds several values: in the environment they stand with commas between them.
LISTED = (NoDecode, BeforeValidator(_listed))

Made = TypeVar("Made")


def made_of(secret: str, make: Callable[[list[str]], Made]) -> Made | None:
    """Return what a setting's secrets are for, None where it is empty."""
    return make(all_of(secret)) if secret else None


def makes(make: Callable[[list[str]], object]) -> AfterValidator:
    """Return a check of a field that holds secrets: that what they are for can be made of them.

    An empty one passes; where it may not be, the field has a `min_length`.
    """

    def check(secret: str) -> str:
        made_of(secret, make)
        return secret

    return AfterValidator(check)


class ServiceSettings(BaseSettings):
    """What every service needs; a service adds its own and sets `env_prefix`."""

    mode: Literal["production", "development"] = Field(
        "production", description="`development` also takes a development issuer and plain http."
    )
    mongodb_uri: str = Field(
        min_length=1,
        description="MongoDB connection string (replica set).",
        json_schema_extra=SECRET,
    )
    mongodb_database: str = Field(min_length=1, description="Name of this service's own database.")
    kafka_bootstrap_servers: str = Field(
        min_length=1, description="host:port[,host:port…] of the brokers."
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SASL_SSL"] = Field(
        "PLAINTEXT", description="How the brokers are reached; in production `SASL_SSL`."
    )
    kafka_sasl_mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256"] = Field(
        "SCRAM-SHA-512", description="How the user proves its password."
    )
    kafka_ca_file: str = Field(
        "", description="File of the authority (PEM) that signed the brokers' certificates."
    )
    kafka_user: str = Field("", description="This service's own user.", json_schema_extra=SECRET)
    kafka_password: str = Field(
        "", description="The user's password.", json_schema_extra=SECRET, validate_default=True
    )
    topic_prefix: str = Field(
        "", description="Put before topic and group names on a shared cluster."
    )
    instance_id: str = Field(
        min_length=1, description="Name of this instance, stable over restarts."
    )
    http_host: str = Field("127.0.0.1", description="Address to listen on, for both ports.")
    http_port: int = Field(description="Port of the API.")
    health_port: int = Field(description="Port of health and metrics.")
    otlp_endpoint: str = Field(
        "", description="OpenTelemetry collector (http://host:4318); empty: no traces are recorded."
    )
    topic_retry_seconds: float = Field(
        15.0, gt=0, description="Pause before a missing topic is asked for again."
    )
    outbox_pages: bool = Field(
        True,
        description="Facts of a transaction share documents of the outbox; `false` while a release "
        "runs, or may have to, that can read only one fact a document.",
    )
    auth_issuer: str = Field(min_length=1, description="`iss` of the bearer tokens that count.")
    auth_audience: str = Field(min_length=1, description="`aud` of the bearer tokens that count.")
    auth_jwks_url: str = Field(
        pattern=r"^https?://", description="Where the issuer publishes its keys (JWKS)."
    )
    auth_keys_seconds: float = Field(
        REFRESH_SECONDS,
        gt=0,
        le=45,
        description="Pause between two looks at those keys; so long a withdrawn one counts.",
    )

    _secret_files: SecretFiles = PrivateAttr(default_factory=SecretFiles)

    @property
    def secret_files(self) -> SecretFiles:
        """The files that secrets were read from."""
        return self._secret_files

    def kafka_security(self) -> KafkaSecurity | None:
        """Return how this service proves to the brokers who it is, None where nobody asks."""
        if self.kafka_security_protocol == "PLAINTEXT":
            return None
        return KafkaSecurity(
            user=first_line(self.kafka_user),
            password=first_line(self.kafka_password),
            ca_file=self.kafka_ca_file or None,
            mechanism=self.kafka_sasl_mechanism,
        )

    @field_validator("*")
    @classmethod
    def _ends_in_the_calendar(cls, given: Any, info: ValidationInfo) -> Any:
        """Refuse a time so long that what adds it to a date fails, when the service has begun."""
        for ending, seconds in _SECONDS_OF.items():
            if not (info.field_name or "").endswith(ending):
                continue
            for one in given if isinstance(given, tuple) else (given,):
                # Neither is what is no number at all as small as that.
                if isinstance(one, int | float) and not one * seconds <= _TIME_SECONDS_MAX:
                    raise ValueError(f"a time of {TIME_YEARS_MAX} years at most")
        return given

    @field_validator("kafka_password")
    @classmethod
    def _is_whole(cls, password: str, info: ValidationInfo) -> str:
        is_asked = info.data.get("kafka_security_protocol") == "SASL_SSL"
        if is_asked and not (password and info.data.get("kafka_user")):
            raise ValueError("SASL_SSL needs a user and a password")
        return password

    @field_validator("auth_issuer")
    @classmethod
    def _is_no_development_issuer(cls, issuer: str, info: ValidationInfo) -> str:
        if issuer == DEVELOPMENT_ISSUER and info.data.get("mode") != "development":
            raise ValueError("the development issuer is refused in production")
        return issuer

    @field_validator("auth_jwks_url")
    @classmethod
    def _is_fetched_safely(cls, url: str, info: ValidationInfo) -> str:
        if not url.startswith("https://") and info.data.get("mode") != "development":
            raise ValueError("keys must come by https in production")
        return url


S = TypeVar("S", bound=ServiceSettings)


class SettingsRefused(Exception):
    """The environment does not describe a service that can run; the message names the variable."""


def load_settings(settings_type: type[S], environment: Mapping[str, str] = os.environ) -> S:
    """Read the settings, or raise `SettingsRefused`.

    It names every variable that is missing; where none is, the first wrong one.
    """
    prefix = str(settings_type.model_config.get("env_prefix", ""))
    known = {prefix + name.upper() for name in settings_type.model_fields}
    secrets = {name: prefix + name.upper() for name in secret_fields(settings_type)}
    known |= {variable + FILE for variable in secrets.values()}
    given = {name for name in environment if name.upper().startswith(prefix)}
    for name in sorted(given - known):
        raise SettingsRefused(f"{name} is not a setting of this service")
    values: dict[str, Any] = {
        name: environment[prefix + name.upper()]
        for name in settings_type.model_fields
        if prefix + name.upper() in environment
    }
    files = SecretFiles()
    try:
        values |= values_of(secrets, environment, files)
    except ValueError as error:
        raise SettingsRefused(str(error)) from None
    try:
        settings = settings_type.model_validate(values)
        settings._secret_files = files
        return settings
    except ValidationError as error:
        missing = [one["loc"][0] for one in error.errors() if one["type"] == "missing"]
        if missing:
            names = ", ".join(prefix + str(name).upper() for name in missing)
            raise SettingsRefused(f"{names}: required") from None
        first = error.errors()[0]
        variable = prefix + str(first["loc"][0]).upper() if first["loc"] else prefix
        # The value is not repeated: it may be a secret.
        raise SettingsRefused(f"{variable}: {first['msg']}") from None


def secret_fields(settings_type: type[ServiceSettings]) -> list[str]:
    """Return the names of the fields that are secrets."""
    return [name for name, f in settings_type.model_fields.items() if f.json_schema_extra == SECRET]


def settings_or_exit(settings_type: type[S]) -> S:
    """Read the settings or end the process with exit code 64 and one line on standard error."""
    try:
        return load_settings(settings_type)
    except SettingsRefused as error:
        print(error, file=sys.stderr)
        raise SystemExit(EXIT_SETTINGS) from None


def settings_table(settings_type: type[ServiceSettings]) -> str:
    """Return the Markdown table of settings that stands in a service's README."""
    prefix = str(settings_type.model_config.get("env_prefix", ""))
    lines = ["| variable | default | meaning |", "|---|---|---|"]
    secrets = secret_fields(settings_type)
    for name, described in settings_type.model_fields.items():
        value = described.default
        shown = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        default = "required" if described.is_required() else f"`{shown}`"
        variable = f"`{prefix}{name.upper()}`" + (f" or `…{FILE}`" if name in secrets else "")
        lines.append(f"| {variable} | {default} | {described.description} |")
    return "\n".join(lines) + "\n"
