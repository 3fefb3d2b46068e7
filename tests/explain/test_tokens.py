"""What ``explain --token`` says of a token is what nginx decides (``test_live_jwt.py`` has the same table)."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from headgate.cli import run
from headgate.explain.tokens import refusal
from headgate.ir.live import LiveToken
from headgate.resolve.jwk import read_key_set
from tests.live.json_objects import ManifestFolder, ingress_class, secret
from tests.live.test_live_policies import guarded, policy
from tests.live.test_live_virtual_servers import virtual_server
from tests.tokens import ALGORITHMS, key, key_set
from tests.wrong_tokens import good_tokens, wrong_tokens


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_tokens_of_each_algorithm(algorithm: str) -> None:
    signer = key(algorithm, "one")
    keys = read_key_set(key_set(signer, key("EdDSA", "spare", 7)), secrets=True).keys
    guard = LiveToken(realm="cafe", keys=keys, issuer="issuer", audience=("bar", "cafe"))
    for token in good_tokens(signer):
        assert refusal(guard, token, time.time()) == ""
    for what, token in wrong_tokens(signer):
        assert refusal(guard, token, time.time()), what


def test_clocks_may_differ_by_the_leeway() -> None:
    signer = key("HS256")
    guard = LiveToken(realm="cafe", keys=read_key_set(key_set(signer), secrets=True).keys, leeway=60)
    token = signer.token({"exp": 1000, "nbf": 500})
    asked = {439: "it is not valid yet", 440: "", 1059: "", 1060: "it is expired"}
    assert {now: refusal(guard, token, now) for now in asked} == asked


def test_what_is_for_people_to_read_is_as_if_nginx_had_lua(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifests = ManifestFolder(tmp_path)
    manifests.put(
        ingress_class(), secret("keys", kind="nginx.org/jwk", jwk=key_set(key("ES256"))),
        policy("token", jwt={"realm": "cafe", "secret": "keys"}), virtual_server("cafe", guarded("/", "token")),
    )  # fmt: skip

    def said(*words: str) -> str:
        run([words[0], str(manifests.path), *words[1:]], {})
        return "\n".join(capsys.readouterr())

    assert "live data plane" not in said("check")
    assert "needs the live data plane" in said("check", "-data-plane=files")
    text = said("render")
    assert 'headgate.check("Policy/default/token")' in text
    assert "return 500;" not in text
    assert "return 500;" in said("render", "-data-plane=files")
