"""Real Apache Kafka and real MongoDB without containers, for development and tests only."""

from infra.native.addresses import Addresses, given_addresses
from infra.native.errors import NativeStackError
from infra.native.stack import NativeStack

__all__ = ["Addresses", "NativeStack", "NativeStackError", "given_addresses"]
