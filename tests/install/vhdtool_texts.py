#!/usr/bin/env python3
"""vhdtool's man page and completions, read and run by the programs that they are for.

usage: vhdtool_texts.py BUILD-FOLDER CASE. Exits 77, and says why, where a program is missing.
"""
import os
import pathlib
import pty
import re
import shutil
import subprocess
import sys

SHORT = 60  # seconds: something hangs


class Skipped(Exception):
    pass


def need(program):
    if shutil.which(program) is None:
        raise Skipped(f"no {program}")


def output(*command, **options):
    return subprocess.run([str(word) for word in command], check=True, timeout=SHORT, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options).stdout


def help_of(build, *command):
    return output(build / "bin/vhdtool", *command, "--help")


def commands(build, *above):
    """Every command as a tuple of words, as --help tells them."""
    section = re.search(r"^Commands:\n((?:  .*\n)+)", help_of(build, *above), re.M)
    for name in re.findall(r"^  (\w[\w-]*)", section.group(1), re.M) if section else []:
        yield above + (name,)
        yield from commands(build, *above, name)


def man_page(build):
    need("groff")
    page = build / "vhd/tool/vhdtool.1"
    warnings = output("groff", "-man", "-Tutf8", "-ww", "-z", page)
    assert warnings == "", warnings
    text = re.sub(r"\x1b\[[0-9;]*m|.\x08", "", output("groff", "-man", "-Tascii", page))
    found = list(commands(build))
    assert ("create",) in found and ("convert",) in found
    for command in found:
        assert re.search(rf"^ +{' '.join(command)}$", text, re.M), f"lacks {command}"
        for option in re.findall(r"(--[\w-]+)", help_of(build, *command).split("Options:")[1]):
            assert option in text, f"lacks {option} of {command}"


def complete_bash(build, *words):
    script = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _vhdtool; '
              'echo "${COMPREPLY[@]}"')
    return output("bash", "-c", script, "bash", build / "vhd/tool/vhdtool.bash", "vhdtool",
                  *words).split()


def bash(build):
    need("bash")
    assert complete_bash(build, "conv") == ["convert"]
    assert set(complete_bash(build, "")) == {c[0] for c in commands(build) if len(c) == 1}
    assert complete_bash(build, "convert", "--to", "") == ["dynamic", "fixed", "raw"]
    assert complete_bash(build, "convert", "--jso") == ["--json"]
    assert complete_bash(build, "convert", "create", "") == []  # files: bash's own
    assert "--help" in complete_bash(build, "--")


def zsh(build):
    """A real zsh on a terminal: it types, presses TAB, and prints the line that it got."""
    need("zsh")
    output("zsh", "-n", build / "vhd/tool/_vhdtool")
    folder = build / "vhd/tool"
    process, terminal = pty.fork()
    if process == 0:
        os.execvpe("zsh", ["zsh", "-f", "-i"], dict(os.environ, TERM="dumb"))
    lines = (f"fpath=({folder} $fpath); autoload -U compinit; compinit -u -D\n"
             "vhdtool() { print -r -- GOT=$*= }\n"
             "vhdtool conv\t--to ra\t--dire\t\n"
             "exit\n")
    os.write(terminal, lines.encode())
    text = b""
    try:
        while chunk := os.read(terminal, 4096):
            text += chunk
    except OSError:  # the other end is closed
        pass
    os.waitpid(process, 0)
    assert b"GOT=convert --to raw --direct=" in text, text.decode(errors="replace")


CASES = {case.__name__: case for case in (man_page, bash, zsh)}

if __name__ == "__main__":
    try:
        CASES[sys.argv[2]](pathlib.Path(sys.argv[1]).resolve())
    except Skipped as reason:
        print(f"skipped: {reason}")
        sys.exit(77)
