"""Documents of a folder that are skipped are named where no object answers, because one of them may be meant."""

from pathlib import Path

import pytest

from headgate.cli import run

WRONG = """apiVersion: k8s.nginx.org/v2
kind: VirtualServer
metadata: {name: cafe, namespace: default}
spec: {host: cafe.test}
"""


def test_a_skipped_document_is_named_where_no_object_answers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cafe.yaml").write_text(WRONG)
    assert run(["explain", "http://cafe.test/", "-m", str(tmp_path)], {}) == 0
    assert "warning: File cafe.yaml: line 1: 'k8s.nginx.org/v2' VirtualServer is read as" in capsys.readouterr().out
