"""Running the command, or a shell, at a terminal."""
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time

from command import ANSWER_SECONDS, check


class Terminal:
    """A program that has a terminal as its input, output and errors."""

    def __init__(self, command, columns=80, lines=25, environment=None):
        self.leader, follower = pty.openpty()
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        self.process = subprocess.Popen(
            command, stdin=follower, stdout=follower, stderr=follower, start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env={**os.environ, "TERM": "dumb", **(environment or {})})
        os.close(follower)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(timeout=ANSWER_SECONDS)
        os.close(self.leader)

    def send(self, text):
        os.write(self.leader, text.encode())

    def read(self, seconds):
        """What comes next: None if nothing does in time, empty once the other side is closed."""
        if not select.select([self.leader], [], [], seconds)[0]:
            return None
        try:
            return os.read(self.leader, 65536)
        except OSError:
            return b""

    def read_until(self, *texts, found=any):
        """All up to one of these texts, or with `found=all` up to the last of them."""
        seen = b""
        limit = time.monotonic() + ANSWER_SECONDS
        while not found(text.encode() in seen for text in texts):
            check(time.monotonic() < limit, "waited in vain for", texts, seen)
            more = self.read(1)
            check(more != b"", "it ended before", texts, seen)
            seen += more or b""
        return seen.decode(errors="replace")


def run_at_terminal(oncelog, *arguments, answer=None, status=0, columns=80, environment=None):
    """Runs a subcommand at a terminal, types `answer` once it asks, checks its exit status, and
    answers all that the terminal has seen."""
    command = [oncelog, *map(str, arguments)]
    with Terminal(command, columns=columns, environment=environment) as terminal:
        seen = b""
        end = time.monotonic() + ANSWER_SECONDS
        while (more := terminal.read(1)) != b"" and time.monotonic() < end:
            seen += more or b""
            if answer is not None and seen.endswith(b"[y/N] "):
                terminal.send(answer.decode() + "\n")
                answer = None
        terminal.process.wait(timeout=ANSWER_SECONDS)
    check(terminal.process.returncode == status, command[1:], "exited",
          terminal.process.returncode, "instead of", status, seen)
    return seen
