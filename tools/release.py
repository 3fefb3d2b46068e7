"""Check that a release can be made of the checkout, or package it.

``release.py check`` compares everything that must name the version of ``headgate/__init__.py`` and prints the text of
the tag and the commands that publish it. ``release.py package`` writes the chart and the manifests for an image of
another name into ``build/release``. The names of image and chart in a registry are arguments; the repository has none.
"""

from __future__ import annotations

import argparse
import datetime as dt
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from collections.abc import Callable, Iterator
from enum import Enum
from functools import partial
from pathlib import Path
from typing import NamedTuple

import changelog
from generated import diff
from version import places

import image as images
from headgate import __version__
from headgate.commit import commit

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "build" / "release"
LOCAL = "localhost/headgate"
"""The image of the checkout; what it is called in a registry replaces this name."""
URLS = ("Repository", "Issues", "Security")
LABELS = {"org.opencontainers.image.version": "VERSION", "org.opencontainers.image.revision": "COMMIT"}


class State(Enum):
    """How a check ended; only ``FAILED`` prevents the release."""

    OK = "ok"
    FAILED = "FAILED"
    SKIPPED = "skipped"


class Finding(NamedTuple):
    """The result of one check; the text says what was found, and what to do if that is wrong."""

    state: State
    check: str
    text: str


ok, failed, skipped = (partial(Finding, state) for state in State)


def check_version() -> Finding:
    """The version has three numbers, as Helm and the changelog need it."""
    if re.fullmatch(r"\d+\.\d+\.\d+", __version__):
        return ok("version", f"{__version__} in headgate/__init__.py")
    return failed("version", f"{__version__!r} in headgate/__init__.py is not MAJOR.MINOR.PATCH")


def check_places() -> Finding:
    """Chart, manifests and documentation name this version."""
    stale = [name for name, write in places().items() if diff(ROOT / name, write())]
    if stale:
        return failed("places", f"{', '.join(stale)}: another version; run `make generate`")
    return ok("places", f"chart, deploy/ and documentation name {__version__}")


def check_changelog() -> Finding:
    """The newest section of the changelog is that of this version, and no fragment is left."""
    move = f"run `make changelog RELEASE={__version__}`"
    left = [path.name for paths in changelog.fragments().values() for path in paths]
    if left:
        return failed("changelog", f"changes/ has {len(left)} fragments ({left[0]}, …); {move}")
    released = changelog.sections(changelog.CHANGELOG.read_text())
    if not released or released[0].version != __version__:
        newest = released[0].version if released else "none"
        return failed("changelog", f"the newest section of CHANGELOG.md is {newest}; {move}")
    newest = released[0]
    if newest.date > dt.datetime.now(dt.UTC).date() or not newest.text:
        return failed("changelog", f"the section {newest.version} ({newest.date}) is empty or of the future")
    return ok("changelog", f"section {newest.version} ({newest.date}), no fragment is left")


def check_tree() -> Finding:
    """Everything is committed, and the tag is free or of this commit."""
    changed, tag = _git("status", "--porcelain").splitlines(), f"v{__version__}"
    if changed:
        return failed("tree", f"{len(changed)} files are not committed, for example {changed[0][3:]}")
    holder = _git("tag", "--list", tag) and _git("rev-list", "-n", "1", tag)
    if holder and holder != _git("rev-parse", "HEAD"):
        return failed("tree", f"the tag {tag} is of another commit ({holder[:7]}); raise the version")
    return ok("tree", f"commit {commit()}, " + (f"tagged {tag}" if holder else f"the tag {tag} is free"))


def check_containerfile() -> Finding:
    """The image is labelled with the version and the commit that the build is given."""
    text = (ROOT / "Containerfile").read_text()
    missing = [label for label, argument in LABELS.items() if f'{label}="${{{argument}}}"' not in text]
    if missing:
        return failed("labels", f"Containerfile does not set {', '.join(missing)} from a build argument")
    return ok("labels", "Containerfile sets version and revision from build arguments")


def check_image(name: str) -> Finding:
    """The built image has the labels of this version and commit; its bill of materials has this version."""
    if not name:
        return skipped("image", "no image is named; build it with `make image`, then give IMAGE=NAME")
    full = tagged(name)
    try:
        labels, parts = images.find_tool().labels(full), images.bill(full)["components"]
    except (subprocess.CalledProcessError, SystemExit) as error:
        return failed("image", f"{full} cannot be inspected ({error}); run `make image IMAGE={full}`")
    for label, wanted in zip(LABELS, (__version__, commit()), strict=True):
        if labels.get(label) != wanted:
            return failed("image", f"{full}: {label} is {labels.get(label)!r}, not {wanted!r}; build it again")
    if not any(part["purl"] == f"pkg:pypi/headgate@{__version__}" for part in parts):
        return failed("image", f"the bill of materials of {full} has no Headgate {__version__}; build it again")
    return ok("image", f"{full}: labels and bill of materials ({len(parts)} packages) are of {__version__}")


def check_addresses() -> Finding:
    """The addresses of the project are known; without them the documentation cannot name any."""
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"].get("urls", {})
    missing = [name for name in URLS if name not in known]
    if missing:
        return skipped("addresses", f"[project.urls] of pyproject.toml lacks {', '.join(missing)}")
    return ok("addresses", ", ".join(f"{name} {known[name]}" for name in URLS))


def findings(image: str) -> Iterator[Finding]:
    """Run all checks."""
    checks: tuple[Callable[[], Finding], ...] = (
        check_version, check_places, check_changelog, check_tree, check_containerfile,
    )  # fmt: skip
    for check in checks:
        yield check()
    yield check_image(image)
    yield check_addresses()


def tagged(image: str) -> str:
    """Return the name of *image* with a tag: its own, or the version."""
    return image if ":" in image.rpartition("/")[2] else f"{image}:{__version__}"


def tag_message() -> str:
    """Return the text of the annotated tag: a title and the section of the changelog."""
    released = changelog.sections(changelog.CHANGELOG.read_text())
    text = next((section.text for section in released if section.version == __version__), "")
    # A line that begins with # is a comment for git.
    plain = re.sub(r"(?m)^#+ (.+)$", r"\1:", text)
    return f"Headgate {__version__}\n\n{plain}\n"


def next_steps(image: str, chart: str) -> str:
    """Return the commands that publish the release."""
    full = tagged(image or "REGISTRY/headgate")
    package = OUT.relative_to(ROOT) / f"headgate-{__version__}.tgz"
    return "\n".join((
        f"git tag --annotate v{__version__} --file {OUT.relative_to(ROOT) / 'tag.txt'}",
        f"git push origin v{__version__}",
        f"make image IMAGE={full} && docker push {full}",
        f"make package IMAGE={full}",
        f"helm push {package} {chart or 'oci://REGISTRY/charts'}",
    ))  # fmt: skip


def check(image: str, chart: str) -> int:
    """Print the findings, and the next steps if nothing failed; return the exit code."""
    found = list(findings(image))
    for one in found:
        print(f"{one.state.value:8} {one.check:10} {one.text}")
    if any(one.state is State.FAILED for one in found):
        return 1
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "tag.txt").write_text(tag_message())
    print(f"\nThe text of the tag:\n\n{tag_message()}\nTo publish it:\n\n{next_steps(image, chart)}")
    return 0


def package(image: str, into: Path) -> int:
    """Write the chart and the manifests with *image* in place of the local one into the folder *into*."""
    name, _, tag = tagged(image).rpartition(":")
    source = into / "source"
    shutil.rmtree(source, ignore_errors=True)
    for folder in ("charts/headgate", "deploy"):
        shutil.copytree(ROOT / folder, source / folder)
    for path in (path for path in source.rglob("*") if path.is_file()):
        path.write_text(renamed(path.read_text(), name, tag))
    manifests = into / f"headgate-deploy-{__version__}.tar.gz"
    with tarfile.open(manifests, "w:gz") as archive:
        archive.add(source / "deploy", f"headgate-{__version__}/deploy")
    code = _package_chart(source / "charts/headgate", into, tag)
    shutil.rmtree(source)
    if not code:
        print(f"{into / f'headgate-{__version__}.tgz'} and {manifests} are written, for the image {name}:{tag}")
    return code


def renamed(text: str, name: str, tag: str) -> str:
    """Return *text* with the image *name*, and *tag* where this version is named, in place of the local one."""
    local = re.compile(rf"{re.escape(LOCAL)}(?![\w/-])(:{re.escape(__version__)}(?![\w.-]))?")
    return local.sub(lambda found: f"{name}:{tag}" if found[1] else name, text)


def _package_chart(chart: Path, into: Path, tag: str) -> int:
    helm = subprocess.run([ROOT / "tools" / "helm.sh"], stdout=subprocess.PIPE, text=True, check=False)
    if helm.returncode:
        return helm.returncode
    command = [helm.stdout.strip(), "package", chart, "--destination", into, "--app-version", tag]
    return subprocess.run(command, stdout=subprocess.DEVNULL, check=False).returncode


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.strip("\n")


def main() -> int:
    """Run the command of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("check", "package"))
    parser.add_argument("--image", default=os.environ.get("IMAGE", ""), help="its name in the registry")
    parser.add_argument("--chart", default=os.environ.get("CHART", ""), help="where the chart is pushed (oci://…)")
    parser.add_argument("--into", type=Path, default=OUT, help="folder for what is packaged (%(default)s)")
    options = parser.parse_args()
    if options.command == "check":
        return check(options.image, options.chart)
    options.into.mkdir(parents=True, exist_ok=True)
    return package(options.image or LOCAL, options.into)


if __name__ == "__main__":
    sys.exit(main())
