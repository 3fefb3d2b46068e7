"""The formats of nginx's logs where the log of Headgate is JSON."""

import pytest

from headgate.api import ConfigMap
from tests.nginx_lexer import directives
from tests.simulated_cluster import SimulatedCluster, api_object

CONFIG_MAP = "-nginx-configmaps=nginx-ingress/nginx-config"


def formats(form: str, data: dict[str, str]) -> dict[str, tuple[str, ...]]:
    """Return the arguments of each ``log_format`` by its name."""
    cluster = SimulatedCluster(("--manifests=.", CONFIG_MAP, f"-log-format={form}"))
    cluster.put(api_object(ConfigMap, metadata={"namespace": "nginx-ingress", "name": "nginx-config"}, data=data))
    cluster.process_batch()
    found = directives(cluster.texts()["nginx.conf"].decode())
    return {at.arguments[0]: tuple(at.arguments[1:]) for at in found if at.name == "log_format"}


@pytest.mark.parametrize(
    ("form", "time"), [("json", '"$time_iso8601"'), ("json-unix", "$log_time"), ("json-unix-ms", "$log_time")]
)
def test_json_is_the_default_with_json(form: str, time: str) -> None:
    for name in ("main", "stream-main"):
        escaping, first, *_ = formats(form, {"log-format-escaping": "none"})[name]
        assert escaping == "escape=json"
        assert first.startswith(f'{{"time": {time}, "level": "INFO", "source": "nginx", ')


def test_formats_of_the_config_map_are_used_as_they_are() -> None:
    found = formats("json", {"log-format": "$host", "stream-log-format": "$protocol"})
    assert found == {"main": ("$host",), "stream-main": ("$protocol",)}


@pytest.mark.parametrize("form", ["glog", "text", "text-unix"])
def test_text_stays_the_default_with_text(form: str) -> None:
    assert formats(form, {})["main"][0].startswith("$remote_addr - $remote_user [$time_local]")
