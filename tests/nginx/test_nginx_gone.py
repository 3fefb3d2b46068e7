"""What an object leaves behind: nothing once it is gone, and its last good files only while they are its own."""

from msgspec import structs

from headgate.ir import File, Outcome
from headgate.nginx import LocalManager
from tests.nginx.nginx_site import Site, origin

FILE = "conf.d/_default-server.conf"


def bare(site: Site, name: str = "", body: str = "") -> File:
    """The server for every host that nobody names, Headgate's own or that of the object *name*."""
    port = site.port
    own = f"server {{ listen 127.0.0.1:{port}; server_name any.test; return 200 own; }}".encode()
    if not name:
        return File(FILE, own)
    text = f"server {{ listen 127.0.0.1:{port}; server_name any.test; {body or f'return 200 {name};'} }}"
    return File(FILE, text.encode(), origin(name), fallback=own)


def owning(file: File, *hosts: str) -> File:
    return structs.replace(file, claims=frozenset(f"server {host}.test" for host in hosts))


async def test_an_object_without_host_that_is_refused_does_not_stop_the_start(
    site: Site, manager: LocalManager
) -> None:
    result = await manager.start(site.files(bare(site, "x", "nonsense on;"), site.server("tea")))
    assert (result.outcome, list(result.refused), result.kept) == (Outcome.APPLIED, [origin("x")], frozenset())
    assert (await site.get("any"), await site.get("tea")) == ("own", "tea")
    assert site.on_disk(FILE) == bare(site).data


async def test_every_object_without_host_that_is_refused_falls_back_to_our_own_file(
    site: Site, manager: LocalManager
) -> None:
    await manager.start(site.files(bare(site)))
    result = await manager.apply(site.files(bare(site, "x", "nonsense on;"), site.server("coffee")))
    assert (list(result.refused), result.kept) == ([origin("x")], frozenset())
    assert (await site.get("any"), await site.get("coffee")) == ("own", "coffee")


async def test_an_update_of_an_object_without_host_that_is_refused_keeps_what_it_served(
    site: Site, manager: LocalManager
) -> None:
    await manager.start(site.files(bare(site, "x"), site.server("x")))
    result = await manager.apply(site.files(bare(site, "x", "nonsense on;"), site.server("x", "return 200 new;")))
    assert (list(result.refused), result.kept) == ([origin("x")], {origin("x")})
    assert (await site.get("any"), await site.get("x")) == ("x", "x")


async def test_a_deleted_object_does_not_serve_in_place_of_its_refused_successor(
    site: Site, manager: LocalManager
) -> None:
    await manager.start(site.files(bare(site, "elder"), site.server("elder")))
    assert await site.get("any") == "elder"
    follows = bare(site, "younger", "sub_filter_once invalid;")
    result = await manager.apply(site.files(follows))
    assert (list(result.refused), result.kept) == ([origin("younger")], frozenset())
    assert (await site.get("any"), await site.get("elder")) == ("own", "default")
    await manager.apply(site.files(follows, site.server("coffee")))
    assert (await site.get("any"), await site.get("coffee")) == ("own", "coffee")


async def test_an_object_that_asks_for_one_host_in_place_of_all_keeps_all_while_it_is_refused(
    site: Site, manager: LocalManager
) -> None:
    await manager.start(site.files(bare(site, "x")))
    result = await manager.apply(site.files(bare(site), site.server("x", "nonsense on;"), site.server("coffee")))
    assert (list(result.refused), result.kept) == ([origin("x")], {origin("x")})
    assert (await site.get("any"), await site.get("x"), await site.get("coffee")) == ("x", "default", "coffee")
    younger = site.files(bare(site, "y"), site.server("x", "nonsense on;"), site.server("coffee"))
    result = await manager.apply(younger)
    assert (list(result.refused), result.kept) == ([origin("x")], frozenset())
    assert (await site.get("any"), await site.get("x")) == ("y", "default")


async def test_a_host_goes_to_its_new_owner_though_the_old_one_is_refused(site: Site, manager: LocalManager) -> None:
    """Files are included in order of their names, and of two servers of one name nginx takes the first."""
    body = "server_name a.test b.test; return 200 a;"
    await manager.start(site.files(owning(site.server("a", body), "a", "b")))
    assert (await site.get("a"), await site.get("b")) == ("a", "a")
    taker = structs.replace(site.server("b"), name="conf.d/default-z.conf", origin=origin("z"))
    wanted = site.files(owning(site.server("a", "nonsense on;"), "a"), owning(taker, "b"))
    result = await manager.apply(wanted)
    assert (list(result.refused), result.kept) == ([origin("a")], frozenset())
    assert (await site.get("b"), await site.get("a")) == ("b", "default")


async def test_who_needs_something_of_a_deleted_object_is_left_out_not_the_deletion(
    site: Site, manager: LocalManager
) -> None:
    maker = site.server("maker", before="upstream shared { server 127.0.0.1:1; }")
    user = site.server("user", "location /x { proxy_pass http://shared; } return 200 user;")
    others = [site.server(name) for name in ("tea", "coffee")]
    await manager.start(site.files(maker, user, *others))
    result = await manager.apply(site.files(user, *others, site.server("new")))
    assert (result.outcome, list(result.refused)) == (Outcome.APPLIED, [origin("user")])
    assert 'host not found in upstream "shared"' in result.refused[origin("user")]
    assert (result.kept, result.retry) == (frozenset(), {origin("user")})
    assert [await site.get(name) for name in ("maker", "user", "tea", "coffee", "new")] == [
        "default", "default", "tea", "coffee", "new",
    ]  # fmt: skip
    back = await manager.apply(site.files(maker, user, *others, site.server("new")), retry=result.retry)
    assert (back.refused, await site.get("user")) == ({}, "user")


async def test_who_needs_a_zone_of_a_deleted_object_is_found_though_nginx_names_no_file(
    site: Site, manager: LocalManager
) -> None:
    maker = site.server("maker", before="limit_req_zone $uri zone=shop:64k rate=1000r/s;")
    user = site.server("user", "limit_req zone=shop; return 200 user;")
    await manager.start(site.files(maker, user, site.server("tea")))
    result = await manager.apply(site.files(user, site.server("tea")))
    assert (result.outcome, list(result.refused)) == (Outcome.APPLIED, [origin("user")])
    assert [await site.get(name) for name in ("maker", "user", "tea")] == ["default", "default", "tea"]


async def test_a_deletion_is_not_blamed_for_what_our_own_files_break(site: Site, manager: LocalManager) -> None:
    user = site.server("user", "access_log /dev/null short; return 200 user;")
    await manager.start(site.files(user, site.server("tea"), extra="log_format short '$uri';"))
    result = await manager.apply(site.files(user))
    assert (result.outcome, result.refused) == (Outcome.REFUSED, {})
    assert (result.kept, result.passing) == ({origin("user"), origin("tea")}, False)
    assert [await site.get(name) for name in ("user", "tea")] == ["user", "tea"]
