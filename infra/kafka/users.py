"""Users and rights on a cluster: the requests that aiokafka has no method for.

They are Kafka's own protocol (DescribeAcls 29, CreateAcls 30, DeleteAcls 31, and 51,
AlterUserScramCredentials, which aiokafka does not know and which is therefore described here).
"""

import hashlib
import secrets
from collections.abc import Sequence

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError, for_code
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    CompactArray,
    CompactBytes,
    CompactString,
    Int8,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

from infra.kafka.rights import Right

# Kafka's numbers (org.apache.kafka.common.acl and .resource); 1 stands for "any" in a filter.
ANY = 1
RESOURCES = {2: "topic", 3: "group", 4: "cluster", 5: "transactional-id", 6: "delegation-token"}
OPERATIONS = {
    2: "all",
    3: "read",
    4: "write",
    5: "create",
    6: "delete",
    7: "alter",
    8: "describe",
    9: "cluster-action",
    10: "describe-configs",
    11: "alter-configs",
    12: "idempotent-write",
}
PATTERNS = {3: "literal", 4: "prefixed"}
PERMISSIONS = {2: "deny", 3: "allow"}
PRINCIPAL = "User:"
SCRAM_SHA_512, ITERATIONS = 2, 4096


class AlterUserScramCredentialsResponse(Response):  # type: ignore[misc]
    API_KEY = 51
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "results",
            CompactArray(
                ("user", CompactString("utf-8")),
                ("error_code", Int16),
                ("error_message", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class AlterUserScramCredentialsStruct(RequestStruct):  # type: ignore[misc]
    API_KEY = 51
    API_VERSION = 0
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = AlterUserScramCredentialsResponse
    SCHEMA = Schema(
        (
            "deletions",
            CompactArray(
                ("name", CompactString("utf-8")), ("mechanism", Int8), ("tags", TaggedFields)
            ),
        ),
        (
            "upsertions",
            CompactArray(
                ("name", CompactString("utf-8")),
                ("mechanism", Int8),
                ("iterations", Int32),
                ("salt", CompactBytes),
                ("salted_password", CompactBytes),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class AlterUserScramCredentials(Request[AlterUserScramCredentialsStruct]):  # type: ignore[misc]
    """Give a user this password; the broker never sees it, only what is derived from it."""

    API_KEY = 51

    def __init__(self, user: str, password: str) -> None:
        self._user = user
        self._password = password

    def build(
        self, request_struct_class: type[AlterUserScramCredentialsStruct]
    ) -> AlterUserScramCredentialsStruct:
        salt = secrets.token_bytes(24)
        salted = hashlib.pbkdf2_hmac("sha512", self._password.encode(), salt, ITERATIONS)
        entry: tuple[object, ...] = (self._user, SCRAM_SHA_512, ITERATIONS, salt, salted, {})
        return request_struct_class([], [entry], {})


class ClusterUsers:
    """Users and their rights. Every method raises KafkaError when the broker refuses."""

    def __init__(self, admin: AIOKafkaAdminClient) -> None:
        self._admin = admin

    async def set_password(self, user: str, password: str) -> None:
        """Make the user, or change its password (SCRAM-SHA-512)."""
        request = AlterUserScramCredentials(user, password)
        for _, code, message, _ in (await self._admin._send_to_controller(request)).results:
            _check(code, f"password of {user}", message)

    async def rights(self, users: Sequence[str]) -> list[Right]:
        """Everything that is allowed or denied to these users by name."""
        found: list[Right] = []
        for user in users:
            request = DescribeAclsRequest(ANY, None, ANY, PRINCIPAL + user, None, ANY, ANY)
            answer = await self._admin._send_to_controller(request)
            _check(answer.error_code, f"rights of {user}", answer.error_message)
            for resource, name, pattern, acls in answer.resources:
                found += [
                    Right(
                        user,
                        RESOURCES.get(resource, str(resource)),
                        name,
                        OPERATIONS.get(operation, str(operation)),
                        PATTERNS.get(pattern, str(pattern)),
                        host,
                        PERMISSIONS.get(permission, str(permission)),
                    )
                    for _, host, operation, permission in acls
                ]
        return sorted(found)

    async def give(self, right: Right) -> None:
        """Allow this."""
        answer = await self._admin._send_to_controller(CreateAclsRequest(*_numbers(right)))
        for code, message in answer.creation_responses:
            _check(code, f"give {right}", message)

    async def take(self, right: Right) -> None:
        """Delete exactly this."""
        answer = await self._admin._send_to_controller(DeleteAclsRequest(*_numbers(right)))
        for code, message, _ in answer.filter_responses:
            _check(code, f"take {right}", message)


def _numbers(right: Right) -> tuple[int, str, int, str, str, int, int]:
    """The right as all three requests take it."""
    return (
        _number(RESOURCES, right.resource),
        right.name,
        _number(PATTERNS, right.pattern),
        PRINCIPAL + right.user,
        right.host,
        _number(OPERATIONS, right.operation),
        _number(PERMISSIONS, right.permission),
    )


def _number(names: dict[int, str], name: str) -> int:
    return next((number for number, known in names.items() if known == name), 0) or int(name)


def _check(code: int, action: str, message: str | None) -> None:
    if code:
        error: type[KafkaError] = for_code(code)
        raise error(f"{action}: {message}")
