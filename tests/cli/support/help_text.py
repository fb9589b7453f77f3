"""What the command says of itself with `--help`."""
import re

from command import run


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
