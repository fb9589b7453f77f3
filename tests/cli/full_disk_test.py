#!/usr/bin/env python3
"""A full disk refuses appends and loses nothing; with space again the log goes on. Needs a small
file system of its own: skipped (77) where none can be mounted."""
import pathlib
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent / "support"))
from command import Shell, check, join_lines, make_lines, run, run_test  # noqa: E402

SKIPPED = 77
DISK_BYTES = 8 << 20
FILLER_BYTES = 6 << 20


def shell_goes_on(oncelog, disk):
    filler = disk / "filler"
    filler.write_bytes(bytes(FILLER_BYTES))
    shell = Shell(oncelog, disk / "store")
    shell.ok("open", config={"segment.bytes": 600_000})
    value, stored, sequence = "v" * 50_000, [], 0
    while len(stored) < 1000:
        answer = shell.ask("append", pid=1, epoch=0, seq=sequence, records=[{"v": value}])
        if "error" in answer:
            break
        stored.append(answer["base"])
        sequence += 1
    check(answer.get("error") == "STORAGE_FULL", "a full disk answered", answer)
    check(10 < len(stored) < 60, "stored before it was full:", len(stored))
    shell.refused("STORAGE_FULL", "append", pid=1, epoch=0, seq=sequence, records=[{"v": value}])
    shell.ok("hw", to="end")
    check(len(shell.ok("consume", **{"from": 0})["records"]) == len(stored), "reads go on")

    filler.unlink()
    retry = shell.ok("append", pid=1, epoch=0, seq=sequence - 1, records=[{"v": value}])
    check(retry["duplicate"] is True, "a retry of the last stored batch", retry)
    more = shell.ok("append", pid=1, epoch=0, seq=sequence, records=[{"v": value}])
    check(more["base"] == len(stored) and more["duplicate"] is False, "with space again", more)
    shell.ok("flush")
    check(shell.ok("verify")["problems"] == [], "problems after a full disk")
    shell.end()

    shell = Shell(oncelog, disk / "store")
    reopened = shell.ok("open")
    check(reopened["end"] == len(stored) + 1 and not reopened["recovered"], "reopened", reopened)
    shell.end()


def produce_goes_on(oncelog, disk):
    filler = disk / "filler"
    filler.write_bytes(bytes(FILLER_BYTES))
    text = join_lines(make_lines(5, 40_000))
    lines = disk.parent / "lines.txt"
    lines.write_bytes(text)
    arguments = ["produce", disk / "lines", "t-0", lines, "--level", "written", "--txn-every", 300,
                 "--abort-every", 3, "--config", "segment.bytes=300000"]
    _, errors = run(oncelog, *arguments, status=3)
    check(errors.startswith("oncelog: STORAGE_FULL: "), "a full disk said", errors)
    filler.unlink()
    run(oncelog, *arguments)
    check(run(oncelog, "consume", disk / "lines", "t-0")[0] == text, "lines were lost or repeated")
    run(oncelog, "verify", disk / "lines", "t-0")


def test(oncelog, folder):
    disk = folder / "disk"
    for scene in (shell_goes_on, produce_goes_on):
        disk.mkdir(exist_ok=True)
        mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "oncelog-test", str(disk)]
        try:
            mounted = subprocess.run(mount, capture_output=True).returncode == 0
        except OSError:
            mounted = False
        if not mounted:
            print("no file system can be mounted here, skipped")
            return SKIPPED
        try:
            scene(oncelog, disk)
        finally:
            subprocess.run(["umount", str(disk)], check=True)


run_test(test)
