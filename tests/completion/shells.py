"""Asks bash, zsh and fish themselves what completes a command line, with the script of ``headgate completion``."""

from __future__ import annotations

import contextlib
import os
import pty
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.waiting import wait_until

Ask = Callable[[Path, Sequence[str], Path], list[list[str]]]
"""Script, command lines and folder → the words that are offered for each of the lines."""

BASH = r"""
source "$1"; shift
for line; do
    COMP_LINE=$line COMP_POINT=${#line}
    # As readline splits a line: at spaces, and = and : are words.
    split=${line//=/ = }; split=${split//:/ : }
    read -ra COMP_WORDS <<<"$split"
    [[ $line == *' ' ]] && COMP_WORDS+=("")
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
    _headgate
    printf '%s\n' ${COMPREPLY[@]+"${COMPREPLY[@]}"} ""
done
"""
INTERACTIVE_BASH = r"""
bind 'set bell-style none'
answered() { printf '%s\n' "$READLINE_LINE" >>$OUT; READLINE_LINE=; READLINE_POINT=0; }
bind -x '"\C-t": answered'
source $SCRIPT
"""
FISH = r"""
source $argv[1]
for line in $argv[2..]
    complete -C $line | string replace -r '\t.*' ''
    echo
end
"""
# What is offered reaches the shell through compadd; a call that only fills an array (-O, -A, -D) is passed on.
ZSH = r"""
autoload -Uz compinit && compinit -u -D -d "$OUT.dump"
compadd() {
    if [[ ${@[1,(i)(-|--)]} == *-[a-zA-Z12]#[OAD]* ]]; then builtin compadd "$@"; return; fi
    local -a __matches
    builtin compadd -O __matches "$@"
    (( ${#__matches} )) && print -rl -- "${(@)__matches}" >>$OUT
    builtin compadd "$@"
}
setopt extendedglob nobeep noautolist noautomenu
LISTMAX=100000
answered() {
    zle complete-word
    print -r -- "" >>$OUT
    print -r -- "$BUFFER" >>$OUT.lines
    zle kill-whole-line
    print done >>$OUT.done
}
zle -N answered
bindkey '^T' answered
source $SCRIPT
print ready >>$OUT.done
"""


def ask_bash(script: Path, lines: Sequence[str], folder: Path) -> list[list[str]]:
    """Fill the variables of a completion, and call the function that the script has registered."""
    return _answers(_output(["bash", "-c", BASH, "bash", str(script), *lines], folder))


def ask_fish(script: Path, lines: Sequence[str], folder: Path) -> list[list[str]]:
    """Ask ``complete -C``."""
    return _answers(_output(["fish", "--no-config", "-c", FISH, str(script), *lines], folder))


def ask_zsh(script: Path, lines: Sequence[str], folder: Path) -> list[list[str]]:
    """Type each line into an interactive zsh and press a key that completes it."""
    out = script.with_suffix(".out")
    out.touch()
    done = Path(f"{out}.done")
    done.touch()
    start = script.with_name("start.zsh")
    start.write_text(ZSH)
    environ = {"OUT": str(out), "SCRIPT": str(script)}
    typed = [f"source {start}\r", *(f"{line}\x14" for line in lines)]
    _type(["zsh", "-f", "-i"], environ, folder, typed, done)
    return _answers(out.read_text())


def inserted_by_bash(script: Path, lines: Sequence[str], folder: Path) -> list[str]:
    """Type each line into an interactive bash, press TAB, and return the lines that are there then."""
    done, start = script.with_name("inserted"), script.with_name("start.bash")
    done.touch()
    start.write_text(INTERACTIVE_BASH)
    environ = {"OUT": str(done), "SCRIPT": str(script)}
    command = ["bash", "--noprofile", "--rcfile", str(start), "-i"]
    _type(command, environ, folder, [f"{line}\t\x14" for line in lines], done)
    return done.read_text().splitlines()


def _type(command: Sequence[str], environ: Mapping[str, str], folder: Path, typed: Sequence[str], done: Path) -> None:
    """Type each text into a shell on a terminal; it adds a line to *done* after each."""
    master, slave = pty.openpty()
    environ = {**environ, "TERM": "dumb", "PATH": os.environ["PATH"], "HOME": str(folder)}
    process = subprocess.Popen(
        command, stdin=slave, stdout=slave, stderr=slave, cwd=folder, env=environ, start_new_session=True
    )
    os.close(slave)
    try:
        for number, text in enumerate(typed, 1):
            os.write(master, text.encode())
            wait_until(lambda: _drained(master, done), number.__le__)
    finally:
        os.close(master)
        process.kill()
        process.wait()


def _drained(master: int, done: Path) -> int:
    """Read what the shell has printed, which would block it otherwise, and count its answers."""
    os.set_blocking(master, False)
    with contextlib.suppress(OSError):
        os.read(master, 1 << 16)
    return done.read_text().count("\n")


def _output(command: Sequence[str], folder: Path) -> str:
    environ = {**os.environ, "HOME": str(folder), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


def _answers(output: str) -> list[list[str]]:
    """Split what was printed: a word in a line, and an empty line after each answer."""
    answers: list[list[str]] = [[]]
    for line in output.splitlines():
        if line:
            answers[-1].append(line.rstrip("/"))
        else:
            answers.append([])
    return answers[:-1]


ASK: Mapping[str, Ask] = {"bash": ask_bash, "zsh": ask_zsh, "fish": ask_fish}


def missing(shell: str) -> str:
    """Return why *shell* cannot be asked, ``""`` if it can."""
    return "" if shutil.which(shell) else f"{shell} is not installed (sudo apt-get install {shell})"
