#!/usr/bin/env python3
"""`oncelog bench` measures each size at both levels beside its floor, and leaves nothing behind."""
import pathlib
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent / "support"))
from command import check, run, run_json, run_test  # noqa: E402


def check_times(times, bytes_max, batch_bytes):
    check(0 < times["calls"] * batch_bytes <= bytes_max + 4 * batch_bytes, times)
    check(0 < times["p50_ns"] <= times["p99_ns"] and times["mean_ns"] > 0, times)
    rate = batch_bytes / times["mean_ns"] * 1e9
    check(abs(times["bytes_per_second"] - rate) < rate * 1e-6, times)


def test(oncelog, folder):
    oncelog = str(pathlib.Path(oncelog).resolve())
    place = folder / "place"
    small = ["--seconds", 0.2, "--bytes", 1 << 18]
    rows = run_json(oncelog, "bench", place, *small, "--json")
    check([(row["batch_bytes"], row["level"]) for row in rows] ==
          [(size, level) for level in ("written", "durable") for size in (128, 1024, 16384)], rows)
    for row in rows:
        for side in ("append", "floor"):
            check_times(row[side], 1 << 18, row["batch_bytes"])
        ratio = row["append"]["mean_ns"] / row["floor"]["mean_ns"]
        check(abs(row["times_the_floor"] - ratio) < 1e-6 * ratio, row)
    check(not place.exists(), "the folder that it made is there still")

    place.mkdir()
    output, errors = run(oncelog, "bench", place, *small)
    check(len(output.splitlines()) == 7 and b"times the floor" in output and not errors, output)
    check(list(place.iterdir()) == [], "something is left in the folder")

    (place / "theirs").write_text("kept")
    _, errors = run(oncelog, "bench", place, status=5)
    check("is not empty" in errors, errors)
    check((place / "theirs").read_text() == "kept", "what was there has changed")
    run(oncelog, "bench", place / "theirs", status=3)
    run(oncelog, "bench", folder / "no" / "where", status=3)
    (place / "theirs").unlink()

    running = subprocess.Popen([oncelog, "bench", str(place), "--seconds", "30"],
                               stdout=subprocess.PIPE)
    while not list(place.iterdir()):
        time.sleep(0.01)
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=60)
    check(list(place.iterdir()) == [], "an interrupted run has left something")


run_test(test)
