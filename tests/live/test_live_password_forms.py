"""Each form of a password file lets its users in, or its owner is told."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.live.json_objects import secret
from tests.live.settings.hosts import host
from tests.live.settings.serving_nginx import ServingNginx, served

pytestmark = pytest.mark.asyncio(loop_scope="module")

TWO = b"# users\nann:{PLAIN}one\n\nbob:{SHA}rXguzax3D8brmmLkT5CHP7l/sms=\n"
SERVED = {
    "plain": TWO,
    "crlf": TWO.replace(b"\n", b"\r\n"),
    "cr-only": TWO.replace(b"\n", b"\r"),
    "bom": b"\xef\xbb\xbf" + TWO.removeprefix(b"# users\n"),
    "bom-crlf": b"\xef\xbb\xbf" + TWO.replace(b"\n", b"\r\n"),
    "no-newline-at-the-end": TWO.strip(),
    "comments-behind": TWO.replace(b"one", b"one:a comment").replace(b"ms=", b"ms=:another"),
}
TOLD = {
    "indented": (TWO.replace(b"ann", b"  ann").replace(b"bob", b"  bob"), "a space before or behind the name"),
    "space-at-the-end": (TWO.replace(b"one", b"one ").replace(b"ms=", b"ms= "), "a space at the end of the password"),
}
USERS = {"ann": "one", "bob": "two"}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def nginx(nginx_binary: str) -> AsyncIterator[ServingNginx]:
    files = SERVED | {name: text for name, (text, _) in TOLD.items()}
    objects = [secret(f"p-{name}", kind="nginx.org/htpasswd", htpasswd=text) for name, text in files.items()]
    objects += [host(name, basic_auth_secret=f"p-{name}") for name in files]
    problems = [words for _, words in TOLD.values()]
    async with served(objects, binary=nginx_binary, problems=[*problems, "a hash format"]) as nginx:
        yield nginx


async def statuses(nginx: ServingNginx, name: str) -> list[int]:
    """Ask as each of the users, and as nobody of them."""
    logins = [f"{user}:{password}" for user, password in [*USERS.items(), ("ann", "two"), ("", "")]]
    headers = [{"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}"} for login in logins]
    return [(await nginx.get(f"{name}.test", headers=header)).status for header in headers]


@pytest.mark.parametrize("name", SERVED)
async def test_every_user_of_the_file_is_accepted_and_no_other(nginx: ServingNginx, name: str) -> None:
    assert await statuses(nginx, name) == [200, 200, 401, 401]


@pytest.mark.parametrize("name", TOLD)
async def test_lines_that_lock_users_out_are_reported(nginx: ServingNginx, name: str) -> None:
    assert await statuses(nginx, name) == [401, 401, 401, 401]
    assert any(TOLD[name][1] in problem and f"'p-{name}'" in problem for problem in nginx.problems)
