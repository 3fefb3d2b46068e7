"""Every folder of ``examples/`` keeps its promises: backends, Headgate and nginx for real, one edit included."""

import demo
import pytest
from showcase.example import EXAMPLES


@pytest.mark.parametrize("name", sorted(path.parent.name for path in EXAMPLES.glob("*/checks.toml")))
def test_an_example_passes_its_checks(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    code = demo.check(name)
    assert code == 0, capsys.readouterr().out
