#!/usr/bin/env python3
"""Manual pages know every subcommand and every option that `--help` knows, and groff takes them as
they are."""
import pathlib
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent / "support"))
from command import check, run, run_test  # noqa: E402
from help_text import arguments_of, help_text, options_of, subcommands_of  # noqa: E402


def check_pages(oncelog, folder, commands):
    pages = folder / "man1"
    pages.mkdir()
    run(oncelog, "man", pages)
    run(oncelog, "man", folder / "nowhere", status=3)
    names = {path.name for path in pages.iterdir()}
    check(names == {"oncelog.1"} | {f"oncelog-{name}.1" for name in commands}, sorted(names))
    main = (pages / "oncelog.1").read_text().replace("\\-", "-")
    for name in commands:
        check(f"\\fBoncelog-{name}\\fR(1)" in main, "oncelog.1 lacks", name)
        text = help_text(oncelog, name)
        page = (pages / f"oncelog-{name}.1").read_text().replace("\\-", "-")
        check(".SH EXAMPLES\n" in page, name, "has no examples")
        for word in options_of(text) + arguments_of(text):
            check(f"\\fB{word}\\fR" in page, f"oncelog-{name}.1 lacks", word)
    if not shutil.which("groff"):
        print("groff is not installed: nobody has read the manual pages")
        return
    for page in sorted(pages.iterdir()):
        done = subprocess.run(["groff", "-man", "-ww", "-Tutf8", str(page)], capture_output=True)
        check(done.returncode == 0 and not done.stderr, page.name, done.stderr.decode())
        check(len(done.stdout) > 500, page.name, "shows", done.stdout)


def test(oncelog, folder):
    oncelog = str(pathlib.Path(oncelog).resolve())
    commands = subcommands_of(oncelog)
    check({"abort", "adopt", "completion", "dump", "shell"} <= set(commands), commands)
    check("man" not in commands, "what only the build needs is not hidden")
    check_pages(oncelog, folder, commands)


run_test(test)
