import pytest

from headgate.api import Ingress
from headgate.ir import File, FileSet
from headgate.nginx.blame import Blame, Cause, blame, refusal
from headgate.nginx.isolate import UNDECIDED, Hold, Holds, bisect, culprits
from headgate.problems import ObjectRef

CONF = "/srv/etc"
A, B, C, D = (Ingress.KIND.ref("default", name) for name in "abcd")


def test_file_and_line_are_read_from_the_output_of_nginx_t() -> None:
    said = blame(
        'nginx: [warn] conflicting server name "x" on 0.0.0.0:80, ignored\n'
        'nginx: [emerg] unknown directive "nonsense" in /srv/etc/conf.d/default-tea.conf:12\n'
        "nginx: configuration file /srv/etc/nginx.conf test failed\n",
        CONF,
    )
    assert (said.file, said.line) == ("conf.d/default-tea.conf", 12)
    assert said.message == 'unknown directive "nonsense" in /srv/etc/conf.d/default-tea.conf:12'


def test_time_and_pid_of_log_lines_are_removed() -> None:
    said = blame(
        '2026/11/21 14:40:35 [emerg] 16407#16407: host not found in upstream "tea" in /srv/etc/conf.d/a.conf:3\n'
        "2026/11/21 14:40:35 [notice] 16407#16407: signal process started\n",
        CONF,
    )
    assert (said.file, said.line) == ("conf.d/a.conf", 3)
    assert said.message.startswith("host not found")


def test_a_file_outside_the_configuration_names_no_object() -> None:
    said = blame('nginx: [emerg] unknown directive "x" in /etc/other/a.conf:1\n', CONF)
    assert (said.file, said.paths) == ("", ("/etc/other/a.conf",))


def test_a_zone_with_another_key_is_found_by_its_name() -> None:
    said = blame(
        '2026/11/21 14:40:35 [emerg] 7#7: limit_req "shop" uses the "$a" key while previously it used the "$b" key\n',
        CONF,
    )
    assert (said.file, said.needle) == ("", "zone=shop")


def test_an_address_in_use_is_found_by_its_port() -> None:
    lines = "[emerg] 7#7: bind() to [::]:8081 failed (98: Address already in use)"
    said = blame(f"2026/11/21 14:40:35 {lines}\n2026/11/21 14:40:38 [emerg] 7#7: still could not bind()\n", CONF)
    assert (said.address, said.port) == ("[::]:8081", "8081")
    assert blame("nginx: [emerg] bind() to unix:/x.sock failed (98: Address in use)", CONF).port == ""


def test_without_an_emerg_line_the_last_line_is_used() -> None:
    assert blame("Segmentation fault\n", CONF).message == "Segmentation fault"
    assert blame("", CONF).message == ""
    assert blame("2026/11/21 14:40:35 [notice] 7#7: signal process started", CONF).message == ""


def test_only_the_master_fails_a_reload_and_not_while_it_retries() -> None:
    busy = "2026/11/21 14:40:35 [emerg] 7#7: bind() to 0.0.0.0:81 failed (98: Address already in use)\n"
    gave_up = "2026/11/21 14:40:38 [emerg] 7#7: still could not bind()\n"
    zone = '2026/11/21 14:40:38 [emerg] 7#7: limit_req "a" uses the "b" key while previously it used the "c" key\n'
    assert not refusal(busy, 7)
    assert refusal(busy + gave_up, 7)
    assert refusal(zone, 7)
    assert not refusal(zone, 8)
    assert not refusal(zone.replace("emerg", "warn"), 7)


def found(message: str, *files: File, suspects: tuple[ObjectRef, ...] = (A, B)) -> list[ObjectRef]:
    return culprits(blame(f"nginx: [emerg] {message}", CONF), FileSet(files), dict.fromkeys(suspects))


def test_only_changed_objects_are_suspected() -> None:
    named = File("conf.d/a.conf", b"", origin=A)
    assert found("unknown directive in /srv/etc/conf.d/a.conf:1", named) == [A]
    assert found("unknown directive in /srv/etc/conf.d/a.conf:1", named, suspects=(B,)) == []


def test_an_address_in_use_names_the_object_that_listens_there_unless_all_do() -> None:
    taken = "bind() to 0.0.0.0:81 failed (98: Address already in use)"
    one = File("conf.d/a.conf", b"server { listen 81; }", origin=A)
    other = File("conf.d/b.conf", b"server { listen 810; server_name x81; }", origin=B)
    assert found(taken, one, other) == [A]
    assert found(taken, one, other, File("nginx.conf", b"server {listen [::]:81 ssl;}")) == []


def test_an_unreadable_certificate_names_the_object_that_uses_it() -> None:
    message = 'cannot load certificate "/srv/etc/secrets/x": BIO_new_file() failed (SSL: error:80000002)'
    assert found(message, File("conf.d/b.conf", b"ssl_certificate /srv/etc/secrets/x;", origin=B)) == [B]


NO = Blame(message="no")


def last_good(*origins: ObjectRef) -> Holds:
    return dict.fromkeys(origins, Hold.LAST_GOOD)


def never() -> bool:
    return False


async def test_bisection_finds_every_bad_object_and_no_other() -> None:
    asked: list[Holds] = []

    async def probe(holds: Holds) -> Blame | None:
        asked.append(holds)
        return None if {B, D} <= set(holds) else NO

    assert await bisect(last_good(A, B, C, D), {}, probe, never) == {B: NO, D: NO}
    assert len(asked) <= 8


async def test_bisection_leaves_out_one_of_two_that_conflict() -> None:
    async def probe(holds: Holds) -> Blame | None:
        return None if {B, D} & set(holds) else NO

    assert await bisect(last_good(A, B, C, D), {}, probe, never) == {D: NO}


async def test_bisection_gives_up_when_no_object_is_bad() -> None:
    async def probe(_: Holds) -> Blame:
        return NO

    assert await bisect(last_good(A, B), {}, probe, never) is None


async def test_halving_ends_when_time_is_up_and_leaves_out_what_it_did_not_reach() -> None:
    many = [Ingress.KIND.ref("default", str(number)) for number in range(400)]
    asked = 0

    async def probe(holds: Holds) -> Blame | None:
        nonlocal asked
        asked += 1
        return None if len(holds) == len(many) else NO

    out = await bisect(last_good(*many), {}, probe, lambda: asked >= 20)
    assert out is not None
    assert asked == 20
    assert out.keys() == set(many)
    assert {reason.message for reason in out.values()} == {"no", UNDECIDED.message}
    assert UNDECIDED.cause is Cause.TIME


async def test_bisection_keeps_earlier_holds_and_leaves_out_each_as_requested() -> None:
    async def probe(holds: Holds) -> Blame | None:
        assert holds[A] is Hold.ABSENT
        assert holds.get(B, Hold.ABSENT) is Hold.ABSENT
        assert holds.get(C, Hold.LAST_GOOD) is Hold.LAST_GOOD
        return None if B in holds else NO

    found = await bisect({B: Hold.ABSENT, C: Hold.LAST_GOOD}, {A: Hold.ABSENT}, probe, never)
    assert found == {B: NO}


@pytest.mark.parametrize(
    "words",
    [
        "bind() to 0.0.0.0:81 failed (98: Address already in use)",
        "bind() to 0.0.0.0:81 failed (13: Permission denied)",
        'host not found in upstream "legacy.invalid" in /srv/etc/conf.d/a.conf:3',
        'host not found in "legacy.invalid" of the "listen" directive in /srv/etc/conf.d/a.conf:3',
        'open() "/srv/x.inc" failed (2: No such file or directory) in /srv/etc/conf.d/a.conf:3',
        'cannot load certificate "/srv/x": BIO_new_file() failed (SSL: error:02001002:system library:fopen:No such fil',
        'cannot load certificate "/srv/x": PEM_read_bio_X509_AUX() failed (SSL: error:0909006C:PEM routines:get_name)',
        'SSL_CTX_use_PrivateKey("/srv/x") failed (SSL: error:0B080074:x509 certificate routines:key values mismatch)',
        'duplicate upstream "shop" in /srv/etc/conf.d/a.conf:1',
        "duplicate listen options for 0.0.0.0:8080 in /srv/etc/conf.d/a.conf:3",
        "a duplicate default server for 0.0.0.0:8080 in /srv/etc/conf.d/a.conf:3",
        'limit_req_zone "shop" is already bound to key "$uri" in /srv/etc/conf.d/a.conf:1',
        'the shared memory zone "shop" is already declared for a different use in /srv/etc/conf.d/a.conf:1',
        'limit_req "shop" uses the "$a" key while previously it used the "$b" key',
        'zero size shared memory zone "shop"',
        "mmap(MAP_ANON|MAP_SHARED, 9663676416) failed (12: Cannot allocate memory)",
    ],
)  # fmt: skip
def test_what_lies_outside_of_the_object_may_be_mended_without_it(words: str) -> None:
    assert blame(f"nginx: [emerg] {words}\n", CONF).cause is Cause.SURROUNDINGS


@pytest.mark.parametrize(
    "words",
    [
        'unknown directive "nonsense" in /srv/etc/conf.d/a.conf:12',
        '"proxy_read_timeout" directive is duplicate in /srv/etc/conf.d/a.conf:12',
        'duplicate location "/" in /srv/etc/conf.d/a.conf:12',
        'invalid number of arguments in "return" directive in /srv/etc/conf.d/a.conf:12',
        'invalid value "invalid" in "sub_filter_once" directive, it must be "on" or "off" in /srv/etc/conf.d/a.conf:1',
        'unknown "shop" variable',
        'pcre2_compile() failed: unknown POSIX class name in "/[[:foo:]]" at "foo:]]" in /srv/etc/conf.d/a.conf:1',
        'SSL_CTX_set_cipher_list("x") failed (SSL: error:1410D0B9:SSL routines::no cipher match)',
        'host in upstream "x y" is invalid in /srv/etc/conf.d/a.conf:1',
    ],
)
def test_what_only_the_object_can_mend_is_not_tried_again(words: str) -> None:
    assert blame(f"nginx: [emerg] {words}\n", CONF).cause is Cause.OBJECT


def test_an_unknown_zone_names_the_object_that_uses_it() -> None:
    user = File("conf.d/a.conf", b"limit_req zone=shop burst=5;", origin=A)
    assert found('zero size shared memory zone "shop"', user, File("conf.d/b.conf", b"", origin=B)) == [A]
