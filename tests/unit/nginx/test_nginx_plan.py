from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from headgate.api import Ingress
from headgate.ir import File, FileSet
from headgate.nginx.blame import Blame
from headgate.nginx.isolate import Hold, changed, compose, culprits, gone, idle
from headgate.nginx.plan import Plan, plan
from headgate.problems import ObjectRef

ORIGINS = [Ingress.KIND.ref("default", name) for name in "ab"]

files = st.builds(
    File,
    name=st.sampled_from(["nginx.conf", "conf.d/a.conf", "conf.d/b.conf", "secrets/a", "secrets/b"]),
    data=st.sampled_from([b"1", b"2"]),
    origin=st.sampled_from([None, *ORIGINS]),
    mode=st.sampled_from([0o600, 0o644]),
    needs_reload=st.booleans(),
    fallback=st.sampled_from([None, b"0"]),
    claims=st.frozensets(st.sampled_from(["server a.test", "server b.test"]), max_size=1),
)
sets = st.lists(files, unique_by=lambda file: file.name).map(FileSet)


def carried_out(present: FileSet, steps: Plan) -> FileSet:
    left = {name: file for name, file in present.items() if name not in {*steps.removals, *steps.leavings}}
    return FileSet({**left, **{file.name: file for file in steps.writes}}.values())


def of(files_: FileSet, origin: ObjectRef) -> tuple[File, ...]:
    return tuple(file for file in files_.values() if file.origin == origin)


def conf(name: str, data: bytes = b"") -> File:
    return File(f"conf.d/{name}.conf", data)


def secret(name: str, data: bytes = b"") -> File:
    return File(f"secrets/{name}", data, needs_reload=False)


@given(sets, sets)
def test_after_the_plan_nothing_is_left_to_do(present: FileSet, wanted: FileSet) -> None:
    there = carried_out(present, plan(present, wanted))
    assert plan(there, wanted) == Plan()
    assert set(there) == set(wanted)


def test_what_is_added_stands_in_order_of_names() -> None:
    files_ = FileSet([conf("b")]).changed({each.name: each for each in (conf("c"), conf("a"))})
    names = ["conf.d/a.conf", "conf.d/b.conf", "conf.d/c.conf"]
    assert [*files_] == [*files_.items().mapping] == [file.name for file in files_.values()] == names
    without = files_.changed({names[1]: None})
    assert [*without] == [names[0], names[2]]
    assert without.since(files_) == ([conf("b")], [])
    assert files_.since(without) == ([], [conf("b")])


def test_a_set_that_is_the_very_same_is_not_looked_through() -> None:
    class Unread(FileSet):
        def since(self, old: FileSet) -> tuple[list[File], list[File]]:
            raise AssertionError("thousands of files are looked through though none changed")

    files_ = Unread([conf("a")])
    assert plan(files_, files_) == Plan()


def test_secrets_are_written_first_and_the_main_file_last() -> None:
    wanted = FileSet([File("nginx.conf", b""), conf("b"), conf("a"), secret("z")])
    names = [file.name for file in plan(FileSet(), wanted).writes]
    assert names == ["secrets/z", "conf.d/a.conf", "conf.d/b.conf", "nginx.conf"]


def test_changed_added_and_removed_secrets_need_no_reload() -> None:
    here, there = FileSet([secret("a", b"1"), secret("b")]), FileSet([secret("a", b"2"), secret("c")])
    steps = plan(here, there)
    assert not steps.reload
    assert (steps.removals, steps.leavings) == ((), ("secrets/b",))


def test_changed_added_and_removed_configuration_files_need_a_reload() -> None:
    assert plan(FileSet(), FileSet([conf("a")])).reload
    assert plan(FileSet([conf("a", b"1")]), FileSet([conf("a", b"2")])).reload
    gone = plan(FileSet([conf("a")]), FileSet())
    assert gone.reload
    assert gone.removals == ("conf.d/a.conf",)


def test_another_mode_is_a_change_and_another_origin_is_none() -> None:
    here = FileSet([File("secrets/a", b"", mode=0o600, needs_reload=False)])
    assert plan(here, FileSet([File("secrets/a", b"", mode=0o640, needs_reload=False)])).writes
    assert plan(here, FileSet([File("secrets/a", b"", mode=0o600, origin=ORIGINS[0])])).empty


@given(sets, sets)
def test_holding_all_changed_objects_leaves_their_last_good_files(wanted: FileSet, good: FileSet) -> None:
    held = compose(wanted, good, dict.fromkeys(changed(wanted, good), Hold.LAST_GOOD))
    for name, file in held.items():
        stands_in = name in wanted and file == wanted[name].without_origin()
        assert stands_in or file in {wanted.get(name), good.get(name)}
    own = {file.name for file in wanted.values() if file.origin is None}
    assert own <= set(held)


@given(sets, sets, st.sets(st.sampled_from(ORIGINS)), st.sampled_from(Hold))
def test_holding_brings_no_deleted_object_back(
    wanted: FileSet, good: FileSet, origins: set[ObjectRef], hold: Hold
) -> None:
    held = compose(wanted, good, dict.fromkeys(origins, hold))
    wanting = {file.origin for file in wanted.values()}
    assert {file.origin for file in held.values()} - {None} <= wanting


@given(sets, sets, st.sets(st.sampled_from(ORIGINS)), st.sampled_from(Hold))
def test_whatever_is_held_a_file_with_a_fallback_is_there(
    wanted: FileSet, good: FileSet, origins: set[ObjectRef], hold: Hold
) -> None:
    held = compose(wanted, good, dict.fromkeys(origins, hold))
    assert {file.name for file in wanted.values() if file.fallback is not None} <= set(held)


@given(sets, sets, st.sets(st.sampled_from(ORIGINS)))
def test_last_good_files_take_nothing_that_belongs_to_another_now(
    wanted: FileSet, good: FileSet, origins: set[ObjectRef]
) -> None:
    held = compose(wanted, good, dict.fromkeys(origins, Hold.LAST_GOOD))
    for file in held.values():
        if file.origin in origins and file is good.get(file.name):
            others = [one for one in wanted.values() if one.origin not in {None, file.origin}]
            assert not any(file.claims & one.claims or file.name == one.name for one in others)


@given(sets, sets, st.sets(st.sampled_from(ORIGINS)))
def test_last_good_files_come_together_or_not_at_all(wanted: FileSet, good: FileSet, origins: set[ObjectRef]) -> None:
    held = compose(wanted, good, dict.fromkeys(origins, Hold.LAST_GOOD))
    for origin in origins:
        own = {file.name for file in of(held, origin)}
        assert own in (set(), {file.name for file in of(good, origin)})


@given(sets, sets)
def test_holding_no_object_changes_nothing(wanted: FileSet, good: FileSet) -> None:
    assert dict(compose(wanted, good, {})) == dict(wanted)


FIRST, SECOND = ORIGINS
THIRD = Ingress.KIND.ref("default", "c")
DEFAULT = "conf.d/_default-server.conf"


def default_server(data: bytes, origin: ObjectRef | None = None) -> File:
    return File(DEFAULT, data, origin, fallback=b"own" if origin else None)


def owned(name: str, data: bytes, origin: ObjectRef, *claims: str) -> File:
    return File(f"conf.d/{name}.conf", data, origin, claims=frozenset(claims))


def texts(files: FileSet) -> dict[str, bytes]:
    return {file.name: file.data for file in files.values()}


def test_an_absent_origin_has_no_file_but_a_fallback() -> None:
    wanted = FileSet([owned("a", b"2", FIRST), default_server(b"2", FIRST)])
    good = FileSet([owned("a", b"1", FIRST), default_server(b"1")])
    assert texts(compose(wanted, good, {FIRST: Hold.ABSENT})) == {DEFAULT: b"own"}
    assert texts(compose(wanted, FileSet(), {FIRST: Hold.LAST_GOOD})) == {DEFAULT: b"own"}


def test_a_guarded_origin_is_closed_where_nothing_else_stands_in_for_it() -> None:
    guarded = File("conf.d/a.conf", b"2", FIRST, closed=b"500", guards=frozenset({"deny"}))
    wanted = FileSet([guarded, owned("b", b"2", SECOND)])
    unguarded, before = owned("a", b"1", FIRST), File("conf.d/a-x.conf", b"1", FIRST, guards=frozenset({"deny"}))
    for good in (FileSet(), FileSet([unguarded])):
        assert texts(compose(wanted, good, {FIRST: Hold.LAST_GOOD}))["conf.d/a.conf"] == b"500"
    assert texts(compose(wanted, FileSet([before]), {FIRST: Hold.ABSENT}))["conf.d/a.conf"] == b"500"
    held = compose(wanted, FileSet([before]), {FIRST: Hold.LAST_GOOD})
    assert texts(held) == {"conf.d/a-x.conf": b"1", "conf.d/b.conf": b"2"}


def test_what_keeps_clients_out_of_paths_refuses_them_where_nothing_else_stands_in_for_it() -> None:
    guards, attached = frozenset({"deny"}), "attached a.test"
    paths = File(
        "attached/b", b"2", SECOND, fallback=b"#", partial=b"500", claims=frozenset({"location x"}), within=attached,
        guards=guards,
    )  # fmt: skip
    wanted = FileSet([paths, owned("a", b"2", FIRST)])
    before = File("attached/b", b"1", SECOND, within=attached, guards=guards)
    for good in (FileSet(), FileSet([File("attached/b", b"1", SECOND, within=attached)])):
        closed = compose(wanted, good, {SECOND: Hold.LAST_GOOD})["attached/b"]
        assert (closed.data, closed.origin, closed.claims) == (b"500", None, frozenset())
        assert paths.is_closed_by(closed)
    assert texts(compose(wanted, FileSet([before]), {SECOND: Hold.LAST_GOOD}))["attached/b"] == b"1"
    bare = compose(wanted, FileSet([before]), {SECOND: Hold.BARE})["attached/b"]
    assert (bare.data, paths.is_closed_by(bare)) == (b"#", False)


def test_the_server_of_a_host_stays_for_others_where_its_own_object_has_no_last_good_files() -> None:
    place = "attached a.test"
    server = structs.replace(owned("a", b"2", FIRST, "server a.test", place), partial=b"shell", closed=b"500")
    attached = File("attached/b", b"2", SECOND, fallback=b"#", within=place)
    wanted = FileSet([server, attached])
    held = compose(wanted, FileSet(), {FIRST: Hold.LAST_GOOD})
    assert texts(held) == {"conf.d/a.conf": b"shell", "attached/b": b"2"}
    assert held["conf.d/a.conf"].claims == {place}
    assert not idle(held)
    assert texts(compose(wanted, FileSet(), {FIRST: Hold.BARE}))["conf.d/a.conf"] == b"500"
    other = structs.replace(owned("a-b", b"1", FIRST, "server a.test", place), guards=frozenset({"deny"}))
    assert texts(compose(wanted, FileSet([other]), {FIRST: Hold.LAST_GOOD})) == {
        "conf.d/a-b.conf": b"1", "attached/b": b"2",
    }  # fmt: skip


def test_the_default_server_of_a_deleted_object_is_not_kept_for_its_successor() -> None:
    wanted = FileSet([default_server(b"2", SECOND)])
    good = FileSet([owned("a", b"1", FIRST), default_server(b"1", FIRST)])
    assert texts(compose(wanted, good, {SECOND: Hold.LAST_GOOD})) == {DEFAULT: b"own"}
    assert texts(compose(wanted, good, {FIRST: Hold.LAST_GOOD, SECOND: Hold.LAST_GOOD})) == {DEFAULT: b"own"}


def test_an_object_that_claims_one_host_in_place_of_all_keeps_all_while_its_new_files_are_refused() -> None:
    wanted = FileSet([owned("a", b"2", FIRST), default_server(b"own")])
    good = FileSet([default_server(b"1", FIRST)])
    assert texts(compose(wanted, good, {FIRST: Hold.LAST_GOOD})) == {DEFAULT: b"1"}
    others = FileSet([owned("a", b"2", FIRST), default_server(b"2", SECOND)])
    assert texts(compose(others, good, {FIRST: Hold.LAST_GOOD})) == {DEFAULT: b"2"}
    assert texts(compose(others, good, {FIRST: Hold.LAST_GOOD, SECOND: Hold.LAST_GOOD})) == {DEFAULT: b"own"}


def test_a_host_that_went_to_another_object_is_not_kept_by_a_refused_one() -> None:
    good = FileSet([owned("a", b"1", FIRST, "server a.test", "server b.test")])
    wanted = FileSet([owned("a", b"2", FIRST, "server b.test"), owned("b", b"2", SECOND, "server a.test")])
    assert texts(compose(wanted, good, {FIRST: Hold.LAST_GOOD})) == {"conf.d/b.conf": b"2"}
    alone = FileSet([owned("a", b"2", FIRST, "server b.test")])
    assert texts(compose(alone, good, {FIRST: Hold.LAST_GOOD})) == {"conf.d/a.conf": b"1"}


def opening(name: str, port: int, origin: ObjectRef) -> File:
    data = f"server {{ listen {port}; server_name {name}.test; }}".encode()
    return File(f"conf.d/{name}.conf", data, origin, opens=frozenset({port}))


def following(name: str, port: int, origin: ObjectRef | None = None) -> File:
    return File(f"conf.d/{name}.conf", f"server {{ listen {port}; }}".encode(), origin, follows=port)


def test_what_follows_a_port_is_there_as_long_as_somebody_opens_it() -> None:
    own, beside = following("_listen-8080", 8080), following("b@8080", 8080, SECOND)
    wanted = FileSet([opening("a", 8080, FIRST), opening("b", 80, SECOND), own, beside])
    absent = compose(wanted, FileSet(), {FIRST: Hold.ABSENT})
    assert set(absent) == {"conf.d/b.conf"}
    both = FileSet([*wanted.values(), opening("c", 8080, Ingress.KIND.ref("default", "c"))])
    assert set(compose(both, FileSet(), {FIRST: Hold.ABSENT})) == set(both) - {"conf.d/a.conf"}


def test_last_good_files_bring_back_what_follows_their_port() -> None:
    good = FileSet([opening("a", 8080, FIRST), following("_listen-8080", 8080), following("b@8080", 8080, SECOND)])
    wanted = FileSet([opening("a", 9090, FIRST), following("_listen-9090", 9090)])
    assert set(compose(wanted, good, {FIRST: Hold.LAST_GOOD})) == {"conf.d/a.conf", "conf.d/_listen-8080.conf"}


def test_a_port_that_cannot_be_opened_is_the_fault_of_who_opens_it_and_not_of_who_follows() -> None:
    found = FileSet([opening("a", 8080, FIRST), following("_listen-8080", 8080), following("b@8080", 8080, SECOND)])
    reason = Blame(message="bind() to 0.0.0.0:8080 failed (98: Address already in use)", address="0.0.0.0:8080")
    assert culprits(reason, found, ORIGINS) == [FIRST]


def test_last_good_files_do_not_outlive_the_secret_that_they_read() -> None:
    good = FileSet([owned("a", b"auth_basic_user_file /etc/nginx/secrets/users;", FIRST), secret("users")])
    wanted = FileSet([owned("a", b"2", FIRST)])
    assert texts(compose(wanted, good, {FIRST: Hold.LAST_GOOD})) == {}
    other = FileSet([owned("a", b"auth_basic_user_file /etc/nginx/secrets/users-2;", FIRST), secret("users")])
    assert texts(compose(wanted, other, {FIRST: Hold.LAST_GOOD})) == texts(
        FileSet(file for file in other.values() if file.origin == FIRST)
    )


def test_only_objects_with_files_are_suspects() -> None:
    good = FileSet([owned("a", b"1", FIRST), owned("b", b"1", SECOND), default_server(b"1", SECOND)])
    wanted = FileSet([owned("b", b"1", SECOND), default_server(b"own")])
    assert list(changed(wanted, good)) == [SECOND]
    assert [file.origin for file in gone(wanted, good).values()] == [FIRST]


def test_last_good_files_of_a_wildcard_do_not_answer_for_hosts_of_others() -> None:
    host = frozenset({"server b.test"})
    beside = structs.replace(following("b@8080", 8080, SECOND), claims=host)
    good = FileSet([opening("a", 8080, FIRST), structs.replace(opening("b", 80, SECOND), claims=host), beside])
    own = structs.replace(opening("b", 80, SECOND), claims=host)
    wanted = FileSet([opening("a", 9090, FIRST), own, structs.replace(following("b@9090", 9090, SECOND), claims=host)])
    assert set(compose(wanted, good, {FIRST: Hold.LAST_GOOD})) == {
        f"conf.d/{name}.conf" for name in ("a", "b", "b@8080")
    }
    served = FileSet([opening("a", 9090, FIRST), structs.replace(own, opens=frozenset({80, 8080}))])
    assert set(compose(served, good, {FIRST: Hold.LAST_GOOD})) == {"conf.d/a.conf", "conf.d/b.conf"}
    moved = FileSet([opening("a", 9090, FIRST), structs.replace(opening("c", 80, THIRD), claims=host)])
    assert set(compose(moved, good, {FIRST: Hold.LAST_GOOD})) == {"conf.d/a.conf", "conf.d/c.conf"}
