"""`python -m infra.kafka apply|rights`: print what differs from contracts/topics, or apply it."""

import argparse
import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from aiokafka.errors import KafkaError

from infra.kafka.apply import TopicsRefused, carry_out, carry_out_rights, plan, plan_rights
from infra.kafka.cluster import connect
from infra.kafka.difference import Change
from infra.kafka.rights import RightChange, read_rights
from infra.kafka.topics import FOLDER, MalformedTopicFile, read_topics, with_in_sync, with_prefix
from servicekit.kafka import KafkaSecurity

SERVERS_VARIABLE = "SOSST_KAFKA_BOOTSTRAP_SERVERS"
CA_VARIABLE = "SOSST_KAFKA_CA_FILE"
USER_VARIABLE = "SOSST_KAFKA_USER"
PASSWORD_VARIABLE = "SOSST_KAFKA_PASSWORD_FILE"
REFUSED = 1
DEPENDENCY_AWAY = 69


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line; a missing address is an error that names the variable."""
    parser = argparse.ArgumentParser(prog="python -m infra.kafka", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    topics = commands.add_parser("apply", help="topics")
    rights = commands.add_parser("rights", help="who may read and write which topic and group")
    for command in (topics, rights):
        command.add_argument("--yes", action="store_true", help="apply; without it only print")
        command.add_argument("--prefix", default="", help="put before every name")
        command.add_argument("--owner", help="only the topics, or rights, of this service")
        command.add_argument("--topics", type=Path, default=FOLDER, help="folder of topic files")
        command.add_argument("--bootstrap-servers", default=os.environ.get(SERVERS_VARIABLE))
    topics.add_argument("--replication-factor", type=int, help="default: as the brokers choose")
    topics.add_argument("--min-insync-replicas", type=int, help="default: as the brokers choose")
    rights.add_argument("--revoke", action="store_true", help="also take what no file gives")
    chosen = parser.parse_args(arguments)
    if not chosen.bootstrap_servers:
        parser.error(f"set {SERVERS_VARIABLE} or give --bootstrap-servers")
    return chosen


def administrator() -> KafkaSecurity | None:
    """Who applies: a user with its password in a file, or nobody in particular."""
    user, password = os.environ.get(USER_VARIABLE), os.environ.get(PASSWORD_VARIABLE)
    if not (user and password):
        return None
    return KafkaSecurity(user, Path(password).read_text().strip(), os.environ.get(CA_VARIABLE))


async def apply(chosen: argparse.Namespace) -> None:
    """Print how the topics differ and, if asked to, make them so."""
    named = with_prefix(read_topics(chosen.topics, chosen.owner), chosen.prefix)
    topics = with_in_sync(named, chosen.min_insync_replicas)
    if not topics:
        raise MalformedTopicFile(f"no topic file for owner {chosen.owner or 'any'}")
    async with connect(chosen.bootstrap_servers, administrator()) as cluster:
        changes = await plan(cluster, topics, chosen.replication_factor)

        async def make() -> None:
            await carry_out(cluster, changes, chosen.replication_factor)

        await _print_and_make(chosen, changes, make, f"{len(topics)} topics")


async def apply_rights(chosen: argparse.Namespace) -> None:
    """Print how the rights differ and, if asked to, make them so."""
    wanted = read_rights(chosen.topics, chosen.prefix, chosen.owner)
    if not wanted:
        raise MalformedTopicFile(f"no topic file gives {chosen.owner or 'anybody'} a right")
    async with connect(chosen.bootstrap_servers, administrator()) as cluster:
        changes = await plan_rights(cluster, wanted, revoke=chosen.revoke)

        async def make() -> None:
            await carry_out_rights(cluster, changes)

        await _print_and_make(chosen, changes, make, f"{len(wanted)} rights")


async def _print_and_make(
    chosen: argparse.Namespace,
    changes: Sequence[Change] | Sequence[RightChange],
    make: Callable[[], Awaitable[None]],
    all_of_them: str,
) -> None:
    for change in changes:
        print(change.text)
    if not changes:
        print(f"{all_of_them}, nothing to change")
    elif chosen.yes or any(change.refusal for change in changes):
        await make()
        print(f"{len(changes)} changes made")
    else:
        print("nothing was changed: --yes applies this")


COMMANDS = {"apply": apply, "rights": apply_rights}


def main(arguments: list[str]) -> int:
    """Run the command; 1 for a refusal, 69 for a broker that does not answer."""
    chosen = parse(arguments)
    try:
        asyncio.run(COMMANDS[chosen.command](chosen))
    except (TopicsRefused, MalformedTopicFile) as refusal:
        print(f"refused, nothing was changed:\n{refusal}", file=sys.stderr)
        return REFUSED
    except KafkaError as error:
        print(f"Kafka at {chosen.bootstrap_servers}: {error}", file=sys.stderr)
        return DEPENDENCY_AWAY
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
