"""Every environment variable of notifier."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from servicekit.settings import ServiceSettings


class NotifierSettings(ServiceSettings):
    """Variables are named `NOTIFIER_` and the field in capitals."""

    model_config = SettingsConfigDict(env_prefix="NOTIFIER_")

    notifications_partitions: int = Field(
        24, gt=0, description="Partitions of `notifier.notifications`; never changes (events.md 3)."
    )
    lease_seconds: int = Field(10, gt=0, description="How long claimed chunks are ours.")
    chunks_at_once: int = Field(4, gt=0, description="Chunks of a thousand told in one send.")
