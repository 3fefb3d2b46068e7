"""Every folder of ``examples/`` keeps its promises: backends, Headgate and nginx for real, one edit included."""

import sys
from pathlib import Path

import demo
import pytest
from showcase.client import Doors
from showcase.example import EXAMPLES, Example

from headgate.nginx.capabilities import embedded
from tests.nginx_binaries import ANY_NGINX, LUA


@pytest.mark.parametrize("name", sorted(path.parent.name for path in EXAMPLES.glob("*/checks.toml")))
def test_an_example_passes_its_checks(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    binary = ANY_NGINX
    if name == "tcp-tls":
        binary = embedded() or pytest.skip("needs nginx 1.25.5")
    if name in {"jwt", "oidc"}:
        binary = LUA or pytest.skip("needs nginx with Lua (make lua-nginx)")
    code = demo.check(name, binary)
    assert code == 0, capsys.readouterr().out


def test_an_example_that_nginx_alone_cannot_serve_is_named_with_the_place_to_read() -> None:
    with pytest.raises(demo.DemoError, match=r"does not serve examples/uds-pod: .* in its README.md"):
        demo.check("uds-pod")


def test_a_port_of_the_example_that_is_in_use_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "is_free", lambda port: port != 8083)
    with pytest.raises(demo.DemoError, match="port 8083, which the GlobalConfiguration of examples/custom-listeners"):
        demo.show("custom-listeners")


@pytest.mark.parametrize(
    ("given", "lua", "wheel", "flags"),
    [
        ("", None, embedded(), [f"--nginx={embedded()}"] if embedded() else []),
        ("", "/opt/lua/nginx", embedded(), ["--nginx=/opt/lua/nginx"]),
        ("/opt/nginx", "/opt/lua/nginx", embedded(), ["--nginx=/opt/nginx"]),
        ("", None, None, []),
    ],
)
def test_the_demo_takes_the_named_nginx_else_one_with_lua_else_the_embedded_one_else_what_headgate_finds(  # noqa: PLR0913
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    given: str,
    lua: str | None,
    wheel: str | None,
    flags: list[str],
) -> None:
    monkeypatch.setattr(demo, "with_lua", lambda: lua)
    monkeypatch.setattr(demo, "HEADGATE", (sys.executable, "-c", "import sys; print(*sys.argv[1:], sep='\\n')"))
    monkeypatch.setattr(demo, "embedded", lambda: wheel)
    example = Example.named("cafe").copy(tmp_path / "manifests")
    doors = Doors(1, 2, tmp_path / "trusted.pem")
    with (
        pytest.raises(demo.DemoError) as error,
        demo.serving(example, doors, tmp_path / "prefix", quiet=True, nginx=given),
    ):
        pass
    lines = [line.removeprefix("headgate | ") for line in str(error.value).splitlines()]
    assert [line for line in lines if line.startswith("--nginx")] == flags
