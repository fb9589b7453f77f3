#!/usr/bin/env python3
"""The page of `oncelog report` in a headless Chromium: what it draws, what it says under the
pointer and under the keys, that it asks the network for nothing, that a full page is drawn at once.

To take the picture of the README anew:

    tests/cli/report_page_test.py --picture tools/oncelog/report_page.png \\
        build/dev/tools/oncelog /tmp/empty-folder
"""
import base64
import json
import pathlib
import re
import sys

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "support"))
from batches import KAFKA, batches_of, copy_partition, flip, write_long_log  # noqa: E402
from browser import Browser, find_browser  # noqa: E402
from command import check, run, run_json, run_test  # noqa: E402

SKIPPED = 77
DRAW_MS_MAX = 5000  # a machine that runs all tests at once; alone it is some 20 ms
PICTURE = None
if "--picture" in sys.argv:
    at = sys.argv.index("--picture")
    PICTURE = pathlib.Path(sys.argv[at + 1]).resolve()
    del sys.argv[at:at + 2]

NOW = 1700009999999  # hours behind the newest record of the golden directories


def open_report(browser, oncelog, path, page, *flags, status=0, fragment=""):
    run(oncelog, "report", path, "-o", page, *flags, status=status)
    browser.open(page, fragment)
    browser.wait_for("document.documentElement.dataset.drawn")


def count(browser, selector):
    return browser.evaluate(f"document.querySelectorAll({json.dumps(selector)}).length")


def text(browser, selector):
    return browser.evaluate(f"document.querySelector({json.dumps(selector)}).textContent")


def middle(browser, selector):
    """Of an element, scrolled into view."""
    return browser.evaluate(f"""(() => {{
      const element = document.querySelector({json.dumps(selector)});
      element.scrollIntoView({{block: "center"}});
      const box = element.getBoundingClientRect();
      return {{x: box.x + box.width / 2, y: box.y + box.height / 2}};
    }})()""")


def facts_at(browser, selector):
    browser.mouse("mouseMoved", **middle(browser, selector))
    browser.wait_for("!document.getElementById('facts').hidden")
    return text(browser, "#facts")


def shown_range(browser):
    return [int(number) for number in re.findall(r"\d+", text(browser, "#range"))]


def wait_for_range(browser, before):
    browser.wait_for(f"document.getElementById('range').textContent !== {json.dumps(before)}")
    return shown_range(browser)


def test_stuck(browser, oncelog, folder):
    """A partition with open transactions: why readers are stuck is said, drawn and tabled."""
    store = folder / "stuck"
    copy_partition("transactions", store / "orders-0")
    open_report(browser, oncelog, store, folder / "stuck.html", "--now", NOW)
    why, = run_json(oncelog, "why-lso", store, "--now", NOW, "--json")
    verdict = text(browser, "#verdict")
    check("hanging transaction" in verdict and why["why"] in verdict, verdict)
    check("kafka-transactions.sh" in text(browser, "#verdict code"), "no remedy")
    check(text(browser, "title") == "orders-0 - oncelog report", text(browser, "title"))

    listed = run_json(oncelog, "txns", store, "--json")
    for state in ["open", "committed", "aborted"]:
        wanted = sum(row["state"] == state and row["first_offset"] is not None for row in listed)
        check(count(browser, f"#map .bar.{state}") == wanted, state, "bars are not", wanted)
    check(count(browser, "#map path.marker") > 0, "no markers")
    check(count(browser, "#map .segment") == 6, "segments")
    check(count(browser, "#map path.cells") == 1 + len({row["pid"] for row in listed} | {2005, -1}),
          count(browser, "#map path.cells"), "lanes")
    columns = browser.evaluate("+document.querySelector('#map path.cells').dataset.columns")
    check(columns > 30, "only", columns, "columns of batches")
    ends = browser.evaluate(
        "[...document.querySelectorAll('#map .end-line')].map((line) => line.dataset.offset)")
    check(sorted(ends) == ["0", "78", "88"], "ends at", ends)
    check(count(browser, "#map .held") == 1 and count(browser, "#map .damage") == 0, "held, damage")
    check(count(browser, "#open tr.hanging") == 2, "rows of hanging transactions")
    check(browser.evaluate("document.getElementById('damage-section').hidden"), "damage is shown")


def test_facts(browser):
    facts = facts_at(browser, "#map .bar.open")
    check("Transaction, hanging" in facts and "2002" in facts, facts)
    check("open for2h" in facts, facts)
    facts = facts_at(browser, "#map .segment")
    check("1 segment" in facts and "00000000000000000000.log" in facts, facts)
    browser.mouse("mouseMoved", x=2, y=2)
    browser.wait_for("document.getElementById('facts').hidden")

    # The same by keys.
    browser.evaluate("document.getElementById('map').focus()")
    browser.key("Home")
    facts = text(browser, "#spoken")
    check("Batch" in facts and "producer 2001" in facts and "position 0," in facts, facts)
    browser.key("ArrowRight")
    check("kind commit marker" in text(browser, "#spoken"), text(browser, "#spoken"))
    browser.key("ArrowDown")
    check("producer 2002" in text(browser, "#spoken"), text(browser, "#spoken"))
    browser.key("Escape")
    check(browser.evaluate("document.getElementById('facts').hidden"), "Escape")


def test_zoom(browser):
    whole = text(browser, "#range")
    browser.evaluate("document.getElementById('zoom-held').click()")
    begin, end = wait_for_range(browser, whole)
    check(70 < begin <= 78 and end >= 88, "the held part is", begin, end)
    held = text(browser, "#range")
    browser.key("0")
    wait_for_range(browser, held)
    check(text(browser, "#range") == whole, "0 shows", text(browser, "#range"))

    place = middle(browser, "#map path.cells")
    browser.mouse("mouseWheel", **place, deltaX=0, deltaY=-100)
    begin, end = wait_for_range(browser, whole)
    check(begin > 0 and end < 88, "the wheel shows", begin, end)
    wheel = text(browser, "#range")
    browser.mouse("mousePressed", **place, button="left", clickCount=1)
    place["x"] += 60
    browser.mouse("mouseMoved", **place, button="left", buttons=1)
    browser.mouse("mouseReleased", **place, button="left", clickCount=1)
    dragged = wait_for_range(browser, wheel)
    check(dragged[1] - dragged[0] < (end - begin) / 3, "dragging shows", dragged)
    browser.key("-")
    wait_for_range(browser, f"offsets {dragged[0]} to {dragged[1]}")


def test_damage(browser, oncelog, folder):
    """Damage is drawn where it is; what holds readers back may be a watermark; one page for all."""
    store = folder / "several"
    copy_partition("transactions", store / "plain-0")
    damaged = copy_partition("transactions", store / "damaged-0")
    flip(damaged / f"{0:020}.log", 500)
    flip(damaged / f"{41:020}.log", 100)
    (store / "replication-offset-checkpoint").write_text("0\n1\nplain 0 72\n")
    page = folder / "several.html"
    open_report(browser, oncelog, store, page, status=1)
    check(text(browser, "#name") == "damaged-0", "the damaged one is not shown first")
    check("Damage in 2 places" in text(browser, "#verdict"), text(browser, "#verdict"))
    check(count(browser, "#map .damage") == 2 and count(browser, "#damages tr") == 3, "damages")
    facts = facts_at(browser, "#map .damage")
    check(facts.startswith("Damage") and "position" in facts, facts)

    browser.evaluate("""(() => {
      const choices = document.getElementById("partition");
      choices.value = "1";
      choices.dispatchEvent(new Event("change"));
    })()""")
    browser.wait_for("document.querySelectorAll('#map .bar.unreplicated').length")
    check(text(browser, "#name") == "plain-0", text(browser, "#name"))
    check("high watermark" in text(browser, "#verdict"), text(browser, "#verdict"))
    browser.open(page, "#plain-0")
    browser.wait_for("document.documentElement.dataset.drawn")
    check(text(browser, "#name") == "plain-0", "the link shows", text(browser, "#name"))


def test_names(browser, oncelog, folder):
    name = "<img onerror=document.title=1>&amp;-0"
    directory = copy_partition("transactions", folder / name)
    open_report(browser, oncelog, directory, folder / "names.html")
    check(text(browser, "#name") == name, text(browser, "#name"))
    check(count(browser, "img") == 0, "a name became an element")


def test_long(browser, oncelog, folder):
    """As many cells, lanes and bars as there may be."""
    patterns = batches_of(KAFKA / "transactions" / "data" / "t-0" / f"{0:020}.log")
    write_long_log(folder / "long" / "orders-0", patterns, 50_000)
    open_report(browser, oncelog, folder / "long", folder / "long.html")
    elapsed_ms = browser.evaluate("+document.documentElement.dataset.drawn")
    check(elapsed_ms < DRAW_MS_MAX, "drawing took", elapsed_ms, "ms")
    check(count(browser, "#map .bar") > 500, count(browser, "#map .bar"), "bars")
    check(count(browser, "#map path.merged.committed") > 0, "what is left out is not drawn")
    facts = facts_at(browser, "#map path.cells")
    check("batches" in facts and "commit marker" in facts, facts)


def test_dark(browser):
    browser.call("Emulation.setEmulatedMedia",
                 features=[{"name": "prefers-color-scheme", "value": "dark"}])
    colour = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    check(sum(map(int, re.findall(r"\d+", colour)[:3])) < 150, "dark is", colour)
    browser.call("Emulation.setEmulatedMedia", features=[])


def test_without_batches(browser, oncelog, folder):
    directory = folder / "empty" / "orders-0"
    directory.mkdir(parents=True)
    (directory / f"{7:020}.log").write_bytes(b"")
    open_report(browser, oncelog, folder / "empty", folder / "empty.html")
    check("Nothing holds readers back" in text(browser, "#verdict"), text(browser, "#verdict"))
    check(count(browser, "#map .segment") == 1, "the segment is not drawn")
    browser.evaluate("document.getElementById('map').focus()")
    for key in ["Home", "ArrowDown", "End", "+", "0"]:
        browser.key(key)


def take_picture(browser, oncelog, folder):
    store = folder / "picture"
    directory = copy_partition("transactions", store / "orders-0")
    flip(directory / f"{25:020}.log", 70)
    (store / "replication-offset-checkpoint").write_text("0\n1\norders 0 86\n")
    open_report(browser, oncelog, store, folder / "picture.html", "--now", NOW, status=1)
    # The words that change with each call are not worth a new picture.
    browser.evaluate("document.getElementById('made').textContent = ''")
    facts_at(browser, "#map .damage")
    browser.evaluate("scrollTo(0, 0)")
    image = browser.call("Page.captureScreenshot", format="png")["data"]
    PICTURE.write_bytes(base64.b64decode(image))


def test(oncelog, folder):
    program = find_browser()
    if not program:
        print("skipped: there is no Chromium (Debian: chromium)")
        return SKIPPED
    browser = Browser(program, folder)
    try:
        if PICTURE:
            return take_picture(browser, oncelog, folder)
        test_stuck(browser, oncelog, folder)
        test_facts(browser)
        test_zoom(browser)
        test_damage(browser, oncelog, folder)
        test_names(browser, oncelog, folder)
        test_without_batches(browser, oncelog, folder)
        test_dark(browser)
        test_long(browser, oncelog, folder)
        check(not browser.evaluate("document.documentElement.dataset.error"), "an error")
        check(browser.errors == [], "the page says", browser.errors)
        outside = [url for url in browser.requests if not url.startswith(("file:", "about:"))]
        check(outside == [], "the page asks for", outside)
    finally:
        browser.close()
    return 0


run_test(test)
