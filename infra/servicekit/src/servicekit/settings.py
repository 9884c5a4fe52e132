"""Settings from environment variables: typed, described, and refused when unknown or missing."""

import os
import sys
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

from pydantic import Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings

from servicekit.auth import DEVELOPMENT_ISSUER
from servicekit.issuer_keys import REFRESH_SECONDS

EXIT_SETTINGS = 64


class ServiceSettings(BaseSettings):
    """What every service needs; a service adds its own and sets `env_prefix`."""

    mode: Literal["production", "development"] = Field(
        "production", description="`development` also takes a development issuer and plain http."
    )
    mongodb_uri: str = Field(min_length=1, description="MongoDB connection string (replica set).")
    mongodb_database: str = Field(min_length=1, description="Name of this service's own database.")
    kafka_bootstrap_servers: str = Field(
        min_length=1, description="host:port[,host:port…] of the brokers."
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
    """Read the settings, or raise `SettingsRefused` naming the first wrong variable."""
    prefix = str(settings_type.model_config.get("env_prefix", ""))
    known = {prefix + name.upper() for name in settings_type.model_fields}
    given = {name for name in environment if name.upper().startswith(prefix)}
    for name in sorted(given - known):
        raise SettingsRefused(f"{name} is not a setting of this service")
    values: dict[str, Any] = {
        name: environment[prefix + name.upper()]
        for name in settings_type.model_fields
        if prefix + name.upper() in environment
    }
    try:
        return settings_type.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        variable = prefix + str(first["loc"][0]).upper() if first["loc"] else prefix
        # The value is not repeated: it may be a secret.
        raise SettingsRefused(f"{variable}: {first['msg']}") from None


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
    for name, described in settings_type.model_fields.items():
        default = "required" if described.is_required() else f"`{described.default}`"
        lines.append(f"| `{prefix}{name.upper()}` | {default} | {described.description} |")
    return "\n".join(lines) + "\n"
