"""What stays of the live state while files that replace it are left out. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import lru_cache

from msgspec import structs

from headgate.ir import File, FileSet, Release
from headgate.ir.http import ATTACHED_CLAIM, JWT_GUARD, PROFILE_CLAIM, SERVER_CLAIM
from headgate.ir.layout import NAMES_FILE, ROUTES_FILE, SECRETS_FOLDER
from headgate.ir.live import LiveHost, LiveObjects, LiveStream, LiveToken
from headgate.nginx.isolate import Holds, compose
from headgate.nginx.live import CERTIFICATE, GUARD, HOST, UPSTREAM
from headgate.problems import ObjectRef
from headgate.translate import names_file
from headgate.translate.naming import server_name


def profiles(files: FileSet) -> frozenset[str]:
    """Return the profiles that *files* have."""
    file = files.get(ROUTES_FILE)
    claims = file.claims if file else frozenset[str]()
    return frozenset(claim.removeprefix(PROFILE_CLAIM) for claim in claims if claim.startswith(PROFILE_CLAIM))


def claims(live: LiveObjects | None) -> tuple[tuple[str, ObjectRef], ...]:
    """Return what server blocks of other objects must not claim, or hosts of *live* are served by them.

    These are the hosts and the wildcards that would cover them, each with the object that has the host.
    """
    hosts = live.origins.items() if live else ()
    return tuple((_claim(name), origin) for host, origin in hosts for name in (host, _wildcard(host)))


def composed(release: Release, good: FileSet, last: LiveObjects | None, holds: Holds) -> FileSet:
    """Return the files of *release*, with what stands in for those of *holds*.

    Where a host keeps its last route, and a wildcard that covers it has a server block now, the default server gets
    its name: nginx prefers that to the wildcard. So it does where a server has the names of all routed hosts with TLS.
    """
    candidate = compose(release.files, good, holds, claims(release.live) if holds else ())
    if not holds or release.live is None or last is None:
        return candidate
    stays = held(release.live, last, release.files, candidate, holds).hosts.keys() - release.live.hosts.keys()
    claimed = {claim for file in candidate.values() for claim in file.claims} if stays else set()
    named = candidate.get(NAMES_FILE)
    names = [name for name in stays if named or _claim(_wildcard(name)) in claimed]
    if not names or ROUTES_FILE not in candidate:
        return candidate
    data = (named.data if named else b"") + names_file(names).data
    return candidate.changed({NAMES_FILE: File(NAMES_FILE, data)})


def fitting(wanted: LiveObjects, last: LiveObjects, lacking: Collection[str]) -> LiveObjects:
    """Return *wanted* with what workers have in place of the objects for which there is no memory, by key (*lacking*).

    A host keeps its last version, unless the new one has something that keeps clients out: then it is not there.
    """
    hosts, kept = dict[str, LiveHost](), dict[str, LiveHost]()
    for name, host in wanted.hosts.items():
        if f"{HOST}{name}" not in lacking:
            hosts[name] = host
        elif _may_stay(name, wanted, last):
            hosts[name] = kept[name] = last.hosts[name]
    needed = {name for host in kept.values() for name in host.upstreams}
    upstreams = {name: each for name, each in wanted.upstreams.items() if f"{UPSTREAM}{name}" not in lacking}
    earlier = {
        name: each
        for name, each in last.upstreams.items()
        if name in needed or (name in wanted.upstreams and name not in upstreams)
    }
    certificates = {name: each for name, each in wanted.certificates.items() if f"{CERTIFICATE}{name}" not in lacking}
    known = {name: each for name, each in last.certificates.items() if name in wanted.certificates}
    return structs.replace(
        wanted,
        upstreams={**earlier, **upstreams},
        tokens={name: each for name, each in wanted.tokens.items() if f"{GUARD}{name}" not in lacking},
        hosts=hosts,
        origins={name: wanted.origins[name] for name in hosts},
        certificates={**known, **certificates},
    )


def _may_stay(name: str, wanted: LiveObjects, last: LiveObjects) -> bool:
    """Whether the last version of a host may serve in place of the one that is wanted."""
    guarded = wanted.guards.get(name, frozenset()) <= last.guards.get(name, frozenset())
    return guarded and name in last.hosts and last.origins.get(name) == wanted.origins.get(name)


def needing(files: FileSet, wanted: LiveObjects, there: LiveObjects) -> frozenset[ObjectRef]:
    """Return the origins of *files* that have an upstream block of which the servers are *wanted* and not *there*."""
    claims = {f"upstream {name}" for name in wanted.upstreams.keys() - there.upstreams.keys()}
    found = {file.origin for file in files.values() if not claims.isdisjoint(file.claims)}
    return frozenset(origin for origin in found if origin)


def passed_on(hosts: Mapping[str, ObjectRef], files: FileSet) -> Mapping[str, ObjectRef]:
    """Return those of *hosts*, each with its object, that have a server block of this object among *files* now.

    Not those with something that keeps clients out, which workers that end must not let in.
    """
    if not hosts:
        return {}
    holders = {claim: file.origin for file in files.values() for claim in file.claims}
    guarded = {place for file in files.values() if file.guards for place in (file.origin, file.within)}
    return {
        name: origin
        for name, origin in hosts.items()
        if holders.get(_claim(name)) == origin
        and origin not in guarded
        and f"attached {server_name(name)}" not in guarded
    }


def staying(pushed: LiveObjects | None, wanted: LiveObjects | None) -> frozenset[str]:
    """Return the profiles of the hosts that are *pushed* in place of what is *wanted* of them."""
    if pushed is wanted or pushed is None:
        return frozenset()
    hosts = wanted.hosts if wanted else {}
    kept = (host for name, host in pushed.hosts.items() if host is not hosts.get(name))
    return frozenset[str]().union(*(host.profiles for host in kept))


def _wildcard(name: str) -> str:
    return f"*.{name.partition('.')[2]}"


@lru_cache(1024)
def _claim(name: str) -> str:
    return f"{SERVER_CLAIM}{server_name(name)}"


def held(
    wanted: LiveObjects, last: LiveObjects, files: FileSet, candidate: FileSet, refused: Collection[ObjectRef]
) -> LiveObjects:
    """Return *wanted* with what of *last* stays, since *candidate* is served in place of the *files* that are wanted.

    These are upstreams and guards by tokens that last good files need, and the hosts of objects that had no files and
    whose new ones nginx refuses: their last good routes stay, unless the new files have something that keeps clients
    out. So do the last routes of hosts that want profiles which nginx refuses; and the certificates of both, while
    their files are there.
    """
    if candidate is files:
        return wanted
    there = profiles(candidate)
    lacking = [name for name, host in wanted.hosts.items() if not host.profiles <= there]
    same = (name for name in lacking if _may_stay(name, wanted, last))
    names = [*_hosts(wanted, last, files, candidate, refused), *same]
    kept = {name: last.hosts[name] for name in names if last.hosts[name].profiles <= there}
    needed = {name for host in kept.values() for name in host.upstreams}
    claimed = {claim for file in candidate.values() for claim in file.claims}
    upstreams = {
        name: each
        for name, each in last.upstreams.items()
        if name not in wanted.upstreams and (name in needed or f"upstream {name}" in claimed)
    }
    streams, tokens = _streams(wanted, last, claimed), _tokens(wanted, last, candidate)
    if not kept and not upstreams and not lacking and not streams and not tokens:
        return wanted
    hosts = {name: host for name, host in wanted.hosts.items() if name not in lacking} | kept
    certificates = {
        name: each
        for name, each in last.certificates.items()
        if name in kept and f"{SECRETS_FOLDER}/{each.file}" in candidate
    }
    origins = {**last.origins, **wanted.origins}
    guards = {**last.guards, **wanted.guards, **{name: last.guards[name] for name in kept if name in last.guards}}
    return structs.replace(
        wanted,
        upstreams={**wanted.upstreams, **upstreams},
        tokens={**wanted.tokens, **tokens},
        streams=None if wanted.streams is None else {**wanted.streams, **streams},
        hosts=hosts,
        certificates={**certificates, **wanted.certificates},
        origins={name: origins[name] for name in hosts},
        guards={name: each for name, each in guards.items() if name in hosts},
    )


def _tokens(wanted: LiveObjects, last: LiveObjects, candidate: FileSet) -> dict[str, LiveToken]:
    """Return what guards locations by tokens in *last*, is not wanted, and *candidate* names."""
    gone = last.tokens.keys() - wanted.tokens.keys()
    if not gone:
        return {}
    named = {guard.rpartition(JWT_GUARD)[2] for file in candidate.values() for guard in file.guards}
    return {name: last.tokens[name] for name in sorted(gone & named)}


def _streams(wanted: LiveObjects, last: LiveObjects, claimed: Collection[str]) -> dict[str, LiveStream]:
    """Return the upstreams of TCP and UDP of *last* that are not wanted and that files need."""
    known = wanted.streams or {}
    return {
        name: each
        for name, each in (last.streams or {}).items()
        if name not in known and f"stream upstream {name}" in claimed
    }


def _hosts(
    wanted: LiveObjects, last: LiveObjects, files: FileSet, candidate: FileSet, refused: Collection[ObjectRef]
) -> Iterator[str]:
    """Yield the hosts of *last* that stay, and that nothing else has now."""
    held_back = {origin for origin in set(last.origins.values()) if origin in refused}
    if not held_back:
        return
    held_back -= {file.origin for file in candidate.values()}
    held_back -= {file.origin for file in files.values() if file.guards}
    guarded = {file.within for file in files.values() if file.guards}
    others = {claim: file.origin for file in files.values() for claim in file.claims}
    for name, origin in last.origins.items():
        holder = others.get(_claim(name), origin)
        kept = origin in held_back and f"{ATTACHED_CLAIM}{server_name(name)}" not in guarded
        if kept and name not in wanted.hosts and holder in {origin, None}:
            yield name
