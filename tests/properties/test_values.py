"""What a value prints, its parser reads again as the same value; and sizes of buffers can always be made to fit."""

from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from headgate.settings import Duration, Header, HeaderName, Offset, Quoted, Seconds, Size, Unfit
from headgate.settings.buffers import MOST, BufferSettings
from headgate.settings.values import Buffers, plain_text, unescaped
from tests.examples import examples

more_examples = settings(max_examples=examples(120))
"""The same examples in every run."""

COUNTS = st.integers(0, 40)
TIMES = st.lists(COUNTS, min_size=8, max_size=8).map(
    lambda counts: " ".join(f"{count}{unit}" for count, unit in zip(counts, Duration.SECONDS, strict=True) if count)
)
SIZES = st.builds("{}{}".format, st.integers(0, 10**6), st.sampled_from(["", "k", "m", "K", "M"]))


@more_examples
@given(TIMES.filter(bool))
def test_a_time_is_read_again_and_keeps_its_length(text: str) -> None:
    time = Duration.parse(text)
    assert Duration.parse(str(time)) == time
    assert " " not in time
    counted = sum(float(part.rstrip("yMwdhms")) * Duration.SECONDS[part.lstrip("0123456789")] for part in text.split())
    assert abs(time.seconds - counted) < 0.01


@more_examples
@given(st.integers(0, 10**9))
def test_a_bare_number_is_seconds(count: int) -> None:
    assert Seconds.parse(str(count)) == f"{count}s"
    assert Duration.parse(str(count)).seconds == count


@more_examples
@given(SIZES)
def test_a_size_is_read_again_and_counted(text: str) -> None:
    size = Size.parse(text)
    assert Size.parse(str(size)) == size
    assert Offset.parse(text) == size
    assert Size.of(size.bytes).bytes == size.bytes


@more_examples
@given(st.integers(1, 99_999), SIZES)
def test_buffers_are_read_again(number: int, size: str) -> None:
    buffers = Buffers.parse(f"{number} {size}")
    assert Buffers.parse(str(buffers)) == buffers


@more_examples
@given(st.from_regex(r"[-A-Za-z0-9]+", fullmatch=True), st.text(), st.booleans())
def test_a_response_header_is_read_again(name: str, text: str, always: bool) -> None:
    try:
        header = Header(HeaderName.parse(name), plain_text(text.strip()), always)
        again = Header.response(str(header))
    except Unfit:
        return
    assert (again.name, again.always) == (header.name, header.always)
    assert again.value == header.value.strip()


@more_examples
@given(st.text())
def test_plain_text_holds_no_control_character_but_tab(text: str) -> None:
    try:
        value = plain_text(text)
    except Unfit:
        return
    assert not any(char < " " and char != "\t" for char in value)
    assert "$" not in value


@more_examples
@given(st.text())
def test_quoting_is_undone_by_the_lexer(text: str) -> None:
    spelled = Quoted(text).spelled
    assert unescaped(spelled[1:-1]) == text


PARSERS = [Duration.parse, Seconds.parse, Size.parse, Offset.parse, Buffers.parse, HeaderName.parse, Header.response,
           Header.request, plain_text]  # fmt: skip


@more_examples
@given(st.sampled_from(PARSERS), st.text())
def test_garbage_is_refused_or_read_and_never_breaks(parse: Callable[[str], object], text: str) -> None:
    try:
        value = parse(text)
    except Unfit as unfit:
        value = str(unfit)
    assert value is not None


OPTIONAL = st.none() | SIZES.map(Size.parse)
BUFFERS = st.builds(
    BufferSettings,
    proxy_buffers=st.none() | st.builds(Buffers, st.integers(1, 99_999), SIZES.map(Size.parse)),
    proxy_buffer_size=OPTIONAL,
    proxy_busy_buffers_size=OPTIONAL,
    proxy_max_temp_file_size=OPTIONAL,
)


@more_examples
@given(BUFFERS)
def test_buffers_can_always_be_made_to_fit(buffers: BufferSettings) -> None:
    adjusted = buffers.adjusted()
    assert adjusted.conflict() == ""
    assert adjusted.proxy_buffers is not None
    assert 2 <= adjusted.proxy_buffers.number <= MOST
    assert adjusted.adjusted() == adjusted
