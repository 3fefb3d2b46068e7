"""Which objects must leave a port for a moment, because nginx cannot open it at other addresses before it is closed."""

import pytest

from headgate.ir import File, FileSet
from headgate.nginx.isolate import on_shifted_port
from headgate.problems import ObjectRef


def files(**listens: str) -> FileSet:
    """Return a file for each object, with what its server listens on, separated by commas."""
    return FileSet(
        File(
            f"stream-conf.d/{name}.conf",
            "".join(f"listen {line};\n" for line in text.split(",")).encode(),
            origin=ObjectRef("TransportServer", "shop", name),
        )
        for name, text in listens.items()
    )


@pytest.mark.parametrize(
    ("before", "after", "left"),
    [
        ({"a": "53", "b": "127.0.0.1:53"}, {"b": "127.0.0.1:53"}, "b"),
        ({"b": "127.0.0.1:53"}, {"a": "53", "b": "127.0.0.1:53"}, "ab"),
        ({"a": "[::]:53", "b": "[::1]:53"}, {"b": "[::1]:53"}, "b"),
        ({"a": "53,[::]:53", "b": "127.0.0.1:53"}, {"a": "53", "b": "127.0.0.1:53"}, ""),
        ({"a": "127.0.0.1:53"}, {"b": "127.0.0.2:53"}, ""),
        ({"a": "53"}, {"b": "53"}, ""),
        ({"a": "53"}, {"b": "127.0.0.1:54"}, ""),
        ({}, {"a": "53", "b": "127.0.0.1:53"}, ""),
    ],
)
def test_they_are_those_of_a_port_that_changes_between_all_addresses_and_some(
    before: dict[str, str], after: dict[str, str], left: str
) -> None:
    assert {ref.name for ref in on_shifted_port("53", files(**after), files(**before))} == set(left)
