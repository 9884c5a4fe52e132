"""Bring a cluster to what the topic files say; never narrower than it is."""

from collections.abc import Sequence

from infra.kafka import rights
from infra.kafka.cluster import Cluster, connect
from infra.kafka.difference import Change, differences
from infra.kafka.rights import Right, RightChange
from infra.kafka.topics import Topic, with_in_sync, with_prefix
from servicekit.kafka import KafkaSecurity


class TopicsRefused(Exception):
    """The difference contains a change that is never made; nothing was changed."""


async def plan(
    cluster: Cluster, topics: Sequence[Topic], copies: int | None = None
) -> list[Change]:
    """What would have to change on the cluster; `topics` have physical names."""
    wanted = list(topics)
    return differences(wanted, await cluster.present([topic.name for topic in wanted]), copies)


async def carry_out(cluster: Cluster, changes: Sequence[Change], copies: int | None = None) -> None:
    """Make all changes, or none if one of them is refused.

    Raises:
        TopicsRefused: one line per refused change.
        KafkaError: the broker refused; what was made before stays, and a second run goes on.
    """
    if refused := [f"{change.text} ({change.refusal})" for change in changes if change.refusal]:
        raise TopicsRefused("\n".join(refused))
    missing = [change.topic for change in changes if change.kind == "create"]
    if missing and (there := await cluster.create(missing, copies)):
        # Somebody else created them since we looked, and perhaps not as the files say.
        await carry_out(cluster, await plan(cluster, there, copies), copies)
    for change in changes:
        if change.kind == "settings":
            await _alter(cluster, change.topic)


async def ensure_topics(
    bootstrap_servers: str,
    topics: Sequence[Topic],
    prefix: str = "",
    *,
    replication_factor: int | None = None,
    min_insync_replicas: int | None = None,
    security: KafkaSecurity | None = None,
) -> None:
    """Make the topics exist as described, under their prefix; the same again changes nothing.

    Without a replication factor the brokers' own default counts: 1 on one node, 3 on three.

    Raises:
        TopicsRefused: a topic exists and only a narrowing change would make it as described.
        KafkaError: no broker answers, or it refuses.
    """
    async with connect(bootstrap_servers, security) as cluster:
        wanted = with_in_sync(with_prefix(topics, prefix), min_insync_replicas)
        changes = await plan(cluster, wanted, replication_factor)
        await carry_out(cluster, changes, replication_factor)


async def plan_rights(
    cluster: Cluster, wanted: Sequence[Right], *, revoke: bool
) -> list[RightChange]:
    """What would have to change in the rights of the users that `wanted` names, and of no other."""
    users = sorted({right.user for right in wanted})
    return rights.differences(wanted, await cluster.users.rights(users), revoke=revoke)


async def carry_out_rights(cluster: Cluster, changes: Sequence[RightChange]) -> None:
    """Make all changes, or none if one of them is refused.

    Raises:
        TopicsRefused: one line per refused change.
        KafkaError: the broker refused; what was made before stays, and a second run goes on.
    """
    if refused := [f"{change.text} ({change.refusal})" for change in changes if change.refusal]:
        raise TopicsRefused("\n".join(refused))
    for change in changes:
        await (cluster.users.give if change.gives else cluster.users.take)(change.right)


async def _alter(cluster: Cluster, topic: Topic) -> None:
    """The broker forgets every setting that is not sent: send those we do not manage, too."""
    present = (await cluster.present([topic.name]))[topic.name]
    await cluster.replace_settings(topic.name, {**present.settings, **dict(topic.settings)})
