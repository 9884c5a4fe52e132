"""Every environment variable of updates."""

from pydantic_settings import SettingsConfigDict

from servicekit.settings import ServiceSettings


class UpdatesSettings(ServiceSettings):
    """Variables are named `UPDATES_` and the field in capitals."""

    model_config = SettingsConfigDict(env_prefix="UPDATES_")
