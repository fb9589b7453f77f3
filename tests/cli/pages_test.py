#!/usr/bin/env python3
"""Manual pages and completions know every subcommand and every option that `--help` knows, and the
programs that read them take them as they are."""
import pathlib
import re
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent / "support"))
from command import check, run, run_test  # noqa: E402


def help_text(oncelog, *command):
    return run(oncelog, *command, "--help")[0].decode()


def options_of(text):
    """The option names in a help text: `  -n,--records INT ...` and the like."""
    names = re.findall(r"^  (-[-\w,]+)", text, re.MULTILINE)
    return [name for group in names for name in group.split(",")]


def arguments_of(text):
    part = re.search(r"^Positionals:\n((?:  .*\n)+)", text, re.MULTILINE)
    return re.findall(r"^  (\w+) ", part.group(1), re.MULTILINE) if part else []


def subcommands_of(oncelog):
    part = help_text(oncelog).split("Subcommands:\n")[1]
    return re.findall(r"^  ([\w-]+) ", part, re.MULTILINE)


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


def complete(script, *words):
    """What a real bash offers for the last word."""
    quoted = " ".join(f"'{word}'" for word in words)
    code = (f"source '{script}'; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; "
            "_oncelog 2>/dev/null; printf '%s\\n' \"${COMPREPLY[@]}\"")
    done = subprocess.run(["bash", "--norc", "-c", code], capture_output=True, text=True)
    check(done.returncode == 0, words, done.stderr)
    return done.stdout.split()


def check_bash(script, oncelog, commands):
    check(set(commands) <= set(complete(script, "oncelog", "")), "not all subcommands")
    check(complete(script, "oncelog", "why") == ["why-lso"], "why")
    for name in commands:
        offered = complete(script, "oncelog", name, "-")
        wanted = options_of(help_text(oncelog, name))
        check(sorted(offered) == sorted(wanted), name, offered, "instead of", wanted)
    check(complete(script, "oncelog", "txns", "--state", "a") == ["aborted"], "a choice")
    check(complete(script, "oncelog", "completion", "z") == ["zsh"], "a choice of an argument")
    done = subprocess.run(["bash", "--norc", "-c", f"source '{script}'; complete -p oncelog"],
                          capture_output=True, text=True)
    check(done.stdout == "complete -F _oncelog oncelog\n", done.stdout, done.stderr)


def test(oncelog, folder):
    oncelog = str(pathlib.Path(oncelog).resolve())
    commands = subcommands_of(oncelog)
    check({"abort", "adopt", "completion", "dump", "shell"} <= set(commands), commands)
    check("man" not in commands, "what only the build needs is not hidden")
    check_pages(oncelog, folder, commands)
    run(oncelog, "completion", "tcsh", status=2)
    for shell in ("bash", "zsh", "fish"):
        script = folder / f"oncelog.{shell}"
        script.write_bytes(run(oncelog, "completion", shell)[0])
        text = script.read_text()
        for name in commands:
            check(name in text, shell, "lacks", name)
            for option in options_of(help_text(oncelog, name)):
                check(option in text or f" -l {option[2:]}" in text or f" -s {option[1:]}" in text,
                      shell, name, "lacks", option)
        if not shutil.which(shell):
            print(f"{shell} is not installed: nobody has read its completions")
            continue
        done = subprocess.run([shell, "-n", str(script)], capture_output=True, text=True)
        check(done.returncode == 0 and not done.stderr, shell, done.stderr)
    if shutil.which("bash"):
        check_bash(folder / "oncelog.bash", oncelog, commands)


run_test(test)
