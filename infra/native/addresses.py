"""Where Kafka and MongoDB are: given by hand in the environment, or the native stack's own."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from infra.native.errors import NativeStackError

KAFKA_VARIABLE = "SOSST_KAFKA_BOOTSTRAP_SERVERS"
MONGODB_VARIABLE = "SOSST_MONGODB_URI"


@dataclass(frozen=True, slots=True)
class Addresses:
    """The two addresses every process of the suite needs."""

    kafka_bootstrap_servers: str
    mongodb_uri: str

    def exports(self) -> str:
        """The two shell lines that hand these addresses to another process."""
        return (
            f"export {KAFKA_VARIABLE}='{self.kafka_bootstrap_servers}'\n"
            f"export {MONGODB_VARIABLE}='{self.mongodb_uri}'"
        )


def given_addresses(environment: Mapping[str, str] = os.environ) -> Addresses | None:
    """The addresses given by hand, or None when there are none.

    One without the other is refused: half a stack of somebody else's and half of
    ours is more likely a typing mistake than a wish.
    """
    kafka, mongodb = environment.get(KAFKA_VARIABLE), environment.get(MONGODB_VARIABLE)
    if not kafka and not mongodb:
        return None
    if kafka and mongodb:
        return Addresses(kafka, mongodb)
    present, absent = (
        (KAFKA_VARIABLE, MONGODB_VARIABLE) if kafka else (MONGODB_VARIABLE, KAFKA_VARIABLE)
    )
    raise NativeStackError(f"{present} is set but {absent} is not: set both, or neither")
