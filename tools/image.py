"""Build the container image, or list its contents, with the first of docker, podman and buildah that works.

``image.py build [IMAGE] [OPTION...]`` passes the options on to the build; ``image.py sbom [IMAGE]`` prints a software
bill of materials (CycloneDX, JSON) of the packages of Debian and the distributions of Python in the image.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import headgate
from headgate.commit import commit

ROOT = Path(__file__).resolve().parent.parent
IMAGE = f"localhost/headgate:{headgate.__version__}"

DEBIAN = ("dpkg-query", "--show", "--showformat", "${Package}\\t${Version}\\t${Architecture}\\n")
PYTHON = """
import json
from importlib import metadata
found = metadata.distributions()
print(json.dumps([[one.name, one.version, one.metadata.get("License-Expression", "")] for one in found]))
"""


class Tool(NamedTuple):
    """A program that builds images; ``info`` and ``build`` are the same for all, only running differs in buildah."""

    name: str

    def works(self) -> bool:
        """Whether it is installed and answers (a docker without its daemon does not)."""
        return bool(shutil.which(self.name)) and not _quietly(self.name, "info").returncode

    def run(self, image: str, *command: str) -> str:
        """Return the output of *command* in *image*."""
        if self.name != "buildah":
            return _output(
                self.name, "run", "--rm", "--network", "none", "--entrypoint", command[0], image, *command[1:]
            )
        container = _output("buildah", "from", "--pull-never", image).strip()
        try:
            return _output("buildah", "run", "--isolation", "chroot", container, "--", *command)
        finally:
            _quietly("buildah", "rm", container)

    def labels(self, image: str) -> dict[str, str]:
        """Return the labels of *image*; raises CalledProcessError if it is not there."""
        if self.name == "buildah":
            found = json.loads(_output("buildah", "inspect", "--type", "image", image))["OCIv1"]["config"]
        else:
            (about,) = json.loads(_output(self.name, "image", "inspect", image))
            found = about["Config"]
        return found.get("Labels") or {}


TOOLS = (Tool("docker"), Tool("podman"), Tool("buildah"))


def _quietly(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _output(*command: str) -> str:
    return subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout


def find_tool() -> Tool:
    """Return the tool of ``IMAGE_TOOL``, else the first that works; ends the program if there is none."""
    wanted = os.environ.get("IMAGE_TOOL")
    for tool in TOOLS:
        if tool.name == wanted or (not wanted and tool.works()):
            return tool
    names = ", ".join(tool.name for tool in TOOLS)
    sys.exit(f"image: none of {names} works here; install one (Debian: apt-get install buildah) or start its daemon")


def build(image: str, options: list[str]) -> None:
    """Build *image* from the checkout; ends the program with the tool's exit code if that fails."""
    tool = find_tool()
    arguments = [f"VERSION={headgate.__version__}", f"COMMIT={commit()}"]
    words = [word for argument in arguments for word in ("--build-arg", argument)]
    file = ["--file", str(ROOT / "Containerfile")]
    command = [tool.name, "build", *file, *words, "--tag", image, *options, str(ROOT)]
    code = subprocess.run(command, check=False).returncode
    if code:
        sys.exit(f"image: {tool.name} could not build {image} (exit code {code}, see above)")
    print(f"{image} is built; make it available to the nodes with `docker push`, `kind load docker-image` or similar")


def bill(image: str) -> dict[str, Any]:
    """Return the bill of materials of *image* as CycloneDX 1.6 (ECMA-424)."""
    # Only this command needs it: an image is built without the development extra.
    from cyclonedx.model.bom import Bom  # noqa: PLC0415
    from cyclonedx.model.component import Component, ComponentType  # noqa: PLC0415
    from cyclonedx.model.license import LicenseExpression  # noqa: PLC0415
    from cyclonedx.output.json import JsonV1Dot6  # noqa: PLC0415
    from packageurl import PackageURL  # noqa: PLC0415

    def component(url: PackageURL, licence: str = "") -> Component:
        licences = [LicenseExpression(licence)] if licence else []
        return Component(name=url.name, version=url.version, purl=url, bom_ref=str(url), licenses=licences)

    tool, found = find_tool(), Bom()
    name, _, version = image.rpartition(":")
    root = found.metadata.component = Component(name=name, version=version, type=ComponentType.CONTAINER)
    for line in tool.run(image, *DEBIAN).splitlines():
        name, version, architecture = line.split("\t")
        found.components.add(component(PackageURL("deb", "debian", name, version, {"arch": architecture})))
    for name, version, licence in json.loads(tool.run(image, "python3", "-c", PYTHON)):
        found.components.add(component(PackageURL("pypi", name=name.lower(), version=version), licence))
    found.register_dependency(root, found.components)
    answer: dict[str, Any] = json.loads(JsonV1Dot6(found).output_as_string())
    return answer


def main() -> None:
    """Run the command of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("build", "sbom"))
    parser.add_argument("image", nargs="?", default=IMAGE, help=f"its name; {IMAGE} if none is given")
    arguments, options = parser.parse_known_args()
    if arguments.command == "build":
        build(arguments.image, options)
    else:
        print(json.dumps(bill(arguments.image), indent=2))


if __name__ == "__main__":
    main()
