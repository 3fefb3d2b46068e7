"""GeoIP2 databases and the variables that ingress-nginx reads from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from headgate.ir.addons import GEOIP2
from headgate.ir.main import Database
from headgate.settings import Words
from headgate.translate.environment import Environment

DIRECTORY: Final = "/etc/ingress-controller/geoip"
"""Where databases are mounted."""
_COUNTRY: Final = {"code": "country iso_code", "name": "country names en"}
_CITY: Final = {
    "geoip2_city_country_code": _COUNTRY["code"],
    "geoip2_city_country_name": _COUNTRY["name"],
    "geoip2_city": "city names en",
    "geoip2_postal_code": "postal code",
    "geoip2_dma_code": "location metro_code",
    "geoip2_latitude": "location latitude",
    "geoip2_longitude": "location longitude",
    "geoip2_time_zone": "location time_zone",
    "geoip2_region_code": "subdivisions 0 iso_code",
    "geoip2_region_name": "subdivisions 0 names en",
}
_OF_COUNTRY: Final = {"geoip2_country_code": _COUNTRY["code"], "geoip2_country_name": _COUNTRY["name"]}
VARIABLES: Final[Mapping[str, Mapping[str, str]]] = {
    "GeoLite2-City": _CITY,
    "GeoIP2-City": _CITY,
    "GeoLite2-Country": _OF_COUNTRY,
    "GeoIP2-Country": _OF_COUNTRY,
    "GeoLite2-ASN": {
        "geoip2_asn": "autonomous_system_number",
        "geoip2_org": "autonomous_system_organization",
    },
}
"""The databases that are known, by the names of their editions: variables, and where their values are."""


def databases(env: Environment) -> tuple[Database, ...]:
    """Return the databases to be read, the first of those that have the same variables."""
    if not (env.params.addons.geoip2 and env.capabilities.has(GEOIP2)):
        return ()
    found: list[Database] = []
    taken: set[str] = set()
    for name in env.databases:
        variables = VARIABLES[name]
        if taken.isdisjoint(variables):
            taken.update(variables)
            places = tuple((variable, Words(place.split())) for variable, place in variables.items())
            found.append(Database(f"{DIRECTORY}/{name}.mmdb", places))
    return tuple(found)
