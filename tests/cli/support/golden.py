"""Transcripts of a command, compared with committed ones."""
import pathlib
import shlex
import subprocess

from command import ANSWER_SECONDS, check

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "golden"


def transcript(oncelog, subcommand, arguments_of_each):
    text = ""
    for arguments in arguments_of_each:
        command = [oncelog, subcommand, *shlex.split(arguments)]
        done = subprocess.run(command, capture_output=True, timeout=ANSWER_SECONDS)
        text += f"$ oncelog {subcommand} {arguments}\n" + done.stdout.decode()
        errors = done.stderr.decode().splitlines()
        text += "".join(f"2> {line}\n" for line in errors) + f"exit {done.returncode}\n\n"
    return text


def compare_with_golden(name, seen, update):
    path = GOLDEN / f"{name}.txt"
    if update:
        path.write_text(seen)
    wanted = path.read_text()
    if seen == wanted:
        return
    lines = zip(seen.splitlines() + [""], wanted.splitlines() + [""])
    number, pair = next((n, pair) for n, pair in enumerate(lines, 1) if pair[0] != pair[1])
    check(False, f"{path.name}:{number}: printed\n ", pair[0], "\ninstead of\n ", pair[1])
