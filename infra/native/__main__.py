"""`python -m infra.native up|down|status|wipe`: one detached stack in the state folder."""

import argparse
import sys

from infra.native.addresses import Addresses, given_addresses
from infra.native.errors import NativeStackError
from infra.native.stack import NativeStack

NOT_RUNNING = 3


def up(stack: NativeStack) -> int:
    """Start what does not run yet and print the addresses as shell lines."""
    print(stack.start_missing().exports())
    return 0


def down(stack: NativeStack) -> int:
    """Stop all servers and keep their data."""
    stack.stop()
    return 0


def status(stack: NativeStack) -> int:
    """One line per server, then the addresses; 3 if one of them does not run."""
    for server in stack.servers:
        state = f"process {server.process.process_id}" if server.process else "not running"
        print(f"# {server.name}: {state}, log {server.log}")
    if not all(server.process for server in stack.servers):
        return NOT_RUNNING
    print(stack.addresses.exports())
    return 0


def wipe(stack: NativeStack) -> int:
    """Stop all servers and delete their data."""
    stack.wipe()
    return 0


COMMANDS = {"up": up, "down": down, "status": status, "wipe": wipe}


def _print_given(addresses: Addresses) -> int:
    print("# given in the environment; the native stack is not used")
    print(addresses.exports())
    return 0


def main(arguments: list[str]) -> int:
    """Run one command; a refusal is one message and exit status 1."""
    parser = argparse.ArgumentParser(prog="python -m infra.native", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, command in COMMANDS.items():
        commands.add_parser(name, help=command.__doc__)
    chosen = parser.parse_args(arguments).command
    try:
        given = given_addresses()
        if given is not None and chosen in ("up", "status"):
            return _print_given(given)
        return COMMANDS[chosen](NativeStack(detached=True))
    except NativeStackError as refusal:
        print(f"infra.native: {refusal}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
