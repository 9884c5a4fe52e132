"""`python -m infra.story CAMPAIGN [--json]`."""

import argparse
import asyncio
import sys
from collections.abc import AsyncIterator

from aiokafka.errors import KafkaError
from pymongo.errors import PyMongoError

from infra.native import NativeStackError
from infra.story.facts import SilentBroker, read_facts
from infra.story.place import NothingThere, find_place
from infra.story.standing import kept_back, readers
from infra.story.waiting import waiting
from infra.story.words import Line, lines_of
from servicekit.errors import DependencyAway

EXIT_UNKNOWN = 1
EXIT_UNAVAILABLE = 69


class NeverHeardOf(Exception):
    """No topic has a fact of this campaign."""


def main(arguments: list[str]) -> int:
    """Print the story; 1 for a campaign that no topic knows, 69 where servers do not answer."""
    options = _options(arguments)
    try:
        asyncio.run(_tell(options.campaign, as_json=options.json))
    except NeverHeardOf as error:
        return _refuse(str(error), EXIT_UNKNOWN)
    except NothingThere as error:
        return _refuse(str(error), EXIT_UNAVAILABLE)
    except SilentBroker as error:
        return _refuse(str(error), EXIT_UNAVAILABLE)
    except DependencyAway:
        return _refuse("Kafka does not answer", EXIT_UNAVAILABLE)
    except KafkaError as error:
        return _refuse(f"Kafka does not answer: {type(error).__name__}", EXIT_UNAVAILABLE)
    except PyMongoError as error:
        # The words of the error hold addresses, which may hold passwords.
        return _refuse(f"MongoDB does not answer: {type(error).__name__}", EXIT_UNAVAILABLE)
    except NativeStackError as error:
        return _refuse(str(error), EXIT_UNAVAILABLE)
    except BrokenPipeError:
        return 0  # Somebody has seen enough.
    return 0


async def _tell(campaign_id: str, *, as_json: bool) -> None:
    place = await find_place()
    found = await read_facts(place, campaign_id)
    if not found.facts:
        raise NeverHeardOf(f"no topic has a fact of campaign {campaign_id!r}")
    for line in lines_of(found.facts):
        _print(line, as_json=as_json)
    if not as_json:
        print(f"\n{len(found.facts)} facts. Where it stands:")
    for topic in found.missing:
        _print(Line("missing", f"{topic} is not there", {"topic": topic}), as_json=as_json)
    parts: list[AsyncIterator[Line]] = [
        readers(place, found.facts),
        kept_back(place, campaign_id),
        waiting(place, campaign_id, await place.token()),
    ]
    for part in parts:
        async for line in part:
            _print(line, as_json=as_json)


def _print(line: Line, *, as_json: bool) -> None:
    print(line.as_json() if as_json else line.text, flush=True)


def _refuse(reason: str, status: int) -> int:
    print(reason, file=sys.stderr)
    return status


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m infra.story", description=__doc__)
    parser.add_argument("campaign", help="id of the campaign")
    parser.add_argument("--json", action="store_true", help="print JSON lines")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
