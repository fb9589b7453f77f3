"""What the tests of the oncelog command share: running it, driving its shell, making lines."""
import json
import pathlib
import random
import subprocess
import sys
import time

ANSWER_SECONDS = 60


class Failed(Exception):
    """A test's expectation does not hold; the text says which."""


def check(condition, *what):
    if not condition:
        raise Failed(" ".join(str(part) for part in what))


def run_test(test):
    """Calls test(oncelog, folder) with the arguments of this script and exits as CTest expects."""
    if len(sys.argv) != 3:
        print(f"usage: {sys.argv[0]} ONCELOG EMPTY_FOLDER", file=sys.stderr)
        sys.exit(2)
    try:
        outcome = test(sys.argv[1], pathlib.Path(sys.argv[2]))
    except Failed as reason:
        print(f"FAILED: {reason}", file=sys.stderr)
        sys.exit(1)
    sys.exit(outcome or 0)


def run(oncelog, *arguments, status=0, given=b""):
    """Runs a subcommand to its end, checks its exit status, answers its output and its errors."""
    command = [oncelog, *map(str, arguments)]
    done = subprocess.run(command, input=given, capture_output=True, timeout=ANSWER_SECONDS)
    check(done.returncode == status, command[1:], "exited", done.returncode, "instead of", status,
          done.stderr.decode(errors="replace"))
    return done.stdout, done.stderr.decode(errors="replace")


def run_json(oncelog, *arguments, status=0):
    """The JSON lines that a subcommand prints."""
    output, _ = run(oncelog, *arguments, status=status)
    return [json.loads(line) for line in output.splitlines()]


def state(folder):
    """Every file below a folder: its bytes and when it was last written."""
    return {path: (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
            for path in sorted(folder.rglob("*"))}


def make_lines(seed, count):
    """Lines of many lengths, some empty, some not UTF-8, none with a line end inside."""
    chance = random.Random(seed)
    letters = bytes(range(32, 127)) + bytes(range(160, 255))
    lines = []
    for number in range(count):
        length = chance.choice([0, 1, 10, 40, 80, 200])
        body = bytes(chance.choice(letters) for _ in range(length))
        lines.append(b"" if length == 0 else b"%d %s" % (number, body))
    return lines


def join_lines(lines):
    return b"".join(line + b"\n" for line in lines)


def wait_until(condition, what, seconds=ANSWER_SECONDS):
    end = time.monotonic() + seconds
    while not condition():
        check(time.monotonic() < end, "waited in vain:", what)
        time.sleep(0.005)


class Shell:
    """`oncelog shell` on a store directory."""

    def __init__(self, oncelog, store):
        self.process = subprocess.Popen([oncelog, "shell", str(store)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def send(self, line):
        """Sends one line as it is and answers what comes back, parsed."""
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        check(answer.endswith(b"\n"), "the shell ended at", line[:200])
        return json.loads(answer)

    def ask(self, op, **fields):
        return self.send(json.dumps({"op": op, **fields}).encode())

    def ok(self, op, **fields):
        answer = self.ask(op, **fields)
        check(answer.get("ok") is True, op, fields, "answered", answer)
        return answer

    def refused(self, name, op, **fields):
        answer = self.ask(op, **fields)
        check(answer.get("error") == name, op, fields, "answered", answer, "instead of", name)
        check(isinstance(answer.get("message"), str), "no message in", answer)
        return answer["message"]

    def end(self):
        """End of input: a clean close."""
        _, errors = self.process.communicate(timeout=ANSWER_SECONDS)
        check(self.process.returncode == 0, "the shell exited", self.process.returncode, errors)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
