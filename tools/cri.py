"""Write the messages of headgate/sockets from cri.proto; ``--check`` only compares them."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

from generated import write_or_compare

FOLDER = Path(__file__).resolve().parent.parent / "headgate" / "sockets"
NAMES = ("cri_pb2.py", "cri_pb2.pyi")


@cache
def messages() -> dict[str, str]:
    """Compile cri.proto, in its own folder, so that the result contains only its file name."""
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "grpc_tools.protoc", "-I.", f"--python_out={out}", f"--pyi_out={out}"]
        subprocess.run([*command, "cri.proto"], cwd=FOLDER, check=True)
        return {name: Path(out, name).read_text() for name in NAMES}


if __name__ == "__main__":
    sys.exit(write_or_compare(__doc__ or "", FOLDER, {name: lambda name=name: messages()[name] for name in NAMES}))
