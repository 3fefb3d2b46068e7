from hypothesis import given
from hypothesis import strategies as st

from headgate.api import Ingress
from headgate.ir import File, FileSet
from headgate.nginx.isolate import Hold, changed, compose
from headgate.nginx.plan import Plan, plan

ORIGINS = [Ingress.KIND.ref("default", name) for name in "ab"]

files = st.builds(
    File,
    name=st.sampled_from(["nginx.conf", "conf.d/a.conf", "conf.d/b.conf", "secrets/a", "secrets/b"]),
    data=st.sampled_from([b"1", b"2"]),
    origin=st.sampled_from([None, *ORIGINS]),
    mode=st.sampled_from([0o600, 0o644]),
    needs_reload=st.booleans(),
    protected=st.booleans(),
)
sets = st.lists(files, unique_by=lambda file: file.name).map(FileSet)


def carried_out(present: FileSet, steps: Plan) -> FileSet:
    left = {name: file for name, file in present.items() if name not in {*steps.removals, *steps.leavings}}
    return FileSet({**left, **{file.name: file for file in steps.writes}}.values())


def conf(name: str, data: bytes = b"") -> File:
    return File(f"conf.d/{name}.conf", data)


def secret(name: str, data: bytes = b"") -> File:
    return File(f"secrets/{name}", data, needs_reload=False)


@given(sets, sets)
def test_after_the_plan_nothing_is_left_to_do(present: FileSet, wanted: FileSet) -> None:
    there = carried_out(present, plan(present, wanted))
    assert plan(there, wanted) == Plan()
    assert set(there) == set(wanted)


def test_secrets_are_written_first_and_the_main_file_last() -> None:
    wanted = FileSet([File("nginx.conf", b""), conf("b"), conf("a"), secret("z")])
    names = [file.name for file in plan({}, wanted).writes]
    assert names == ["secrets/z", "conf.d/a.conf", "conf.d/b.conf", "nginx.conf"]


def test_a_secret_that_changes_comes_or_goes_needs_no_reload() -> None:
    here, there = FileSet([secret("a", b"1"), secret("b")]), FileSet([secret("a", b"2"), secret("c")])
    steps = plan(here, there)
    assert not steps.reload
    assert (steps.removals, steps.leavings) == ((), ("secrets/b",))


def test_a_configuration_file_that_changes_comes_or_goes_needs_a_reload() -> None:
    assert plan({}, FileSet([conf("a")])).reload
    assert plan(FileSet([conf("a", b"1")]), FileSet([conf("a", b"2")])).reload
    gone = plan(FileSet([conf("a")]), FileSet())
    assert gone.reload
    assert gone.removals == ("conf.d/a.conf",)


def test_another_mode_is_a_change_and_another_origin_is_none() -> None:
    here = FileSet([File("secrets/a", b"", mode=0o600, needs_reload=False)])
    assert plan(here, FileSet([File("secrets/a", b"", mode=0o640, needs_reload=False)])).writes
    assert plan(here, FileSet([File("secrets/a", b"", mode=0o600, origin=ORIGINS[0])])).empty


@given(sets, sets)
def test_holding_everybody_who_changed_leaves_their_last_good_files(wanted: FileSet, good: FileSet) -> None:
    held = compose(wanted, good, dict.fromkeys(changed(wanted, good), Hold.LAST_GOOD))
    for name, file in held.items():
        assert file in {wanted.get(name), good.get(name)}
    own = {file.name for file in wanted.values() if file.origin is None}
    assert own <= set(held)


@given(sets, sets)
def test_holding_nobody_changes_nothing(wanted: FileSet, good: FileSet) -> None:
    assert dict(compose(wanted, good, {})) == dict(wanted)


def test_an_absent_origin_has_no_file_unless_it_is_protected() -> None:
    first, second = ORIGINS
    wanted = FileSet(
        [File("conf.d/a.conf", b"2", origin=first), File("conf.d/_d.conf", b"2", origin=second, protected=True)]
    )
    good = FileSet([File("conf.d/a.conf", b"1", origin=first), File("conf.d/_d.conf", b"1", protected=True)])
    held = compose(wanted, good, {first: Hold.ABSENT, second: Hold.LAST_GOOD})
    assert {name: file.data for name, file in held.items()} == {"conf.d/_d.conf": b"1"}
