"""`python -m infra.kafka apply`: print the difference to contracts/topics; `--yes` applies it."""

import argparse
import asyncio
import os
import sys
from pathlib import Path

from aiokafka.errors import KafkaError

from infra.kafka.apply import TopicsRefused, carry_out, plan
from infra.kafka.cluster import connect
from infra.kafka.topics import FOLDER, MalformedTopicFile, read_topics, with_in_sync, with_prefix

SERVERS_VARIABLE = "SOSST_KAFKA_BOOTSTRAP_SERVERS"
REFUSED = 1
DEPENDENCY_AWAY = 69


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line; a missing address is an error that names the variable."""
    parser = argparse.ArgumentParser(prog="python -m infra.kafka", description=__doc__)
    apply = parser.add_subparsers(dest="command", required=True).add_parser("apply")
    apply.add_argument("--yes", action="store_true", help="apply; without it only print")
    apply.add_argument("--prefix", default="", help="put before every topic's name")
    apply.add_argument("--owner", help="only the topics of this service")
    apply.add_argument("--topics", type=Path, default=FOLDER, help="folder of topic files")
    apply.add_argument("--replication-factor", type=int, help="default: as the brokers choose")
    apply.add_argument("--min-insync-replicas", type=int, help="default: as the brokers choose")
    apply.add_argument("--bootstrap-servers", default=os.environ.get(SERVERS_VARIABLE))
    chosen = parser.parse_args(arguments)
    if not chosen.bootstrap_servers:
        parser.error(f"set {SERVERS_VARIABLE} or give --bootstrap-servers")
    return chosen


async def apply(chosen: argparse.Namespace) -> None:
    """Print the difference and, if asked to, make it."""
    named = with_prefix(read_topics(chosen.topics, chosen.owner), chosen.prefix)
    topics = with_in_sync(named, chosen.min_insync_replicas)
    if not topics:
        raise MalformedTopicFile(f"no topic file for owner {chosen.owner or 'any'}")
    async with connect(chosen.bootstrap_servers) as cluster:
        changes = await plan(cluster, topics, chosen.replication_factor)
        for change in changes:
            print(change.text)
        if not changes:
            print(f"{len(topics)} topics, nothing to change")
        elif chosen.yes or any(change.refusal for change in changes):
            await carry_out(cluster, changes, chosen.replication_factor)
            print(f"{len(changes)} changes made")
        else:
            print("nothing was changed: --yes applies this")


def main(arguments: list[str]) -> int:
    """Run the command; 1 for a refusal, 69 for a broker that does not answer."""
    chosen = parse(arguments)
    try:
        asyncio.run(apply(chosen))
    except (TopicsRefused, MalformedTopicFile) as refusal:
        print(f"refused, nothing was changed:\n{refusal}", file=sys.stderr)
        return REFUSED
    except KafkaError as error:
        print(f"Kafka at {chosen.bootstrap_servers}: {error}", file=sys.stderr)
        return DEPENDENCY_AWAY
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
