"""Owns a stack and waits to be killed: `python -m infra.native.tests.owner STATE`."""

import sys
import threading
from pathlib import Path

from infra.native import NativeStack


def main() -> None:
    """Start from a thread that ends at once, print the servers' numbers, wait for ever."""
    stack = NativeStack(Path(sys.argv[1]))
    starter = threading.Thread(target=stack.start)
    starter.start()
    starter.join()
    for server in (stack.kafka, stack.mongodb):
        assert server.process is not None
        print(server.process.process_id, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
