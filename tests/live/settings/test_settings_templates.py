"""Templates of users' own, whole and block by block."""

from __future__ import annotations

import asyncio

from showcase.ports import free_port

from tests.live.json_objects import config_map
from tests.live.settings.hosts import host
from tests.live.settings.serving_nginx import served

MAIN = """\
pid {{ path.pid }};
events {}
http {
    {% for directive, directory in path.temporary %}
    {{ directive }} {{ directory }};
    {% endfor %}
    map $nginx_version $secret_dir_path { default {{ path.secrets }}; }
    log_format mine "mine $uri";
    access_log /dev/stdout mine;
    add_header X-Main whole;
    include {{ path.conf_d }};
}
"""
INGRESS = """\
{% for server in config.servers %}
server {
    {% for listen in server.listens %}
    listen {{ listen }};
    {% endfor %}
    server_name {{ server.name }};
    {% if server.tls %}
    ssl_reject_handshake on;
    {% endif %}
    location / {
        return 200 "{{ server.name }}, {{ server.locations | length }}";
    }
}
{% endfor %}
"""
BLOCK = """\
{% extends "builtin/http.conf.j2" %}
{% block server_extra %}
    add_header X-Server {{ server.name }};
{% endblock %}
{% block location_extra %}
        limit_except GET { deny all; }
{% endblock %}
"""


async def test_whole_templates_replace_the_builtin_ones() -> None:
    async with served([config_map(main_template=MAIN, ingress_template=INGRESS), host("tea")]) as nginx:
        answer = await nginx.get("tea.test", "/green")
        assert (answer.text, answer.headers["X-Main"]) == ("tea.test, 1", "whole")
        assert await nginx.logged("/green") == "mine /green"


async def test_a_template_block_changes_and_the_rest_stays() -> None:
    port = free_port()
    main = f"""{{% extends "builtin/main.conf.j2" %}}
        {{% block http %}}
        {{{{ super() }}}}
        server {{ listen {port}; return 200 mine; }}
        {{% endblock %}}"""
    async with served([config_map(main_template=main, ingress_template=BLOCK), host("tea")]) as nginx:
        assert (await nginx.get("tea.test", port=port)).text == "mine"
        answer = await nginx.get("tea.test")
        assert (answer.text, answer.headers["X-Server"]) == ("tea", "tea.test")
        assert (await nginx.get("tea.test", method="POST")).status == 403
        assert nginx.backend("tea").last.headers["X-Forwarded-Host"] == "tea.test"
        assert (await nginx.get("unknown.test")).status == 404


async def test_virtual_servers_have_a_template_of_their_own() -> None:
    route = {"path": "/", "action": {"return": {"body": "cafe"}}}
    cafe = {
        "apiVersion": "k8s.nginx.org/v1",
        "kind": "VirtualServer",
        "metadata": {"name": "cafe", "namespace": "default"},
        "spec": {"host": "cafe.test", "routes": [route]},
    }
    async with served([config_map(virtualserver_template=BLOCK), host("tea"), cafe]) as nginx:
        assert "X-Server" not in (await nginx.get("tea.test")).headers
        assert (await nginx.get("cafe.test", method="POST")).status == 403
    async with served([config_map(ingress_template=BLOCK), host("tea"), cafe]) as nginx:
        assert (await nginx.get("tea.test")).headers["X-Server"] == "tea.test"
        assert (await nginx.get("cafe.test", method="POST")).status == 200


async def test_transport_servers_have_a_template_of_their_own() -> None:
    port = free_port()
    custom = {"apiVersion": "k8s.nginx.org/v1", "metadata": {"name": "tea", "namespace": "default"}}
    listeners = {**custom, "kind": "GlobalConfiguration"}
    listeners["spec"] = {"listeners": [{"name": "tcp", "port": port, "protocol": "TCP"}]}
    tea = {**custom, "kind": "TransportServer"}
    upstream = {"name": "tea", "service": "tea", "port": 80}
    listener = {"name": "tcp", "protocol": "TCP"}
    tea["spec"] = {"listener": listener, "upstreams": [upstream], "action": {"pass": "tea"}}
    template = """{% for server in config.servers %}
server {
    {% for listen in server.listens %}
    listen {{ listen }};
    {% endfor %}
    return mine;
}
{% endfor %}
"""
    async with served([config_map(transportserver_template=template), host("tea"), listeners, tea]):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read() == b"mine"
        writer.close()
