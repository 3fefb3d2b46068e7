from headgate.api import Ingress
from headgate.ir import File, FileSet
from headgate.nginx.blame import blame, refusal
from headgate.nginx.isolate import Hold, Holds, bisect, culprits
from headgate.problems import ObjectRef

CONF = "/srv/etc"
A, B, C, D = (Ingress.KIND.ref("default", name) for name in "abcd")


def test_the_file_and_line_are_found_in_the_words_of_a_test() -> None:
    said = blame(
        'nginx: [warn] conflicting server name "x" on 0.0.0.0:80, ignored\n'
        'nginx: [emerg] unknown directive "nonsense" in /srv/etc/conf.d/default-tea.conf:12\n'
        "nginx: configuration file /srv/etc/nginx.conf test failed\n",
        CONF,
    )
    assert (said.file, said.line) == ("conf.d/default-tea.conf", 12)
    assert said.message == 'unknown directive "nonsense" in /srv/etc/conf.d/default-tea.conf:12'


def test_time_and_pid_of_the_log_are_taken_off() -> None:
    said = blame(
        '2026/11/21 14:40:35 [emerg] 16407#16407: host not found in upstream "tea" in /srv/etc/conf.d/a.conf:3\n'
        "2026/11/21 14:40:35 [notice] 16407#16407: signal process started\n",
        CONF,
    )
    assert (said.file, said.line) == ("conf.d/a.conf", 3)
    assert said.message.startswith("host not found")


def test_a_file_elsewhere_is_not_ours_to_blame() -> None:
    said = blame('nginx: [emerg] unknown directive "x" in /etc/other/a.conf:1\n', CONF)
    assert (said.file, said.paths) == ("", ("/etc/other/a.conf",))


def test_a_zone_with_another_key_is_sought_by_its_name() -> None:
    said = blame(
        '2026/11/21 14:40:35 [emerg] 7#7: limit_req "shop" uses the "$a" key while previously it used the "$b" key\n',
        CONF,
    )
    assert (said.file, said.needle) == ("", "zone=shop")


def test_an_address_in_use_is_sought_by_its_port() -> None:
    lines = "[emerg] 7#7: bind() to [::]:8081 failed (98: Address already in use)"
    said = blame(f"2026/11/21 14:40:35 {lines}\n2026/11/21 14:40:38 [emerg] 7#7: still could not bind()\n", CONF)
    assert (said.address, said.port) == ("[::]:8081", "8081")
    assert blame("nginx: [emerg] bind() to unix:/x.sock failed (98: Address in use)", CONF).port == ""


def test_without_a_line_of_nginx_the_last_words_count() -> None:
    assert blame("Segmentation fault\n", CONF).message == "Segmentation fault"
    assert blame("", CONF).message == ""
    assert blame("2026/11/21 14:40:35 [notice] 7#7: signal process started", CONF).message == ""


def test_only_the_master_gives_a_reload_up_and_not_while_it_tries_again() -> None:
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


def test_culprits_are_sought_among_the_suspects_only() -> None:
    named = File("conf.d/a.conf", b"", origin=A)
    assert found("unknown directive in /srv/etc/conf.d/a.conf:1", named) == [A]
    assert found("unknown directive in /srv/etc/conf.d/a.conf:1", named, suspects=(B,)) == []


def test_whoever_listens_on_the_port_is_the_culprit_unless_the_whole_does() -> None:
    taken = "bind() to 0.0.0.0:81 failed (98: Address already in use)"
    one = File("conf.d/a.conf", b"server { listen 81; }", origin=A)
    other = File("conf.d/b.conf", b"server { listen 810; server_name x81; }", origin=B)
    assert found(taken, one, other) == [A]
    assert found(taken, one, other, File("nginx.conf", b"server {listen [::]:81 ssl;}")) == []


def test_whoever_names_an_unreadable_certificate_is_the_culprit() -> None:
    message = 'cannot load certificate "/srv/etc/secrets/x": BIO_new_file() failed (SSL: error:80000002)'
    assert found(message, File("conf.d/b.conf", b"ssl_certificate /srv/etc/secrets/x;", origin=B)) == [B]


async def test_halving_finds_every_culprit_and_no_other() -> None:
    asked: list[Holds] = []

    async def probe(holds: Holds) -> str:
        asked.append(holds)
        return "" if {B, D} <= set(holds) else "no"

    assert await bisect([A, B, C, D], {}, probe) == {B: "no", D: "no"}
    assert len(asked) <= 8


async def test_halving_settles_a_quarrel_between_two() -> None:
    async def probe(holds: Holds) -> str:
        return "" if {B, D} & set(holds) else "both"

    assert await bisect([A, B, C, D], {}, probe) == {D: "both"}


async def test_halving_gives_up_when_nobody_is_to_blame() -> None:
    async def probe(_: Holds) -> str:
        return "no"

    assert await bisect([A, B], {}, probe) is None


async def test_halving_is_bounded_and_leaves_out_what_it_did_not_reach() -> None:
    many = [Ingress.KIND.ref("default", str(number)) for number in range(400)]

    async def probe(holds: Holds) -> str:
        return "" if len(holds) == len(many) else "no"

    out = await bisect(many, {}, probe)
    assert out is not None
    assert out.keys() == set(many)


async def test_halving_keeps_earlier_holds() -> None:
    async def probe(holds: Holds) -> str:
        assert holds[A] is Hold.ABSENT
        return "" if B in holds else "no"

    assert await bisect([B, C], {A: Hold.ABSENT}, probe) == {B: "no"}
