"""Collects the parts of the bundle; a part that cannot be made is there as the reason, and the others are made."""

from __future__ import annotations

import asyncio
import itertools
import math
import os
import platform
import stat
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from headgate.api import ConfigMap, TopLevel
from headgate.bundle.archive import Part
from headgate.bundle.secrecy import Concealment, redacted
from headgate.checking import FORMATS, check
from headgate.checking.assumed import with_config_map
from headgate.commit import version
from headgate.controller.environment import layout
from headgate.flags import printed
from headgate.ir.layout import CONTROL_SOCKET, SECRETS_FOLDER
from headgate.k8s import Client, Manifests, load
from headgate.k8s.manifests import Document, ManifestError
from headgate.k8s.manifests import read as read_documents
from headgate.k8s.scan import signatures
from headgate.nginx.capabilities import find_binary
from headgate.offline import generate
from headgate.options import DECLARED, NamespacedName, Options
from headgate.problems import ObjectRef
from headgate.reporting.control import ask
from headgate.status import text as status_text
from headgate.viewing import read, status
from headgate.watch import WATCHED

LAST_OF_LOG: Final = 1 << 20
"""How much of the end of a log is taken, in bytes."""
LIBRARIES: Final = ("aiohttp", "cryptography", "jinja2", "msgspec", "prometheus-client", "pyyaml")
VARIABLES: Final = ("POD_NAMESPACE", "POD_NAME", "KUBERNETES_SERVICE_HOST", "HEADGATE_COMMIT", "LANG", "LC_ALL")


class Documents(msgspec.Struct, frozen=True):
    """Content that is cleaned before it is written: escapes of YAML and JSON would hide what is searched for."""

    values: Sequence[Any]
    dump: Callable[[Sequence[Any]], str]


Content = str | Documents
Texts = Iterator[tuple[str, str, Content]]
"""Name, what it is, and content of each file that a collector finds."""


def collect(options: Options, argv: Sequence[str], environ: Mapping[str, str], logs: Sequence[Path] = ()) -> list[Part]:
    """Return all parts, without what is confidential.

    Args:
        options: the flags of ``headgate run``; ``manifests`` is the folder, without it the cluster is read.
        argv: the words of the command line.
        environ: the environment, of which a few variables are taken.
        logs: files whose ends are taken.
    """
    bundle = _Bundle(options)
    bundle.take("version.txt", "versions of Headgate, Python and the system", lambda: _version(environ))
    bundle.take("flags.txt", "the flags that were given, and all flags that differ from their defaults",
                lambda: _flags(options, argv))  # fmt: skip
    bundle.take("nginx.txt", "the nginx binary, nginx -V and its capabilities", lambda: _nginx(options))
    if options.manifests is None:
        bundle.take("cluster.json", "version of the cluster", lambda: asyncio.run(_cluster(options)))
        bundle.take_all("objects.yaml", _objects(bundle))
    else:
        bundle.take_all("manifests", _folder(bundle, options.manifests))
        bundle.take("check.txt", "the output of headgate check", lambda: _check(options))
    bundle.take("status.txt", "what is served and what is wrong, as headgate status prints it", lambda: _status(bundle))
    bundle.take_all("nginx", _rendered(bundle))
    bundle.take("controller.json", "the status of the controller that runs with this --prefix",
                lambda: _controller(options))  # fmt: skip
    for name, path in _numbered([*logs, *_error_logs(options)]):
        bundle.take(f"logs/{name}", f"the end of {path}", partial(_end, path))
    return bundle.parts()


class _Bundle:
    """The parts so far, and the Secrets that are known so far."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.concealment = Concealment()
        self._found: list[tuple[str, str, Content]] = []
        self._failed: dict[int, str] = {}
        self._objects: tuple[TopLevel, ...] | None = None

    def objects(self) -> tuple[TopLevel, ...]:
        """Read the folder or the cluster, once."""
        if self._objects is None:
            self._objects = tuple(read(self.options)[0])
            for item in self._objects:
                self.concealment.learn(item.builtins())
        return self._objects

    def is_ours(self, namespace: str, name: str) -> bool:
        """Whether the ConfigMap is the one of ``-nginx-configmaps``, or the one that ``headgate check`` assumes."""
        if named := self.options.config_maps:
            return NamespacedName(namespace, name) in named
        candidate = ConfigMap.convert({"metadata": {"namespace": namespace, "name": name}})
        return with_config_map(self.options, [candidate])[0].nginx_configmaps is not None

    def take(self, name: str, what: str, make: Callable[[], Content]) -> None:
        """Add one file, or why it cannot be made."""
        self.take_all(name, ((name, what, make()) for _ in (None,)), what)

    def take_all(self, name: str, files: Texts, what: str = "") -> None:
        """Add each of *files*; *name* stands for those that cannot be found."""
        try:
            self._found.extend(files)
        except Exception as error:  # noqa: BLE001 - a bug may be what the report is about
            self._failed[len(self._found)] = _reason(error)
            self._found.append((name, what, ""))

    def parts(self) -> list[Part]:
        """Return the parts without what is confidential; only at the end are all Secrets known."""
        clean = self.concealment.clean
        return [
            Part(clean(name), what, clean(self._text(content)), clean(self._failed.get(at, "")))
            for at, (name, what, content) in enumerate(self._found)
        ]

    def _text(self, content: Content) -> str:
        if isinstance(content, str):
            return content
        return content.dump([self.concealment.cleaned(value) for value in content.values])


def _reason(error: BaseException) -> str:
    """Return the message on one line, with the place in the program, for it may be a bug."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return " ".join(f"{type(error).__name__}: {error}".split()) + where


def _version(environ: Mapping[str, str]) -> str:
    lines = [version(), f"Python {sys.version}", f"{platform.platform()} {platform.machine()}, user {os.geteuid()}"]
    for name in LIBRARIES:
        try:
            lines.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            lines.append(f"{name} is not installed")
    lines += [f"{name}={environ[name]}" for name in VARIABLES if name in environ]
    return "\n".join([*lines, ""])


def _flags(options: Options, argv: Sequence[str]) -> str:
    given = "\n".join(argv) or "(none)"
    effective = (
        f"{declared.spelling}={printed(value)}"
        for name, declared in DECLARED.items()
        if (value := getattr(options, name.replace("-", "_"))) != declared.default
    )
    warnings = (f"warning: {each}" for each in options.warnings)
    return "\n".join(["Given:", given, "", "In effect:", *effective, *warnings, ""])


def _nginx(options: Options) -> str:
    binary = asyncio.run(find_binary(str(options.nginx) if options.nginx else None, debug=options.nginx_debug))
    told = subprocess.run([binary.path, "-V"], capture_output=True, text=True, timeout=10, check=False)  # noqa: S603 - the binary that run would start
    capabilities = msgspec.json.format(msgspec.json.encode(binary.capabilities)).decode()
    return f"{binary.path}\n\n{told.stderr}{told.stdout}\n{capabilities}\n"


async def _cluster(options: Options) -> str:
    async with Client(load(str(options.kubeconfig or ""), options.context)) as client:
        return (await client.request("GET", "/version")).decode()


def _objects(bundle: _Bundle) -> Texts:
    """Yield the objects of the cluster that ``headgate run`` would watch, as far as it reads them."""
    shown = [redacted(item.builtins(), bundle.is_ours) for item in bundle.objects()]
    yield "objects.yaml", "the objects of the cluster, without data of Secrets", Documents(shown, _yaml)


def _folder(bundle: _Bundle, root: Path) -> Texts:
    """Yield each manifest; all Secrets are known before the first."""
    documents = {name: _documents(root / name if root.is_dir() else root) for name, _ in sorted(signatures(root))}
    for found in documents.values():
        for document in found if isinstance(found, list) else ():
            bundle.concealment.learn(document.value)
    for name, found in documents.items():
        if isinstance(found, str):
            yield f"manifests/{name}", "without its content, which cannot be read", f"# {found}\n"
        else:
            shown = [redacted(document.value, bundle.is_ours) for document in found]
            yield f"manifests/{name}", "manifest, without data of Secrets", Documents(shown, _yaml)


def _documents(path: Path) -> list[Document] | str:
    """Return the documents of a file; or why there are none: what cannot be parsed may hold a Secret."""
    try:
        return read_documents(path.read_bytes(), json=path.suffix == ".json") if path.is_file() else "is not a file"
    except ManifestError as error:
        where = f"{error.where}: " if error.where else ""
        return f"{where}{error.reason}; the {path.stat().st_size} bytes are left out, because they may hold a Secret"
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"


def _yaml(documents: Iterable[Any]) -> str:
    return str(yaml.safe_dump_all(documents, sort_keys=False, allow_unicode=True, width=math.inf))


def _check(options: Options) -> str:
    manifests = Manifests([str(options.manifests)], lambda: b"", [row.model for row in WATCHED])
    return FORMATS["text"](check(options, manifests)) + "\n"


def _status(bundle: _Bundle) -> str:
    bundle.objects()
    return status_text(status(bundle.options), wide=True)


def _rendered(bundle: _Bundle) -> Texts:
    """Yield the files that nginx would have, without those of Secrets."""
    generation = generate(bundle.options, bundle.objects())
    for name, file in generation.files.items():
        if not name.startswith(f"{SECRETS_FOLDER}/"):
            yield f"nginx/{name}", f"configuration{_of(file.origin)}", file.data.decode(errors="replace")


def _of(origin: ObjectRef | None) -> str:
    return f" of {origin}" if origin else ""


def _controller(options: Options) -> Content:
    answer = asyncio.run(ask(layout(options).socket(CONTROL_SOCKET)))
    return Documents([msgspec.to_builtins(answer.status)], _json) if answer else ""


def _json(values: Sequence[Any]) -> str:
    return "".join(f"{msgspec.json.format(msgspec.json.encode(value)).decode()}\n" for value in values)


def _error_logs(options: Options) -> Iterator[Path]:
    """Yield the error log of nginx, where it is a file: in the image it is the log of the container."""
    path = Path(layout(options).error_log)
    if path.is_file():
        yield path


def _numbered(paths: Iterable[Path]) -> Iterator[tuple[str, Path]]:
    """Yield each path with a name that no other has: ``error.log``, ``2-error.log``."""
    taken: set[str] = set()
    for path in paths:
        names = (f"{number}-{path.name}" if number > 1 else path.name for number in itertools.count(1))
        name = next(name for name in names if name not in taken)
        taken.add(name)
        yield name, path


def _end(path: Path) -> str:
    if not stat.S_ISREG(path.stat().st_mode):  # a FIFO that nobody writes to would be waited for
        raise ValueError(f"{path} is not a regular file; write the log to one first")
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - LAST_OF_LOG))
        data = file.read(LAST_OF_LOG)
    # The first line may be a half.
    return (data.partition(b"\n")[2] if size > LAST_OF_LOG else data).decode(errors="replace")
