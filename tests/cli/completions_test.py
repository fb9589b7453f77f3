#!/usr/bin/env python3
"""Completions know every subcommand and every option that `--help` knows, and a real bash, zsh and
fish offer them."""
import os
import pathlib
import shutil
import subprocess
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent / "support"))
from command import ANSWER_SECONDS, check, run, run_test  # noqa: E402
from help_text import help_text, options_of, subcommands_of  # noqa: E402
from terminal import Terminal  # noqa: E402

# What is typed, and what the shell makes of it: a subcommand, an option, a choice of an option, one
# of an argument.
WORDS = (
    (["oncelog", "why"], "why-lso"),
    (["oncelog", "verify", "--no-r"], "--no-records"),
    (["oncelog", "txns", "--state", "a"], "aborted"),
    (["oncelog", "completion", "z"], "zsh"),
)


def run_shell(*command):
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=ANSWER_SECONDS)


def check_text(shell, text, oncelog, commands):
    for name in commands:
        check(name in text, shell, "lacks", name)
        for option in options_of(help_text(oncelog, name)):
            check(option in text or f" -l {option[2:]}" in text or f" -s {option[1:]}" in text,
                  shell, name, "lacks", option)


def check_bash(script, oncelog, commands):
    def offered(words):
        quoted = " ".join(f"'{word}'" for word in words)
        code = (f"source '{script}'; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; "
                "_oncelog 2>/dev/null; printf '%s\\n' \"${COMPREPLY[@]}\"")
        done = run_shell("bash", "--norc", "-c", code)
        check(done.returncode == 0, words, done.stderr)
        return done.stdout.split()

    check(set(commands) <= set(offered(["oncelog", ""])), "bash: not all subcommands")
    for name in commands:
        options = offered(["oncelog", name, "-"])
        wanted = options_of(help_text(oncelog, name))
        check(sorted(options) == sorted(wanted), "bash:", name, options, "instead of", wanted)
    for words, wanted in WORDS:
        check(offered(words) == [wanted], "bash:", words, offered(words))
    done = run_shell("bash", "--norc", "-c", f"source '{script}'; complete -p oncelog")
    check(done.stdout == "complete -F _oncelog oncelog\n", done.stdout, done.stderr)


def check_fish(script, oncelog, commands):
    def offered(words):
        code = f"source '{script}'; complete -C '{' '.join(words)}'"
        done = run_shell("fish", "--no-config", "-c", code)
        check(done.returncode == 0 and not done.stderr, "fish:", words, done.stderr)
        return [line.split("\t")[0] for line in done.stdout.splitlines()]

    check(set(commands) <= set(offered(["oncelog", ""])), "fish: not all subcommands")
    for name in commands:
        options = offered(["oncelog", name, "-"]) + offered(["oncelog", name, "--"])
        wanted = set(options_of(help_text(oncelog, name)))
        check(wanted <= set(options), "fish:", name, "lacks", wanted - set(options))
    for words, wanted in WORDS:
        check(offered(words) == [wanted], "fish:", words, offered(words))


def check_zsh(script, oncelog, commands):
    """At a terminal: zsh completes only where somebody types. A new one for each line, so that none
    waits for what another has left on the screen."""
    def check_line(loading, words, *wanted):
        with Terminal(["zsh", "-f", "-i"], columns=200, lines=200) as terminal:
            terminal.read_until("# ", "$ ", "% ")
            terminal.send(f"PS1='rea''dy> '; LISTMAX=9999; unsetopt beep; {loading}\n")
            terminal.read_until("ready> ")
            terminal.send(" ".join(words) + "\t")
            terminal.read_until(*wanted, found=all)

    found_by_path = f"fpath=('{script.parent}' $fpath); autoload -Uz compinit; compinit -u -D"
    sourced = f"autoload -Uz compinit; compinit -u -D; source '{script}'"
    for loading in (found_by_path, sourced):
        for words, wanted in WORDS:
            check_line(loading, words, " ".join(words[:-1] + [wanted]))
    check_line(found_by_path, ["oncelog", ""], *commands)
    for name in ("stats", "dump"):
        check_line(found_by_path, ["oncelog", name, "-"], *options_of(help_text(oncelog, name)))


def test(oncelog, folder):
    oncelog = str(pathlib.Path(oncelog).resolve())
    # The shells ask the command itself for nothing; fish wants it to be there.
    (folder / "bin").mkdir()
    (folder / "bin" / "oncelog").symlink_to(oncelog)
    os.environ["PATH"] = f"{folder / 'bin'}:{os.environ['PATH']}"
    os.environ["HOME"] = os.environ["XDG_CONFIG_HOME"] = str(folder)
    commands = subcommands_of(oncelog)
    run(oncelog, "completion", "tcsh", status=2)
    checks = {"bash": ("oncelog", check_bash), "zsh": ("_oncelog", check_zsh),
              "fish": ("oncelog.fish", check_fish)}
    for shell, (name, check_shell) in checks.items():
        script = folder / shell / name
        script.parent.mkdir()
        script.write_bytes(run(oncelog, "completion", shell)[0])
        check_text(shell, script.read_text(), oncelog, commands)
        if not shutil.which(shell):
            print(f"{shell} is not installed: nobody has read its completions")
            continue
        done = run_shell(shell, "-n", str(script))
        check(done.returncode == 0 and not done.stderr, shell, done.stderr)
        check_shell(script, oncelog, commands)


run_test(test)
