"""The two indexes that answer what a change touches, and the names that two owners may want."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.api import Ingress
from headgate.problems import ObjectRef
from headgate.resolve import Names, References, SliceIndex
from headgate.resolve.names import LONGEST
from tests.unit.resolve.api_objects import slice_


def ingress(name: str) -> ObjectRef:
    return Ingress.KIND.ref("default", name)


def service(name: str) -> ObjectRef:
    return ObjectRef("Service", "default", name)


class TestReferences:
    def test_answer_who_names_a_target(self):
        references = References()
        references.set(ingress("a"), [service("tea"), service("coffee")])
        references.set(ingress("b"), [service("tea")])
        assert references.touching(service("tea")) == {ingress("a"), ingress("b")}
        assert references.touching(service("coffee")) == {ingress("a")}
        assert references.touching(service("milk")) == frozenset()

    def test_replace_what_an_owner_named_and_say_what_nobody_names_any_more(self):
        references = References()
        references.set(ingress("a"), [service("tea"), service("coffee")])
        references.set(ingress("b"), [service("tea")])
        assert references.set(ingress("a"), [service("milk")]) == {service("coffee")}
        assert references.touching(service("tea")) == {ingress("b")}
        assert references.remove(ingress("b")) == {service("tea")}
        assert references.remove(ingress("b")) == frozenset()
        assert references.touching(service("tea")) == frozenset()

    def test_the_same_kind_of_name_in_another_namespace_is_another_target(self):
        references = References()
        references.set(ingress("a"), [service("tea")])
        assert not references.touching(ObjectRef("Service", "other", "tea"))
        assert not references.touching(ObjectRef("Secret", "default", "tea"))

    @given(st.lists(st.tuples(st.integers(0, 4), st.frozensets(st.integers(0, 4)))))
    def test_agree_with_a_search_through_everything(self, changes):
        references, plain = References(), {}
        for owner, targets in changes:
            before = set().union(*plain.values()) if plain else set()
            plain[owner] = targets
            after = set().union(*plain.values())
            orphans = references.set(ingress(str(owner)), [service(str(target)) for target in targets])
            assert orphans == {service(str(target)) for target in before - after}
            for target in range(5):
                expected = {ingress(str(owner)) for owner, targets in plain.items() if target in targets}
                assert references.touching(service(str(target))) == expected


class TestSliceIndex:
    def test_finds_the_slices_of_a_service(self):
        index = SliceIndex()
        first, second, other = slice_("a", "10.0.0.1"), slice_("b", "10.0.0.2"), slice_("c", service="coffee")
        for item in (first, second, other):
            assert index.update(item.ref, item) == {service(item.service)}
        assert list(index["default", "tea"]) == [first, second]
        assert list(index.get(("default", "milk"), ())) == []
        assert dict.fromkeys(index) == {("default", "tea"): None, ("default", "coffee"): None}
        assert len(index) == 2

    def test_a_deleted_slice_touches_its_service_and_is_gone(self):
        index, item = SliceIndex(), slice_("a", "10.0.0.1")
        index.update(item.ref, item)
        assert index.update(item.ref, None) == {service("tea")}
        assert ("default", "tea") not in index
        assert index.update(item.ref, None) == frozenset()

    def test_a_slice_that_changes_its_service_touches_both(self):
        index, item = SliceIndex(), slice_("a", "10.0.0.1")
        index.update(item.ref, item)
        moved = slice_("a", "10.0.0.1", service="coffee")
        assert index.update(moved.ref, moved) == {service("tea"), service("coffee")}
        assert list(index) == [("default", "coffee")]

    def test_a_slice_without_a_service_touches_the_one_it_left(self):
        index, item = SliceIndex(), slice_("a", "10.0.0.1")
        index.update(item.ref, item)
        assert index.update(item.ref, slice_("a", "10.0.0.1", service="")) == {service("tea")}
        assert len(index) == 0

    @pytest.mark.parametrize(
        ("change", "touches"),
        [
            ({"metadata": {"resourceVersion": "2"}}, False),
            ({"endpoints": []}, True),
            ({"ports": None}, True),
            ({"addressType": "IPv6"}, True),
        ],
    )
    def test_bookkeeping_alone_touches_nothing(self, change, touches):
        index, item = SliceIndex(), slice_("a", "10.0.0.1")
        index.update(item.ref, item)
        labels = {"kubernetes.io/service-name": "tea"}
        metadata = {"name": "a", "namespace": "default", "labels": labels} | change.pop("metadata", {})
        new = slice_("a", "10.0.0.1", metadata=metadata, **change)
        assert bool(index.update(item.ref, new)) is touches
        assert list(index["default", "tea"]) == [new]


class TestNames:
    def test_the_first_has_the_plain_name_and_the_second_a_hash(self):
        names: Names[ObjectRef] = Names()
        first, second = Ingress.KIND.ref("a-b", "c"), Ingress.KIND.ref("a", "b-c")
        assert names.claim(first, "a-b-c") == "a-b-c"
        given = names.claim(second, "a-b-c")
        assert given.startswith("a-b-c-")
        assert len(given) == len("a-b-c-") + 8
        assert names.claim(first, "a-b-c") == "a-b-c"
        assert names.claim(second, "a-b-c") == given

    def test_a_name_is_kept_while_its_owner_exists_and_free_afterwards(self):
        names: Names[str] = Names()
        names.claim("one", "x")
        hashed = names.claim("two", "x")
        names.release("one")
        assert names.claim("two", "x") == hashed
        assert names.claim("three", "x") == "x"
        names.release("nobody")

    def test_an_owner_that_wants_another_name_loses_the_old_one(self):
        names: Names[str] = Names()
        names.claim("one", "x")
        assert names.claim("one", "y") == "y"
        assert names.claim("two", "x") == "x"

    def test_a_hashed_name_that_is_taken_grows(self):
        names: Names[str] = Names()
        probe: Names[str] = Names()
        probe.claim("one", "x")
        names.claim("zero", probe.claim("two", "x"))
        names.claim("one", "x")
        assert len(names.claim("two", "x")) == len("x-") + 9

    def test_long_names_fit_into_a_file_name_and_stay_apart(self):
        names: Names[str] = Names()
        one, two = names.claim("one", "n" * 317), names.claim("two", "n" * 318)
        assert max(len(one), len(two)) <= LONGEST
        assert one != two

    @given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["x", "y", "x-y"])), max_size=30), st.data())
    def test_no_two_owners_have_the_same_name(self, claims, data):
        names: Names[int] = Names()
        held: dict[int, str] = {}
        for owner, wanted in claims:
            if held and data.draw(st.booleans()):
                gone = data.draw(st.sampled_from(sorted(held)))
                names.release(gone)
                del held[gone]
            held[owner] = names.claim(owner, wanted)
            assert len(set(held.values())) == len(held)

    def test_sorted_claims_always_give_the_same_names(self):
        def run() -> list[str]:
            names: Names[ObjectRef] = Names()
            refs = sorted([ObjectRef("Secret", "a", "b-c"), ObjectRef("Secret", "a-b", "c")], reverse=False)
            return [names.claim(ref, "a-b-c") for ref in refs]

        assert run() == run()
        assert run()[0] == "a-b-c"
