"""The messages are what protoc makes of the proto, and the tool says when they are not."""

import subprocess
import sys
from pathlib import Path

from tests.sockets.container_runtimes import ROOT
from tests.waiting import DEADLINE_S


def tool(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "tools/cri.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)


def test_generated_messages_are_up_to_date() -> None:
    done = tool("--check")
    assert (done.returncode, done.stdout) == (0, "")


def test_a_change_of_generated_messages_is_noticed(tmp_path: Path) -> None:
    assert tool("--into", str(tmp_path)).returncode == 0
    (tmp_path / "cri_pb2.py").write_text("old\n")
    done = tool("--into", str(tmp_path), "--check")
    assert done.returncode == 1
    assert "cri_pb2.py; run `make generate`" in done.stderr
