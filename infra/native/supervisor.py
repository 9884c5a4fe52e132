"""Run one server that must not outlive the process that wanted it, not even its kill -9.

Run as `python supervisor.py LOCK_DESCRIPTOR COMMAND...`, with a pipe as standard input
whose writing end only the owner holds.

Why two mechanisms. The kernel closes the pipe when the owner dies, however it dies; the
supervisor sees the end of the pipe and kills the server. The supervisor could itself be
killed, so the server also asks the kernel to be killed with its parent (PR_SET_PDEATHSIG).
That alone would not do: it fires when the *thread* that started the process ends, and
owners start servers from worker threads; this program has one thread.
"""

import ctypes
import os
import select
import signal
import subprocess
import sys

PR_SET_PDEATHSIG = 1


def supervise(lock_descriptor: int, command: list[str]) -> int:
    """Print the server's process number, wait until it or the owner ends, return its status."""
    # Loaded before the fork: little is safe between fork and exec.
    library = ctypes.CDLL(None, use_errno=True)
    own_process_id = os.getpid()

    def die_with_supervisor() -> None:
        library.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != own_process_id:
            os._exit(1)

    server = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        pass_fds=(lock_descriptor,),
        preexec_fn=die_with_supervisor,  # noqa: PLW1509  This program has one thread.
    )
    # The lock must end with the server and not later.
    os.close(lock_descriptor)
    print(server.pid, flush=True)
    owner_pipe, server_handle = sys.stdin.fileno(), os.pidfd_open(server.pid)
    ended, _, _ = select.select([owner_pipe, server_handle], [], [])
    if owner_pipe in ended:
        server.kill()
    return server.wait()


if __name__ == "__main__":
    supervise(int(sys.argv[1]), sys.argv[2:])
