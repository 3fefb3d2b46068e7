"""``kubectl headgate``: the plugin for kubectl, which asks the controller in a Pod, or runs a command here."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from headgate import cli
from headgate.__main__ import ended
from headgate.flags.command import FAILED, HELP_FLAGS, OK, USAGE

HELP: Final = """\
usage: kubectl headgate [-n NAMESPACE] [-l SELECTOR] [--pod NAME] [--context NAME] [--kubeconfig FILE] COMMAND ...

  kubectl headgate status [-o table|wide|json] [--watch]    what the controller in a Pod serves, and what is wrong
  kubectl headgate sockets                                  the sockets in its container
  kubectl headgate version                                  the version that runs there
  kubectl headgate explain URL [FLAGS]                      how nginx handles a request (runs here, as the next ones)
  kubectl headgate check|render|... ARGUMENTS               any other command of headgate

The Pod is the first that is ready among those with the label app.kubernetes.io/name=headgate (or nginx-ingress, by
which the chart replaces another controller), in all namespaces; -n, -l and --pod select another. Of a command that
runs in the Pod these flags may follow its name.
"""
IN_POD: Final = frozenset({"status", "routes", "sockets", "version"})
SELECTOR: Final = "app.kubernetes.io/name in (headgate, nginx-ingress)"
OWN: Final = {
    "-n": "namespace", "--namespace": "namespace", "-l": "selector", "--selector": "selector", "--pod": "pod",
    "--context": "context", "--kubeconfig": "kubeconfig",
}  # fmt: skip
"""The flags of the plugin, each with a value, as kubectl writes them."""
SELECTING: Final = ("-n", "--namespace", "-l", "--selector", "--pod")
"""Those that select a Pod; a command that runs on this machine takes the others only."""


class PluginError(Exception):
    """What the user must correct; one line."""


def main() -> None:
    """Run the plugin with the words of the command line, and exit."""
    sys.exit(ended(lambda: run(sys.argv[1:])))


def run(argv: Sequence[str]) -> int:
    """Run the plugin with *argv*; return the exit status."""
    try:
        options, words = _own(argv)
        if not words or words[0] in HELP_FLAGS:
            print(HELP, end="")
            return OK if words else USAGE
        if words[0] not in IN_POD:
            _refuse_selection(argv, options, words[0])
            return cli.run([*words, *_connection(options)], os.environ)
        return _in_pod(options, words)
    except PluginError as error:
        print(f"headgate: {error}", file=sys.stderr)
        return FAILED


def _own(argv: Sequence[str]) -> tuple[Mapping[str, str], list[str]]:
    """Take the plugin's flags; return their values, and the rest.

    They may follow a command that runs in a Pod, as kubectl's may; what follows another command is its own.
    """
    left, found, words = list(argv), {}, list[str]()
    while left:
        word = left.pop(0)
        name, equals, value = word.partition("=")
        if name in OWN and (not words or words[0] in IN_POD):
            if not equals and not left:
                raise PluginError(f"{name} needs a value")
            found[OWN[name]] = value if equals else left.pop(0)
        elif not words and word.startswith("-") and word not in HELP_FLAGS:
            raise PluginError(f"{name} is not a flag of kubectl headgate; write the flags of a command after its name")
        else:
            words.append(word)
    return found, words


def _refuse_selection(argv: Sequence[str], options: Mapping[str, str], command: str) -> None:
    """Refuse the flags that select a Pod before a *command* that asks none."""
    for name in SELECTING:
        if OWN[name] in options and any(word.partition("=")[0] == name for word in argv):
            *others, last = sorted(IN_POD)
            here = f"headgate {command} runs on this machine and asks no Pod: remove {name}"
            raise PluginError(f"{name} selects the Pod for {', '.join(others)} and {last}; {here}")


def _connection(options: Mapping[str, str]) -> Iterator[str]:
    """Yield the flags that name the cluster, for kubectl and for headgate alike."""
    yield from (f"--{name}={options[name]}" for name in ("kubeconfig", "context") if name in options)


def _in_pod(options: Mapping[str, str], words: Sequence[str]) -> int:
    """Run headgate in the container of the controller, and return its exit status."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        raise PluginError("kubectl is not on the PATH; install it, or run: headgate status --cluster")
    base = [kubectl, *_connection(options)]
    namespace, pod = _pod(base, options)
    terminal = ["-t"] if sys.stdout.isatty() else []
    command = [*base, "exec", *terminal, "-n", namespace, pod, "--", "headgate", *words]
    return subprocess.run(command, check=False).returncode  # noqa: S603 - kubectl of the user's PATH


def _pod(base: Sequence[str], options: Mapping[str, str]) -> tuple[str, str]:
    """Return namespace and name of the Pod to ask."""
    where = ["-n", options["namespace"]] if "namespace" in options else ["--all-namespaces"]
    selector = options.get("selector", SELECTOR)
    found = subprocess.run(  # noqa: S603 - kubectl of the user's PATH
        [*base, "get", "pods", *where, "-l", selector, "-o", "json"], stdout=subprocess.PIPE, check=False
    )
    if found.returncode:
        raise PluginError("the Pods of the controller cannot be listed; the line above is kubectl's")
    pods = [item for item in json.loads(found.stdout)["items"] if options.get("pod", _name(item)) == _name(item)]
    if not pods:
        what = f"named {options['pod']} " if "pod" in options else ""
        raise PluginError(
            f"there is no Pod {what}with the labels {selector!r} {_place(options)}; name others with -n, -l and --pod"
        )
    pod = min(pods, key=lambda item: (not _is_ready(item), item["metadata"]["namespace"], _name(item)))
    return str(pod["metadata"]["namespace"]), _name(pod)


def _place(options: Mapping[str, str]) -> str:
    return f"in namespace {options['namespace']}" if "namespace" in options else "in any namespace"


def _name(pod: Mapping[str, Any]) -> str:
    return str(pod["metadata"]["name"])


def _is_ready(pod: Mapping[str, Any]) -> bool:
    conditions = pod.get("status", {}).get("conditions") or ()
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
