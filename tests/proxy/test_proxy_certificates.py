"""What the authority of ``headgate proxy --tls`` may vouch for, and which of its keys are on disk."""

from __future__ import annotations

import datetime as dt
import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509

from headgate.proxy import Authority, authority, data_directory

NOW = dt.datetime.now(dt.UTC)


def verified(issuer: Authority, host: str, name: str = "") -> bool:
    """Whether a client that trusts *issuer* accepts its certificate for *host* as that of *name*; no network."""
    pair = issuer.issue([host], NOW)
    folder = issuer.path.parent
    (folder / "pair.pem").write_bytes(pair.certificate + pair.key)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "pair.pem")
    client = ssl.create_default_context(cafile=str(issuer.path))
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        client.wrap_bio(to_client, to_server, server_hostname=name or host),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(5):
        for side in sides:
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError:
                return False
    return True


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    (tmp_path / "scratch").mkdir()
    return tmp_path / "scratch"


def test_the_authority_of_test_names_is_kept_and_can_name_nothing_else(tmp_path: Path, scratch: Path) -> None:
    kept = tmp_path / "data" / "headgate"
    first = authority(["app.localhost", "*.app.test", "localhost"], kept, scratch, NOW)
    again = authority(["other.test"], kept, scratch, NOW)
    assert first.kept
    assert first.certificate == again.certificate
    assert stat.S_IMODE((kept / "ca-key.pem").stat().st_mode) == 0o600
    assert verified(first, "app.localhost")
    assert verified(first, "*.app.test", "www.app.test")
    assert not verified(first, "example.com")
    assert not list(scratch.iterdir())
    limits = first.certificate.extensions.get_extension_for_class(x509.NameConstraints)
    assert limits.critical
    networks = [str(name.value) for name in limits.value.permitted_subtrees or () if isinstance(name, x509.IPAddress)]
    assert networks == ["127.0.0.0/8", "::1/128"]


def test_the_key_for_other_hosts_is_never_written_and_can_name_only_them(tmp_path: Path, scratch: Path) -> None:
    kept = tmp_path / "data"
    issuer = authority(["*.shop.example.com", "app.localhost"], kept, scratch, NOW)
    assert not issuer.kept
    assert not kept.exists()
    assert [path.name for path in scratch.iterdir()] == ["ca.pem"]
    assert b"PRIVATE" not in issuer.path.read_bytes()
    assert verified(issuer, "*.shop.example.com", "a.shop.example.com")
    assert verified(issuer, "app.localhost")
    assert not verified(issuer, "example.com")
    assert not verified(issuer, "other.localhost")


@pytest.mark.parametrize("fault", ["readable", "old", "other key", "broken"])
def test_a_kept_authority_that_cannot_be_relied_on_is_replaced(tmp_path: Path, scratch: Path, fault: str) -> None:
    first = authority(["a.localhost"], tmp_path, scratch, NOW)
    key, later = tmp_path / "ca-key.pem", NOW
    if fault == "readable":
        key.chmod(0o644)
    elif fault == "old":
        later = NOW + dt.timedelta(days=310)
    elif fault == "broken":
        key.write_text("nonsense")
    else:
        other = authority(["b.localhost"], tmp_path / "other", scratch, NOW)
        first.path.write_bytes(other.pem)
    second = authority(["a.localhost"], tmp_path, scratch, later)
    assert second.certificate != first.certificate
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert second.path.read_bytes() == second.pem


def test_the_directory_is_that_of_the_xdg_specification() -> None:
    assert data_directory({"XDG_DATA_HOME": "/data"}) == Path("/data/headgate")
    assert data_directory({"XDG_DATA_HOME": "relative"}) == Path.home() / ".local/share/headgate"
