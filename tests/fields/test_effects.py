"""Every field of the custom resources, and what a value of it changes (``tests/fields/out``)."""

from __future__ import annotations

import csv
import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from headgate.api.base import Model
from headgate.api.nginx_org.fields import Field, declared
from headgate.ir import Layout
from tests.directories import short_directory
from tests.fields.effects import Specimen, World, effects, numbered, objects
from tests.fields.tables import Entry, Group, after, groups, with_fields
from tests.nginx_binaries import BINARIES, capabilities, prepare, refusal

OUT = Path(__file__).with_name("out")
INVENTORY = Path(__file__).parents[1] / "parity" / "nic-crd-fields.csv"
DECLARED = {"status": "is written by Headgate: tests/reporting and tests/unit/reporting"}
"""Fields without an entry, with those inside, and why."""
OWN = {("Policy", f"spec.jwt.{name}") for name in ("issuer", "audience", "leeway")} | {("Policy", "spec.oidc.issuer")}
"""Fields that the incumbent does not have."""
WORKING = ("spec.jwt", "spec.oidc", "spec.rateLimit.condition.jwt")
"""Fields of NGINX Plus that have an effect here, with those inside."""


def inventory() -> list[dict[str, str]]:
    with INVENTORY.open() as file:
        return list(csv.DictReader(file))


def written(group: Group) -> Path:
    """Return the file with what the entries of *group* change."""
    return OUT / f"{group.name.replace('[]', '')}.txt"


def test_each_field_changes_what_its_table_says(pytestconfig: pytest.Config) -> None:
    differing, idle = [], []
    for group in groups():
        found = effects()[group.name]
        text = "\n".join("".join(f"{line}\n" for line in (title, *lines)) for title, lines in found.items())
        if pytestconfig.getoption("--update"):
            written(group).write_text(text)
        differing += [] if written(group).read_text() == text else [written(group).name]
        idle += [title for title, lines in found.items() if not lines]
    assert differing == [], "run `make update` and read the diff"
    assert idle == []


def test_each_file_belongs_to_a_table() -> None:
    assert set(OUT.iterdir()) == {written(group) for group in groups()}


"""Fields that the incumbent does not have."""


def test_every_field_has_an_entry_or_a_reason() -> None:
    tried = {(group.kind, entry.path) for group in groups() for entry in group.entries}
    around = {(kind, path[:at]) for kind, path in tried for at in range(len(path)) if path[at] in ".["}
    fields = {(row["kind"], row["path"]): row["type"] for row in inventory()}
    assert tried - OWN <= fields.keys()
    objects = {key for key, kind in fields.items() if kind.endswith("object")} & around
    reasoned = {(kind, path) for kind, path in fields if path.partition(".")[0] in DECLARED}
    assert sorted(fields.keys() - tried - objects - reasoned) == []


def test_a_field_of_nginx_plus_is_reported() -> None:
    plus = {(row["kind"], row["path"]) for row in inventory() if row["plus_only"].startswith("yes")}
    seen = 0
    for group in groups():
        blocks = written(group).read_text().split("\n\n")
        for entry, block in zip(group.entries, blocks, strict=True):
            if (group.kind, entry.path) in plus and not entry.path.startswith(WORKING):
                seen += 1
                assert "\n! " in block, block
    assert seen > 100


def revocations() -> bytes:
    """Return an empty revocation list, which ``crlFileName`` names."""
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateRevocationListBuilder().issuer_name(x509.Name([])).last_update(now)
    found = builder.next_update(now + dt.timedelta(days=1)).sign(
        ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()
    )
    return found.public_bytes(Encoding.PEM)


def accepted(binary: str, part: Mapping[str, Specimen]) -> str:
    """Return why the nginx at *binary* refuses what is made of *part*, or ``""``."""
    with short_directory() as path:
        place = Layout.under(str(path))
        world = World(objects(part), capabilities(binary), place)
        prepare(place)
        world.write(Path(place.conf))
        Path(place.conf, "secrets").mkdir(exist_ok=True)
        Path(place.conf, "secrets", "revoked.crl").write_bytes(revocations())
        return refusal(binary, place)


@pytest.fixture(params=["system", "wheel"])
def binary(request: pytest.FixtureRequest) -> str:
    return BINARIES.get(request.param) or pytest.skip(f"no nginx: {request.param}")


def test_nginx_accepts_each_value(binary: str) -> None:
    for part in numbered():
        specs = {name: Specimen(group, after(group, entry), entry.beside) for name, (group, entry) in part.items()}
        assert accepted(binary, specs) == ""


def variables(group: Group, entry: Entry, *, counters: bool) -> str:
    """Return a text with every variable that the field of *entry* may have, ``""`` if it has none.

    Without *counters*, those of ngx_http_stub_status_module are left out.
    """
    kind, field = declaration(group.model, entry.path)
    left_out = ("jwt_",) if counters else ("jwt_", "connections_")
    names = [name.replace("*", "x") for name in field.variables if not name.startswith(left_out)] if kind is str else []
    return "".join(f"${{{name}}}" for name in names)


def declaration(model: type[Model], path: str) -> tuple[Any, Field]:
    """Return the type and the declaration of the field at *path*."""
    found: Any = next(entry.type for entry in msgspec.structs.fields(model) if entry.name == "spec")
    each = None
    for step in path.split(".")[1:]:
        inner = [kind for kind in (*get_args(found), found) if isinstance(kind, type) and issubclass(kind, Model)]
        each = next(each for each in declared(inner[0]) if each.name == step.partition("[")[0])
        found = get_args(each.kind)[0] if get_origin(each.kind) is tuple else each.kind
    assert each
    return each.kind, each.field


def test_nginx_knows_each_variable_that_a_text_may_have(binary: str) -> None:
    (part, *_) = numbered()
    counters = capabilities(binary).stub_status
    texts = {name: variables(group, entry, counters=counters) for name, (group, entry) in part.items()}
    specs = {
        name: Specimen(group, with_fields(after(group, entry), {entry.path: prefix(entry) + texts[name]}), entry.beside)
        for name, (group, entry) in part.items()
        if texts[name]
    }
    assert len(specs) > 20
    world = World(objects(specs))
    assert {name: world.problems[name] for name in specs if any(each.refuses for each in world.problems[name])} == {}
    assert accepted(binary, specs) == ""


def prefix(entry: Entry) -> str:
    """Return what a URL begins with."""
    return "http://a.example.com/" if entry.path.endswith(".url") else ""
