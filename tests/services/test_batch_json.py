from __future__ import annotations

import base64
import io
import json
import os
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from webapp.services import json_stream
from webapp.services.batch_errors import (
    BatchEmpty,
    BatchMalformed,
    BatchTooDeep,
    BatchTooLarge,
    BatchTooManyFiles,
)
from webapp.services.batch_json import BatchLimits, JsonEntry, read_batch

LIMITS = BatchLimits(file_bytes=1 << 30, total_bytes=1 << 32, files=1000)
CONTENT = bytes(range(256)) * 5


class MemorySink:
    """Keeps what is written, and whether it was closed."""

    made: list[MemorySink]

    def __init__(self) -> None:
        self.content = bytearray()
        self.closed = False

    def write(self, buffer: bytes) -> None:
        self.content += buffer

    def finish(self) -> None:
        self.content = bytes(self.content)  # type: ignore[assignment]

    def close(self) -> None:
        self.closed = True


class Trickle(io.BytesIO):
    """Gives its bytes a few at a time, as a socket may."""

    def __init__(self, content: bytes, step: int) -> None:
        super().__init__(content)
        self._step = step

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(self._step)


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def read(body: str | bytes, limits: BatchLimits = LIMITS, step: int = 0) -> list[JsonEntry[Any]]:
    raw = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else body
    stream = Trickle(raw, step) if step else io.BytesIO(raw)
    return list(read_batch(stream, limits, MemorySink))


def one(entry: str) -> JsonEntry[Any]:
    """The only entry of a batch; another stands behind it, to see that reading went on."""
    first, second = read(f'{{"files": [{entry}, {{"filename": "next", "content": "bmV4dA=="}}]}}')
    assert second.sink.content == b"next"
    return first


def code(entry: str) -> str | None:
    found = one(entry)
    assert found.error is None or found.sink is None
    return found.error.code if found.error else None


def files(*pairs: tuple[str, bytes]) -> str:
    return json.dumps({"files": [{"filename": name, "content": b64(c)} for name, c in pairs]})


def test_files_come_with_their_names_and_bytes_in_order() -> None:
    found = read(files(("a.dcm", CONTENT), ("Größe 名.png", b""), ("c", b"x")))

    assert [entry.filename for entry in found] == ["a.dcm", "Größe 名.png", "c"]
    assert [bytes(entry.sink.content) for entry in found] == [CONTENT, b"", b"x"]
    assert [entry.position for entry in found] == [0, 1, 2]
    assert not any(entry.error for entry in found)


@pytest.mark.parametrize("step", [1, 2, 3, 5, 7, 64])
def test_it_does_not_matter_how_the_bytes_trickle_in(step: int) -> None:
    content = b"\xfb\xff\xfe" * 20
    body = (
        '{"x": [1, {"y": "a\\\\\\"b"}], "files": [ {"content": "data:a;base64,'
        + b64(content).replace("/", "\\/").replace("+", "\\u002b")
        + '", "filename": "\\u00e9\\ud83d\\ude00\\"\\\\.dcm", "z": -1.5e+3} ] , "n": null} \n'
    )

    (entry,) = read(body, step=step)

    assert entry.filename == 'é😀"\\.dcm'
    assert entry.sink.content == content


@given(
    content=st.binary(max_size=200),
    name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20),
    ascii_only=st.booleans(),
    slashes=st.booleans(),
    step=st.integers(1, 40),
    content_first=st.booleans(),
    indent=st.sampled_from([None, 1]),
)
@settings(max_examples=150, deadline=None)
def test_whatever_a_json_library_writes_is_read_as_it_meant(
    content: bytes,
    name: str,
    ascii_only: bool,
    slashes: bool,
    step: int,
    content_first: bool,
    indent: int | None,
) -> None:
    fields = [("filename", name), ("content", b64(content)), ("more", {"a": [name, 1.5, None]})]
    entry = dict(reversed(fields) if content_first else fields)
    body = json.dumps({"files": [entry], name: name}, ensure_ascii=ascii_only, indent=indent)
    if name == "files":
        return
    if slashes:
        body = body.replace("/", "\\/")

    (found,) = read(body, step=step)

    assert (found.filename, bytes(found.sink.content)) == (name, content)


@pytest.mark.parametrize(
    "prefix",
    ["data:image/png;base64,", "DATA:;Base64,", "data:application/dicom;name=x;base64,"],
)
def test_a_data_url_is_read_without_its_prefix(prefix: str) -> None:
    assert one(f'{{"filename": "a", "content": "{prefix}YWJj"}}').sink.content == b"abc"
    escaped = prefix.replace("/", "\\/")
    assert one(f'{{"filename": "a", "content": "{escaped}YWJj"}}').sink.content == b"abc"


@pytest.mark.parametrize("text", ["data:image/png,YWJj", "data:YWJj", "data:;base64", "data", "d"])
def test_a_data_url_of_another_coding_is_no_base64(text: str) -> None:
    expected = None if text == "data" else "base64-invalid"  # four letters of base64
    assert code(f'{{"filename": "a", "content": "{text}"}}') == expected


def test_a_data_url_whose_prefix_never_ends_is_refused_early() -> None:
    assert code('{"filename": "a", "content": "data:' + "x" * 5000 + '"}') == "base64-invalid"


@pytest.mark.parametrize("breaks", ["\\r\\n", "\\n", " ", "\\t", "\\u000a", "\n"])
def test_base64_in_lines_is_read(breaks: str) -> None:
    text = b64(CONTENT)
    lines = breaks.join(text[at : at + 76] for at in range(0, len(text), 76)) + breaks

    assert one(f'{{"filename": "a", "content": "{lines}"}}').sink.content == CONTENT


@pytest.mark.parametrize(
    "text",
    [
        "!!!!",
        "abc",
        "YWJj=",
        "YWJ",
        "YW==YW==",
        "YW=j",
        "=YWJ",
        "====",
        "Y",
        "YWJj-_-_",
        "é===",
        "YW\\u00e9j",
        "YW\\\\j",
        'YW\\"j',
        "YW\\\\/j",
        "YWJj\\u0000",
        "YQ== YQ==",
        b64(CONTENT) + "*",
    ],
)
def test_broken_base64_is_that_entrys_failure_and_the_rest_goes_on(text: str) -> None:
    assert code(f'{{"content": "{text}", "filename": "a"}}') == "base64-invalid"


def test_padding_in_the_middle_is_found_across_pieces() -> None:
    head = "A" * (json_stream.CHUNK - len('{"files":[{"content":"') - 4) + "QQ=="
    body = '{"files":[{"content":"' + head + 'QQ==", "filename":"a"}]}'

    (entry,) = read(body)

    assert entry.error is not None
    assert entry.error.code == "base64-invalid"


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ('{"content": "YWJj"}', "filename-missing"),
        ('{"filename": null, "content": "YWJj"}', "filename-missing"),
        ('{"filename": "", "content": "YWJj"}', "filename-missing"),
        ('{"filename": 5, "content": "YWJj"}', "filename-missing"),
        ('{"filename": {"a": []}, "content": "YWJj"}', "filename-missing"),
        ('{"filename": "a"}', "content-missing"),
        ('{"filename": "a", "content": null}', "content-missing"),
        ('{"filename": "a", "content": 5}', "content-not-text"),
        ('{"filename": "a", "content": ["YWJj"]}', "content-not-text"),
        ('{"filename": "a", "content": "YWJj", "content": "YWJj"}', "field-repeated"),
        ('{"filename": "a", "filename": "b", "content": "YWJj"}', "field-repeated"),
        ('{"filename": "a", "content": "YWJj", "study_key": 5}', "study-key-invalid"),
        ('{"filename": "a", "content": "YWJj", "study_key": ""}', "study-key-invalid"),
        ('{"filename": "a", "content": "YWJj", "study_key": "a b"}', "study-key-invalid"),
        ('{"filename": "a", "content": "YWJj", "study_key": null}', None),
        ('{"filename": "a", "content": "YWJj", "other": [{}, [], "x", true]}', None),
        ("{}", "filename-missing"),
        ("null", "entry-malformed"),
        ('"text"', "entry-malformed"),
        ("[1, [2]]", "entry-malformed"),
        ("-1.5e3", "entry-malformed"),
    ],
)
def test_each_fault_of_an_entry_has_its_own_code(entry: str, expected: str | None) -> None:
    assert code(entry) == expected


def test_a_name_longer_than_any_has_its_own_code() -> None:
    for length in (5000, 100_000):
        name = "n" * length
        assert code(f'{{"filename": "{name}", "content": "YWJj"}}') == "filename-too-long"


def test_lone_surrogates_and_broken_utf8_in_a_name_are_replaced() -> None:
    assert one('{"filename": "a\\ud800b", "content": "YWJj"}').filename == "a\ufffdb"
    assert one('{"filename": "\\ude00\\ud83d", "content": "YWJj"}').filename == "\ufffd\ufffd"
    (entry,) = read(b'{"files": [{"filename": "a\xffb", "content": ""}]}')
    assert entry.filename == "a\ufffdb"


def test_the_key_of_a_study_is_read() -> None:
    assert one('{"study_key": "exam-1", "filename": "a", "content": ""}').study_key == "exam-1"


def test_a_byte_order_mark_in_front_is_passed_over() -> None:
    assert len(read(b"\xef\xbb\xbf" + files(("a", b"b")).encode())) == 1


MALFORMED = [
    "",
    " ",
    "null",
    "[]",
    '"files"',
    "5",
    "{",
    "}",
    "{}x",
    "{} {}",
    '{"files"',
    '{"files":',
    '{"files": [',
    '{"files": [{"filename": "a", "content": "YWJj"}',
    '{"files": [{"filename": "a", "content": "YWJj"}]',
    '{"files": [{"filename": "a", "content": "YWJj"}]]',
    '{"files": [{"filename": "a", "content": "YWJj',
    '{"files": [{"filename": "a", "content": "YWJj\\',
    '{"files": [{"filename": "a", "content": "YWJj\\u00',
    '{"files": [{"filename": "a" "content": "YWJj"}]}',
    '{"files": [{"filename": "a", "content": "YWJj",}]}',
    '{"files": [{"filename": "a", "content": "YWJj"},]}',
    '{"files": [,]}',
    '{"files": [{"filename": "a\n", "content": "YWJj"}]}',
    '{"files": [{"filename": "a\\x", "content": "YWJj"}]}',
    '{"files": [{"filename": "a", "content": "YW\\xJj"}]}',
    '{"files": [{"filename": "a", "content": "YW\\u00zzJj"}]}',
    "{'files': []}",
    "{files: []}",
    '{"files": {"filename": "a", "content": "YWJj"}}',
    '{"files": "YWJj"}',
    '{"files": null}',
    '{"files": [{"filename": "a", "content": ""}], "files": []}',
    '{"files": [{"filename": "a", "content": "", "x": NaN}]}',
    '{"files": [{"filename": "a", "content": "", "x": Infinity}]}',
    '{"files": [{"filename": "a", "content": "", "x": -}]}',
    '{"files": [{"filename": "a", "content": "", "x": 01}]}',
    '{"files": [{"filename": "a", "content": "", "x": 1.}]}',
    '{"files": [{"filename": "a", "content": "", "x": tru}]}',
    '{"files": [{"filename": "a", "content": "", "x": TRUE}]}',
    '{"files": [{"filename": "a", "content": "", "x": [1 2]}]}',
    '{"files": [{"filename": "a", "content": "", "x": {"a" 1}}]}',
    '{"files": [{"filename": "a", "content": "", "x": {"a": 1]}]}',
    '{"files": [{"filename": "a", "content": "", "x": "\t"}]}',
    '{"files": [{"filename": "a", "content": "", "x": "\\q"}]}',
    '{"files": [{"filename": "a", "content": "", "x": ' + "1" * 5000 + "}]}",
    '{"files": [{"content": "!!", "filename": "a", "content": "\x01"}]}',
    "\x00",
    '{"files": [{"filename": "a", "content": ""}]}\x00',
]


@pytest.mark.parametrize("body", MALFORMED)
@pytest.mark.parametrize("step", [0, 1])
def test_what_is_no_json_or_another_form_is_refused(body: str, step: int) -> None:
    with pytest.raises(BatchMalformed):
        read(body, step=step)


def test_utf16_is_refused() -> None:
    with pytest.raises(BatchMalformed):
        read(files(("a", b"b")).encode("utf-16"))


@pytest.mark.parametrize(
    "body", ['{"files": []}', "{}", '{"file": [{}]}', '{"files": [ ], "a": 1}']
)
def test_a_batch_without_a_file_is_empty(body: str) -> None:
    with pytest.raises(BatchEmpty):
        read(body)


@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"a":[', "[[[],"])
@pytest.mark.parametrize("where", ["top", "entry", "content", "filename", "element"])
def test_deep_nesting_is_refused_wherever_it_stands(opening: str, where: str) -> None:
    deep = opening * 2000
    body = {
        "top": f'{{"x": {deep}',
        "entry": f'{{"files": [{{"x": {deep}',
        "content": f'{{"files": [{{"content": {deep}',
        "filename": f'{{"files": [{{"filename": {deep}',
        "element": f'{{"files": [{"[" * 2000}',
    }[where]

    with pytest.raises(BatchTooDeep):
        read(body)


def test_moderate_nesting_is_skipped() -> None:
    deep = "[" * 60 + "]" * 60
    assert code(f'{{"filename": "a", "content": "", "x": {deep}}}') is None


def test_more_skipped_values_than_sense_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "MAX_SKIPPED", 1000)

    with pytest.raises(BatchMalformed):
        read('{"x": [' + "1," * 2000 + "1]}")


def test_a_file_over_its_limit_fails_alone() -> None:
    limits = BatchLimits(file_bytes=1 << 20, total_bytes=1 << 30, files=10)
    body = files(("big", bytes((1 << 20) + 1)), ("fits", bytes(1 << 20)))

    big, fits = read(body, limits)

    assert big.error is not None
    assert (big.error.code, big.error.facts, big.sink) == ("file-too-large", {"limit": 1}, None)
    assert len(fits.sink.content) == 1 << 20


def test_a_batch_over_its_total_is_refused() -> None:
    limits = BatchLimits(file_bytes=1 << 20, total_bytes=(1 << 20) + 10, files=10)

    with pytest.raises(BatchTooLarge) as caught:
        read(files(("a", bytes(1 << 20)), ("b", bytes(11))), limits)

    assert caught.value.facts == {"limit": 1}
    assert len(read(files(("a", bytes(1 << 20)), ("b", bytes(10))), limits)) == 2


def test_a_batch_of_too_many_files_is_refused() -> None:
    limits = BatchLimits(file_bytes=9, total_bytes=99, files=2)

    assert len(read(files(("a", b""), ("b", b"")), limits)) == 2
    with pytest.raises(BatchTooManyFiles) as caught:
        read(files(("a", b""), ("b", b""), ("c", b"")), limits)
    assert caught.value.facts == {"limit": 2}


@pytest.mark.parametrize(
    "body",
    [
        '{"files": [{"content": "!", "filename": "a"}]}',
        '{"files": [{"content": "YWJj"}]}',
        '{"files": [{"content": "YWJj", "content": "YWJj", "filename": "a"}]}',
        '{"files": [{"content": "YWJj", "filename": tru}]}',
        '{"files": [{"content": "YWJjYWJj',
    ],
)
def test_the_sink_of_an_entry_that_fails_is_closed(body: str) -> None:
    made: list[MemorySink] = []

    def new() -> MemorySink:
        made.append(MemorySink())
        return made[-1]

    try:
        for entry in read_batch(io.BytesIO(body.encode()), LIMITS, new):
            assert entry.sink is None
    except BatchMalformed:
        pass

    assert [sink.closed for sink in made] == [True]


def test_errors_of_the_stream_and_of_a_sink_pass_through_and_the_sink_is_closed() -> None:
    class Torn(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            piece = super().read(30)
            if not piece:
                raise TimeoutError
            return piece

    sinks: list[MemorySink] = []

    def new() -> MemorySink:
        sinks.append(MemorySink())
        return sinks[-1]

    with pytest.raises(TimeoutError):
        list(read_batch(Torn(b'{"files": [{"content": "YWJjYWJjYWJj'), LIMITS, new))
    assert sinks[0].closed


def test_a_file_of_any_size_passes_in_constant_memory() -> None:
    class Endless:
        """300 MB of base64 in one string, made as it is read."""

        def __init__(self) -> None:
            self.left = 1200
            self.piece = base64.b64encode(os.urandom(192 * 1024))
            self.ends = [b'"}]}', b'{"files": [{"filename": "a", "content": "']

        def read(self, size: int, /) -> bytes:
            if len(self.ends) == 2:
                return self.ends.pop()
            if self.left:
                self.left -= 1
                return self.piece
            return self.ends.pop() if self.ends else b""

    class Count:
        size = 0

        def write(self, buffer: bytes) -> None:
            self.size += len(buffer)

        def finish(self) -> None: ...

        def close(self) -> None: ...

    tracemalloc.start()
    try:
        (entry,) = read_batch(Endless(), LIMITS, Count)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert entry.sink is not None
    assert entry.sink.size == 1200 * 192 * 1024
    assert peak < 3 << 20


def test_entries_are_given_as_they_come_and_not_at_the_end() -> None:
    def body() -> Iterator[bytes]:
        yield b'{"files": [{"filename": "a", "content": "YWJj"},'
        raise AssertionError("read too far")

    pieces = body()

    class Stream:
        def read(self, size: int, /) -> bytes:
            return next(pieces)

    first = next(read_batch(Stream(), LIMITS, MemorySink))

    assert first.filename == "a"
