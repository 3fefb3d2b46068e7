"""What an object leaves behind: nothing once it is gone, and its last good files only while they are its own."""

from msgspec import structs

from headgate.ir import File, Outcome
from tests.nginx.nginx_under_test import FileManager, NginxUnderTest, origin

FILE = "conf.d/_default-server.conf"


def bare(nginx: NginxUnderTest, name: str = "", body: str = "") -> File:
    """The server for every host that nobody names, Headgate's own or that of the object *name*."""
    port = nginx.port
    own = f"server {{ listen 127.0.0.1:{port}; server_name any.test; return 200 own; }}".encode()
    if not name:
        return File(FILE, own)
    text = f"server {{ listen 127.0.0.1:{port}; server_name any.test; {body or f'return 200 {name};'} }}"
    return File(FILE, text.encode(), origin(name), fallback=own)


def owning(file: File, *hosts: str) -> File:
    return structs.replace(file, claims=frozenset(f"server {host}.test" for host in hosts))


async def test_an_object_without_host_that_is_refused_does_not_stop_the_start(
    nginx: NginxUnderTest, manager: FileManager
) -> None:
    result = await manager.start(nginx.files(bare(nginx, "x", "nonsense on;"), nginx.server("tea")))
    assert (result.outcome, list(result.refused), result.kept) == (Outcome.APPLIED, [origin("x")], frozenset())
    assert (await nginx.get("any"), await nginx.get("tea")) == ("own", "tea")
    assert nginx.read_file(FILE) == bare(nginx).data


async def test_every_object_without_host_that_is_refused_falls_back_to_our_own_file(
    nginx: NginxUnderTest, manager: FileManager
) -> None:
    await manager.start(nginx.files(bare(nginx)))
    result = await manager.apply(nginx.files(bare(nginx, "x", "nonsense on;"), nginx.server("coffee")))
    assert (list(result.refused), result.kept) == ([origin("x")], frozenset())
    assert (await nginx.get("any"), await nginx.get("coffee")) == ("own", "coffee")


async def test_an_update_of_an_object_without_host_that_is_refused_keeps_what_it_served(
    nginx: NginxUnderTest, manager: FileManager
) -> None:
    await manager.start(nginx.files(bare(nginx, "x"), nginx.server("x")))
    result = await manager.apply(nginx.files(bare(nginx, "x", "nonsense on;"), nginx.server("x", "return 200 new;")))
    assert (list(result.refused), result.kept) == ([origin("x")], {origin("x")})
    assert (await nginx.get("any"), await nginx.get("x")) == ("x", "x")


async def test_a_deleted_object_does_not_serve_in_place_of_its_refused_successor(
    nginx: NginxUnderTest, manager: FileManager
) -> None:
    await manager.start(nginx.files(bare(nginx, "elder"), nginx.server("elder")))
    assert await nginx.get("any") == "elder"
    follows = bare(nginx, "younger", "sub_filter_once invalid;")
    result = await manager.apply(nginx.files(follows))
    assert (list(result.refused), result.kept) == ([origin("younger")], frozenset())
    assert (await nginx.get("any"), await nginx.get("elder")) == ("own", "default")
    await manager.apply(nginx.files(follows, nginx.server("coffee")))
    assert (await nginx.get("any"), await nginx.get("coffee")) == ("own", "coffee")


async def test_an_object_that_asks_for_one_host_in_place_of_all_keeps_all_while_it_is_refused(
    nginx: NginxUnderTest, manager: FileManager
) -> None:
    await manager.start(nginx.files(bare(nginx, "x")))
    result = await manager.apply(nginx.files(bare(nginx), nginx.server("x", "nonsense on;"), nginx.server("coffee")))
    assert (list(result.refused), result.kept) == ([origin("x")], {origin("x")})
    assert (await nginx.get("any"), await nginx.get("x"), await nginx.get("coffee")) == ("x", "default", "coffee")
    younger = nginx.files(bare(nginx, "y"), nginx.server("x", "nonsense on;"), nginx.server("coffee"))
    result = await manager.apply(younger)
    assert (list(result.refused), result.kept) == ([origin("x")], frozenset())
    assert (await nginx.get("any"), await nginx.get("x")) == ("y", "default")


async def test_a_host_is_served_by_its_new_claimant_though_the_old_one_is_refused(
    nginx: NginxUnderTest, manager: FileManager
) -> None:
    """Files are included in order of their names, and of two servers of one name nginx takes the first."""
    body = "server_name a.test b.test; return 200 a;"
    await manager.start(nginx.files(owning(nginx.server("a", body), "a", "b")))
    assert (await nginx.get("a"), await nginx.get("b")) == ("a", "a")
    taker = structs.replace(nginx.server("b"), name="conf.d/default-z.conf", origin=origin("z"))
    wanted = nginx.files(owning(nginx.server("a", "nonsense on;"), "a"), owning(taker, "b"))
    result = await manager.apply(wanted)
    assert (list(result.refused), result.kept) == ([origin("a")], frozenset())
    assert (await nginx.get("b"), await nginx.get("a")) == ("b", "default")


async def test_an_object_that_needs_a_deleted_one_is_left_out_and_the_deletion_applies(
    nginx: NginxUnderTest, manager: FileManager
) -> None:
    maker = nginx.server("maker", before="upstream shared { server 127.0.0.1:1; }")
    user = nginx.server("user", "location /x { proxy_pass http://shared; } return 200 user;")
    others = [nginx.server(name) for name in ("tea", "coffee")]
    await manager.start(nginx.files(maker, user, *others))
    result = await manager.apply(nginx.files(user, *others, nginx.server("new")))
    assert (result.outcome, list(result.refused)) == (Outcome.APPLIED, [origin("user")])
    assert 'host not found in upstream "shared"' in result.refused[origin("user")]
    assert (result.kept, result.retry) == (frozenset(), {origin("user")})
    assert [await nginx.get(name) for name in ("maker", "user", "tea", "coffee", "new")] == [
        "default", "default", "tea", "coffee", "new",
    ]  # fmt: skip
    back = await manager.apply(nginx.files(maker, user, *others, nginx.server("new")), retry=result.retry)
    assert (back.refused, await nginx.get("user")) == ({}, "user")


async def test_an_object_that_needs_the_zone_of_a_deleted_one_is_found_though_nginx_names_no_file(
    nginx: NginxUnderTest, manager: FileManager
) -> None:
    maker = nginx.server("maker", before="limit_req_zone $uri zone=shop:64k rate=1000r/s;")
    user = nginx.server("user", "limit_req zone=shop; return 200 user;")
    await manager.start(nginx.files(maker, user, nginx.server("tea")))
    result = await manager.apply(nginx.files(user, nginx.server("tea")))
    assert (result.outcome, list(result.refused)) == (Outcome.APPLIED, [origin("user")])
    assert [await nginx.get(name) for name in ("maker", "user", "tea")] == ["default", "default", "tea"]


async def test_a_deletion_is_not_blamed_for_what_our_own_files_break(
    nginx: NginxUnderTest, manager: FileManager
) -> None:
    user = nginx.server("user", "access_log /dev/null short; return 200 user;")
    await manager.start(nginx.files(user, nginx.server("tea"), extra="log_format short '$uri';"))
    result = await manager.apply(nginx.files(user))
    assert (result.outcome, result.refused) == (Outcome.REFUSED, {})
    assert (result.kept, result.passing) == ({origin("user"), origin("tea")}, False)
    assert [await nginx.get(name) for name in ("user", "tea")] == ["user", "tea"]
