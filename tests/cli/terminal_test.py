#!/usr/bin/env python3
"""At a terminal tables fit its width and damage is red, but for NO_COLOR; in a pipe they are whole
and plain."""
import pathlib
import shutil
import sys

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "support"))
from command import check, run, run_test  # noqa: E402
from terminal import run_at_terminal  # noqa: E402

RED = b"\x1b[31m"


def test(oncelog, folder):
    oncelog = str(pathlib.Path(oncelog).resolve())
    sound = folder / "sound"
    shutil.copytree(HERE.parent / "interop" / "golden" / "codecs" / "data", sound)
    whole, _ = run(oncelog, "find", sound)
    check("\u2026" not in whole.decode(), "cut in a pipe")
    widest = max(map(len, whole.decode().splitlines()))
    for columns in (200, 100, 80):
        seen = run_at_terminal(oncelog, "find", sound, columns=columns).decode()
        lines = [line.rstrip("\r") for line in seen.splitlines()]
        check(len(lines) == len(whole.splitlines()), "another number of rows")
        check(max(map(len, lines)) <= columns, columns, "columns:", max(lines, key=len))
        check(("\u2026" in seen) == (widest > columns), columns, "of", widest)

    damaged = folder / "damaged"
    shutil.copytree(sound, damaged)
    log = sorted((damaged / "t-0").glob("*.log"))[0]
    data = bytearray(log.read_bytes())
    data[100] ^= 1
    log.write_bytes(data)
    for subcommand, arguments in (("verify", ["t-0"]), ("offsets", []), ("repair", ["--dry-run"])):
        command = [subcommand, damaged, *arguments]
        seen = run_at_terminal(oncelog, *command, status=1)
        check(RED in seen, subcommand, "has nothing red", seen)
        plain = run_at_terminal(oncelog, *command, status=1, environment={"NO_COLOR": "1"})
        check(b"\x1b" not in plain, subcommand, "with NO_COLOR", plain)
        output, errors = run(oncelog, *command, status=1)
        check(b"\x1b" not in output and "\x1b" not in errors, subcommand, "in a pipe")


run_test(test)
