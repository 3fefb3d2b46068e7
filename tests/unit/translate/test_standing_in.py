"""What stands in for locations that nginx refuses."""

import pytest

from headgate.ir.http import Location
from headgate.settings import NOTHING, Quoted
from headgate.translate.standing_in import refused_locations


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("^/v[0-9]+/x", "^/v[0-9]+/x"),
        ("^/a[z-a]", "^/a"),
        ("^/ab+[z-a]", "^/a"),
        ("^/a.b[z-a]", "^/a"),
        ("^/a-b[z-a]", "^/a\\-b"),
        ("^/x|/a[z-a]", "^/"),
        ("^[z-a]", "^/"),
    ],
)
def test_an_expression_that_nginx_may_refuse_is_closed_by_its_literal_beginning(pattern: str, expected: str) -> None:
    (found,) = refused_locations([Location(path=Quoted(pattern), modifier="~*", own=NOTHING)])
    assert (found.path, found.modifier, found.refused) == (expected, "~*", True)


def test_what_no_client_reaches_is_left_out_and_each_place_is_there_once() -> None:
    places = [Location(path=path, own=NOTHING) for path in ("/a", "@named", "/a")]
    inner = Location(path="/inner", own=NOTHING, internal=True)
    assert [each.path for each in refused_locations([*places, inner])] == ["/a"]
