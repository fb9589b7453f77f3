"""Running the command at a terminal."""
import os
import pty
import select
import struct
import fcntl
import subprocess
import termios
import time

from command import ANSWER_SECONDS, check


def run_at_terminal(oncelog, *arguments, answer=None, status=0, columns=80, environment=None):
    """Runs a subcommand with a terminal as its input, output and errors, types `answer` once it
    asks, checks its exit status, and answers all that the terminal has seen."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 25, columns, 0, 0))
    command = [oncelog, *map(str, arguments)]
    process = subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower,
                               start_new_session=True, env={**os.environ, **(environment or {})})
    os.close(follower)
    seen = b""
    end = time.monotonic() + ANSWER_SECONDS
    while time.monotonic() < end:
        if not select.select([leader], [], [], 1)[0]:
            continue
        try:
            seen += os.read(leader, 65536)
        except OSError:  # the other side is closed
            break
        if answer is not None and seen.endswith(b"[y/N] "):
            os.write(leader, answer + b"\n")
            answer = None
    process.wait(timeout=ANSWER_SECONDS)
    os.close(leader)
    check(process.returncode == status, command[1:], "exited", process.returncode, "instead of",
          status, seen)
    return seen
