from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.api import Ingress, Service
from headgate.api.networking import ServiceBackendPort
from headgate.problems import Severity
from headgate.resolve import Wanted, endpoints
from tests.unit.resolve.api_objects import service, slice_

INGRESS = Ingress.KIND.ref("default", "cafe")
HTTP = ServiceBackendPort(number=80)


def ask(found, slices=(), port=HTTP, **more):
    """Return the servers and the text of the Problems."""
    wanted = Wanted(INGRESS, "spec.defaultBackend.service", "tea", port, **more)
    addresses, problems = endpoints(wanted, found, list(slices))
    assert all(problem.origin == INGRESS and problem.severity is Severity.WARNING for problem in problems)
    return addresses.servers, [str(problem) for problem in problems]


def state(address: str, **conditions: bool) -> dict:
    return {"addresses": [address], "conditions": conditions}


def ports(*found: dict) -> Service:
    return service(ports=list(found))


def test_all_slices_count_sorted_and_each_address_once():
    slices = [slice_("b", "10.0.0.9", "10.0.0.1"), slice_("a", "10.0.0.1", "10.0.0.5")]
    assert ask(service(), slices) == (("10.0.0.1:8080", "10.0.0.5:8080", "10.0.0.9:8080"), [])


def test_dual_stack_uses_both_families_and_writes_ipv6_in_brackets_in_one_spelling():
    six = slice_("six", "fd00::7", "fd00:0:0::0007", addressType="IPv6")
    assert ask(service(), [slice_("four", "10.0.0.7"), six]) == (("10.0.0.7:8080", "[fd00::7]:8080"), [])


@pytest.mark.parametrize(
    ("spec_port", "slice_ports", "wanted", "number"),
    [
        pytest.param({"name": "web", "port": 80}, [{"name": "web", "port": 8080}], {"number": 80}, 8080, id="number"),
        pytest.param({"name": "web", "port": 80}, [{"name": "web", "port": 8080}], {"name": "web"}, 8080, id="name"),
        pytest.param({"port": 80}, [{"name": "", "port": 8080}], {"number": 80}, 8080, id="unnamed and empty"),
        pytest.param({"port": 80}, [{"port": 8080}], {"number": 80}, 8080, id="both unnamed"),
        pytest.param({"name": "", "port": 80}, [{"name": None, "port": 8080}], {"number": 80}, 8080, id="null name"),
        pytest.param(
            {"name": "web", "port": 80, "targetPort": "http"},
            [{"name": "other", "port": 1}, {"name": "web", "port": 3000}],
            {"number": 80},
            3000,
            id="a named target port has its number in the slice",
        ),
        pytest.param(
            {"port": 80, "targetPort": 8080}, [{"name": "hand", "port": 8080}], {"number": 80}, 8080, id="hand-written"
        ),
        pytest.param(
            {"port": 80}, [{"name": "hand", "port": 80}], {"number": 80}, 80, id="target port defaults to port"
        ),
        pytest.param(
            {"name": "web", "port": 80, "targetPort": 8080}, [{"name": "web"}], {"number": 80}, 8080, id="no number"
        ),
        pytest.param(
            {"name": "dns", "port": 80},
            [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns", "port": 54, "protocol": "TCP"}],
            {"number": 80},
            54,
            id="UDP is not for HTTP",
        ),
    ],
)
def test_the_port_of_a_service_is_found_in_its_slices(spec_port, slice_ports, wanted, number):
    found = ask(ports(spec_port), [slice_("a", "10.0.0.1", ports=slice_ports)], ServiceBackendPort(**wanted))
    assert found == ((f"10.0.0.1:{number}",), [])


def test_each_slice_has_its_own_number_for_a_named_target_port():
    slices = [slice_("old", "10.0.0.1"), slice_("new", "10.0.0.2", ports=[{"name": "http", "port": 9090}])]
    named = ports({"name": "http", "port": 80, "targetPort": "web"})
    assert ask(named, slices)[0] == ("10.0.0.1:8080", "10.0.0.2:9090")


def test_the_udp_port_of_the_same_number_is_not_taken():
    both = ports({"name": "quic", "port": 80, "protocol": "UDP"}, {"name": "http", "port": 80, "protocol": "TCP"})
    quic = [{"name": "quic", "port": 9}, {"name": "http", "port": 8080}]
    assert ask(both, [slice_("a", "10.0.0.1", ports=quic)])[0] == ("10.0.0.1:8080",)


@pytest.mark.parametrize(
    ("present", "used"),
    [
        pytest.param([{"addresses": ["10.0.0.1"]}], "10.0.0.1", id="nothing said"),
        pytest.param([{"addresses": ["10.0.0.1"], "conditions": {"ready": None}}], "10.0.0.1", id="null is ready"),
        pytest.param([state("10.0.0.1", ready=True), state("10.0.0.2", ready=False)], "10.0.0.1", id="ready only"),
        pytest.param(
            [state("10.0.0.1", ready=True), state("10.0.0.2", ready=False, serving=True, terminating=True)],
            "10.0.0.1",
            id="a terminating one is not needed",
        ),
        pytest.param(
            [
                state("10.0.0.2", ready=False, serving=True, terminating=True),
                state("10.0.0.3", ready=False, serving=False, terminating=True),
                state("10.0.0.4", ready=False, serving=True, terminating=False),
            ],
            "10.0.0.2",
            id="the last ones that still serve",
        ),
    ],
)
def test_ready_endpoints_are_used_and_terminating_ones_if_there_is_no_other(present, used):
    assert ask(service(), [slice_("a", *present)]) == ((f"{used}:8080",), [])


def test_ready_in_one_slice_keeps_terminating_ones_of_another_out():
    slices = [slice_("a", state("10.0.0.1", ready=False, serving=True, terminating=True)), slice_("b", "10.0.0.2")]
    assert ask(service(), slices)[0] == ("10.0.0.2:8080",)


@pytest.mark.parametrize(
    ("found", "slices", "port", "reason"),
    [
        pytest.param(None, [], HTTP, "there is no Service default/tea", id="no Service"),
        pytest.param(
            service(ports=[{"port": 80}, {"port": 443, "name": "https"}]),
            [slice_("a", "10.0.0.1")],
            ServiceBackendPort(number=81),
            "it has no TCP port '81'; its ports are 80, 443 (https)",
            id="no such number",
        ),
        pytest.param(
            service(),
            [],
            ServiceBackendPort(name="web"),
            "it has no TCP port 'web'; its ports are 80 (http)",
            id="no name",
        ),
        pytest.param(service(ports=None), [], HTTP, "it has no TCP port '80'; its ports are none", id="no ports"),
        pytest.param(
            service(ports=[{"port": 80, "protocol": "UDP", "name": "quic"}]),
            [],
            HTTP,
            "its ports are 80/UDP (quic)",
            id="UDP",
        ),
        pytest.param(service(), [], None, "it has no TCP port ''; its ports are 80 (http)", id="no port asked"),
        pytest.param(service(), [], HTTP, "no EndpointSlice has an address for this port", id="no slice"),
        pytest.param(service(), [slice_("a", endpoints=None)], HTTP, "no EndpointSlice has an", id="endpoints: null"),
        pytest.param(
            service(), [slice_("a", "10.0.0.1", ports=None)], HTTP, "no EndpointSlice has an", id="ports: null"
        ),
        pytest.param(service(), [slice_("a", {"addresses": None})], HTTP, "no EndpointSlice has", id="addresses: null"),
        pytest.param(
            service(ports=[{"name": "http", "port": 80, "targetPort": "web"}]),
            [slice_("a", "10.0.0.1", ports=[{"name": "other", "port": 80}])],
            HTTP,
            "no EndpointSlice has an address for this port",
            id="the slice has other ports",
        ),
        pytest.param(
            service(), [slice_("a", state("10.0.0.1", ready=False))], HTTP, "its only endpoint is not ready", id="one"
        ),
        pytest.param(
            service(),
            [slice_("a", state("10.0.0.1", ready=False), state("10.0.0.2", ready=False, serving=True))],
            HTTP,
            "none of its 2 endpoints is ready",
            id="not ready",
        ),
    ],
)
def test_no_endpoints_is_a_problem_in_the_incumbents_words(found, slices, port, reason):
    servers, problems = ask(found, slices, port)
    assert servers == ()
    assert len(problems) == 1
    assert problems[0].startswith("spec.defaultBackend.service: No endpoints found for service tea: ")
    assert reason in problems[0]


@pytest.mark.parametrize(
    ("address", "fault"),
    [
        ("127.0.0.1", "loopback"),
        ("127.8.9.1", "loopback"),
        ("::1", "loopback"),
        ("::ffff:127.0.0.1", "loopback"),
        ("169.254.169.254", "link-local"),
        ("fe80::1", "link-local"),
        ("::ffff:169.254.169.254", "link-local"),
        ("fe80::1%eth0", "zone"),
        ("0.0.0.0", "unspecified"),
        ("::", "unspecified"),
        ("224.0.0.1", "multicast"),
        ("127.1", "not an IP address"),
        ("10.0.0.1; return 200", "not an IP address"),
        ("unix:/run/x.sock", "not an IP address"),
        ("", "not an IP address"),
    ],
)
def test_an_address_that_the_api_server_would_refuse_is_left_out(address, fault):
    servers, problems = ask(service(), [slice_("a", address, "10.0.0.1")])
    assert servers == ("10.0.0.1:8080",)
    assert len(problems) == 1
    assert fault in problems[0]
    assert "the address is left out" in problems[0]
    alone, problems = ask(service(), [slice_("a", address)])
    assert alone == ()
    assert "none of its addresses can be used" in problems[-1]


def test_loopback_alone_is_allowed_in_standalone_mode():
    slices = [slice_("a", "127.0.0.1", "::1", "169.254.169.254")]
    servers, problems = ask(service(), slices, allow_loopback=True)
    assert servers == ("127.0.0.1:8080", "[::1]:8080")
    assert len(problems) == 1
    assert "169.254.169.254" in problems[0]


def test_many_bad_addresses_are_counted_and_not_all_named():
    servers, problems = ask(service(), [slice_("a", "10.0.0.1", *(f"127.0.0.{i}" for i in range(1, 51)))])
    assert servers == ("10.0.0.1:8080",)
    assert len(problems) == 4
    assert "47 more addresses" in problems[-1]


@pytest.mark.parametrize("number", [-1, 65536, 99999])
def test_a_port_that_is_none_is_left_out(number):
    servers, problems = ask(service(), [slice_("a", "10.0.0.1", ports=[{"name": "http", "port": number}])])
    assert servers == ()
    assert "which is none" in problems[0]


def test_a_slice_of_fqdns_is_a_problem():
    names = slice_("a", "db.example.com", "localhost", "under_score", addressType="FQDN")
    servers, problems = ask(service(), [names])
    assert servers == ("db.example.com:8080",)
    assert len(problems) == 2


class TestExternalName:
    @pytest.mark.parametrize(
        ("name", "server"),
        [
            ("db.example.com", "db.example.com:80"),
            ("DB.example.com.", "db.example.com:80"),
            ("192.0.2.7", "192.0.2.7:80"),
            ("2001:db8::7", "[2001:db8::7]:80"),
        ],
    )
    def test_gives_name_and_port(self, name, server):
        assert ask(service(type="ExternalName", externalName=name, ports=None)) == ((server,), [])

    def test_takes_the_number_of_a_named_port_from_the_service(self):
        external = service(type="ExternalName", externalName="db.example.com", ports=[{"name": "web", "port": 8443}])
        assert ask(external, (), ServiceBackendPort(name="web"))[0] == ("db.example.com:8443",)
        assert "needs a port number" in ask(external, (), ServiceBackendPort(name="x"))[1][0]

    @pytest.mark.parametrize(
        "name",
        [None, "", "localhost", "LOCALHOST.", "x.localhost", "127.0.0.1", "127.1", "2130706433", "0x7f000001", "0x7f.1",
         "0177.0.0.1", "10.0.0.256", "169.254.169.254", "::1", "a b", "a;b", "unix:/run/x", "$host", "a_b", "a" * 254],
    )  # fmt: skip
    def test_refuses_what_is_no_name_or_leads_back_to_the_controller(self, name):
        servers, problems = ask(service(type="ExternalName", externalName=name))
        assert servers == ()
        assert "its externalName" in problems[0]

    def test_may_be_this_machine_in_standalone_mode(self):
        local = service(type="ExternalName", externalName="localhost")
        assert ask(local, allow_loopback=True)[0] == ("localhost:80",)


KEY = "nginx.org/use-cluster-ip"


class TestClusterIP:
    def test_is_used_with_the_port_of_the_service(self):
        assert ask(service(), [slice_("a", "10.0.0.1")], use_cluster_ip=KEY) == (("10.96.0.9:80",), [])
        assert ask(service(clusterIP="fd00::9"), use_cluster_ip=KEY)[0] == ("[fd00::9]:80",)

    @pytest.mark.parametrize("none", ["None", "", None])
    def test_that_is_missing_is_reported_and_endpoints_are_used(self, none):
        servers, problems = ask(service(clusterIP=none), [slice_("a", "10.0.0.1")], use_cluster_ip=KEY)
        assert servers == ("10.0.0.1:8080",)
        assert len(problems) == 1
        assert "use-cluster-ip" in problems[0]
        assert "its endpoints are used" in problems[0]

    def test_needs_a_port_of_the_service(self):
        assert ask(service(), (), ServiceBackendPort(number=81), use_cluster_ip=KEY)[0] == ()

    @pytest.mark.parametrize("address", ["127.0.0.1", "x", "0.0.0.0"])
    def test_that_is_no_proper_address_is_refused(self, address):
        servers, problems = ask(service(clusterIP=address), use_cluster_ip=KEY)
        assert servers == ()
        assert "its cluster IP" in problems[0]


ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6)).map(str)
ENDPOINTS = st.builds(
    lambda address, ready: {"addresses": [address], "conditions": {"ready": ready}},
    ADDRESSES,
    st.sampled_from([True, False, None]),
)


@given(st.lists(st.lists(ENDPOINTS, max_size=6), max_size=4), st.randoms())
def test_neither_the_order_nor_the_division_into_slices_matters(groups, random):
    flat = [endpoint for group in groups for endpoint in group]
    random.shuffle(flat)
    servers, _ = ask(service(), [slice_(str(i), *group) for i, group in enumerate(groups)])
    assert ask(service(), [slice_("one", *flat, *flat)])[0] == servers
    assert len(set(servers)) == len(servers)
    assert list(servers) == sorted(servers)
