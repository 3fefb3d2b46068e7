"""Which addresses an Ingress reports."""

import pytest

from headgate.api.core import LoadBalancerIngress, Service
from headgate.reporting.status import address, addresses

IP = LoadBalancerIngress(ip="203.0.113.7")
HOST = LoadBalancerIngress(hostname="lb.example.com")


def service(text: str) -> Service:
    return Service.decode(text)


BALANCER = service(
    '{"spec": {"type": "LoadBalancer", "externalIPs": ["198.51.100.1", "203.0.113.7"]},'
    ' "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}, {"hostname": "lb.example.com"}]}}}'
)


def test_load_balancer_addresses_come_before_external_ips_each_once() -> None:
    assert addresses(BALANCER) == (IP, HOST, LoadBalancerIngress(ip="198.51.100.1"))


def test_the_address_of_the_config_map_is_used_before_that_of_the_service() -> None:
    assert addresses(BALANCER, "lb.example.com") == (HOST,)
    assert addresses(BALANCER, " ") == addresses(BALANCER)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"spec": {"type": "ExternalName", "externalName": "lb.example.com"}}', (HOST,)),
        ('{"spec": {"type": "ExternalName"}}', ()),
        ('{"spec": {"type": "ClusterIP", "externalIPs": ["203.0.113.7"]}}', (IP,)),
        ('{"spec": {"type": "NodePort"}, "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}}}', ()),
        ('{"spec": {"type": "LoadBalancer"}, "status": {"loadBalancer": {"ingress": null}}}', ()),
        ('{"spec": {"type": "LoadBalancer"}, "status": {"loadBalancer": {"ingress": [{}]}}}', ()),
        ('{"spec": {"type": "LoadBalancer"}, "status": null}', ()),
        ('{"spec": null}', ()),
    ],
)
def test_each_type_of_service_has_its_addresses(text: str, expected: tuple[LoadBalancerIngress, ...]) -> None:
    assert addresses(service(text)) == expected


def test_without_a_service_there_are_no_addresses() -> None:
    assert addresses(None) == ()
    assert addresses(None, "203.0.113.7") == (IP,)


def test_ipv6_is_an_ip() -> None:
    assert address("2001:DB8::0001") == LoadBalancerIngress(ip="2001:db8::1")
