#!/usr/bin/env python3
"""`oncelog report`: its page has the facts of the partition and nothing that leads elsewhere, names
cannot break out of their place, a million batches fit, its exit status is that of the others."""
import json
import pathlib
import re
import sys

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "support"))
from batches import KAFKA, batches_of, copy_partition, flip, write_long_log  # noqa: E402
from command import check, run, run_json, run_test  # noqa: E402

PAGE_BYTES_MAX = 2_000_000
DATA = re.compile(r'<script type="application/json" id="data">(.*?)</script>', re.DOTALL)


def data_of(page):
    found = DATA.findall(page)
    check(len(found) == 1, "the page has", len(found), "blocks of data")
    return json.loads(found[0])


def report(oncelog, *arguments, status=0):
    output, _ = run(oncelog, "report", *arguments, "-o", "-", status=status)
    page = output.decode()
    return page, data_of(page)["partitions"]


def test_facts(oncelog, folder):
    store = folder / "store"
    copy_partition("transactions", store / "orders-0")
    page, (partition,) = report(oncelog, store)
    why, = run_json(oncelog, "why-lso", store, "--json")
    check(partition["why"] == why["why"] and partition["bound"] == why["bound"], partition["why"])
    check(partition["remedy"].startswith("kafka-transactions.sh"), partition["remedy"])
    offsets = {"first_segment": 0, "log_start": 0, "last_stable_offset": 78, "high_watermark": 88,
               "high_watermark_known": False, "log_end": 88}
    check(partition["offsets"] == offsets, partition["offsets"])
    expected = json.loads((KAFKA / "transactions" / "expected.json").read_text())
    check(len(partition["cells"]) == len(expected["batches"]), len(partition["cells"]), "cells")
    bases, base = [], 0
    for cell in partition["cells"]:
        base += cell[0]
        bases.append(base)
    check(bases == [batch["base"] for batch in expected["batches"]], "bases", bases)
    check([one["base"] for one in partition["segments"]] == expected["segments"], "segments")
    txns = run_json(oncelog, "txns", store, "--json")
    listed = sorted((row["first_offset"], row["state"], row["pid"], row["marker_offset"])
                    for row in txns if row["first_offset"] is not None)
    drawn = [(one["first"], one["state"], one["pid"], one["marker"])
             for one in partition["transactions"]]
    check(drawn == listed, "transactions", drawn)
    check(partition["damages"] == [] and partition["problems"] == [], "damage in", partition)
    lanes = [lane["pid"] for lane in partition["lanes"]]
    check(lanes[:2] == [row["pid"] for row in txns if row["state"] == "open"], "lanes", lanes)
    return page


def test_self_contained(page):
    """No address, no element that loads, no code or style from elsewhere."""
    outside = [word for word in re.findall(r"[a-z]+://[^\s\"']*", page)
               if word != "http://www.w3.org/2000/svg"]  # the name of a name space
    check(outside == [], "the page names", outside)
    for pattern in [r"\bsrc\s*=", r"\bhref\s*=", r"@import", r"\burl\((?!#)", r"<link", r"<img",
                    r"\bfetch\(", r"XMLHttpRequest", r"innerHTML", r"document\.write"]:
        check(not re.search(pattern, page), "the page has", pattern)
    check("default-src 'none'" in page, "the page has no policy")


def test_names_stay_names(oncelog, folder):
    name = "<!--<script>'\"&\\u003c\x07é-0"
    directory = copy_partition("transactions", folder / name)
    page, (partition,) = report(oncelog, directory)
    check(partition["name"] == name, "the name became", partition["name"])
    check(page.count("<!--") == 1 and page.count("<script") == 2, "a name broke out of its place")
    check(name not in page, "the name is outside of the data")


def test_damage(oncelog, folder):
    directory = copy_partition("transactions", folder / "damaged-0")
    flip(directory / f"{0:020}.log", 500)
    _, errors = run(oncelog, "report", directory, "-o", folder / "damaged.html", status=1)
    check(errors.count("DAMAGE") == 1, errors)
    partition, = data_of((folder / "damaged.html").read_text())["partitions"]
    damage, = partition["damages"]
    check(damage["file"].endswith(f"{0:020}.log") and damage["begin"] < damage["end"], damage)
    check(partition["damage_count"] == 1 and partition["problems"] == [], partition["problems"])


def test_files_and_statuses(oncelog, folder):
    directory = copy_partition("transactions", folder / "plain-0")
    page = folder / "page.html"
    page.write_text("what was there before")
    run(oncelog, "report", directory, "-o", page)
    check("<!DOCTYPE html>" in page.read_text(), "the page was not replaced")
    left = [path.name for path in folder.iterdir() if path.name.endswith(".tmp")]
    check(left == [], "left behind:", left)
    run(oncelog, "report", directory, status=2)
    run(oncelog, "report", folder / "nothing", "-o", folder / "none.html", status=3)
    check(not (folder / "none.html").exists(), "a page of nothing was written")
    run(oncelog, "report", directory, "-o", folder / "no" / "folder.html", status=3)


def test_store(oncelog, folder):
    """Several partitions are on one page, also beside one that cannot be read."""
    store = folder / "several"
    for number in range(3):
        copy_partition("transactions", store / f"orders-{number}")
    (store / "empty-0").mkdir()
    listed = {row["partition"] for row in run_json(oncelog, "offsets", store, "--json", status=3)}
    _, partitions = report(oncelog, store, status=3)
    names = {one["name"] for one in partitions if "error" not in one}
    check(names == listed and len(names) == 3, names)
    _, (only,) = report(oncelog, store, "orders-1")
    check(only["name"] == "orders-1", only["name"])


def test_a_million_batches(oncelog, folder):
    patterns = batches_of(KAFKA / "transactions" / "data" / "t-0" / f"{0:020}.log")
    count = 1_000_000
    end = write_long_log(folder / "long" / "orders-0", patterns, count)
    page, (partition,) = report(oncelog, folder / "long")
    check(partition["offsets"]["log_end"] == end, partition["offsets"])
    check(len(page) < PAGE_BYTES_MAX, "the page has", len(page), "bytes")
    check(500 <= len(partition["cells"]) <= 1000, len(partition["cells"]), "cells")
    check(sum(cell[5] for cell in partition["cells"]) == count, "batches are missing")
    check(len(partition["transactions"]) <= 1500, len(partition["transactions"]))


def test(oncelog, folder):
    test_self_contained(test_facts(oncelog, folder))
    test_names_stay_names(oncelog, folder)
    test_damage(oncelog, folder)
    test_files_and_statuses(oncelog, folder)
    test_store(oncelog, folder)
    test_a_million_batches(oncelog, folder)


run_test(test)
