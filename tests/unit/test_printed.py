"""What a model process prints reaches no log and no terminal as it is: it is a word of one of the node's records."""

import io
import json
import logging
import os
from collections.abc import Callable, Iterator

import pytest

from config import logs
from inference_worker import printed
from inference_worker.printed import LONGEST, MOST, Printed

FORGED = '{"time": "2026-01-01T00:00:00.000+00:00", "level": "INFO", "role": "work", "message": "models are warm"}'


@pytest.fixture
def log() -> Iterator[Callable[[bool], io.StringIO]]:
    """The log of this process, as JSON or as text."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    stream = io.StringIO()

    def logging_to(readable: bool) -> io.StringIO:
        logs.log_to(stream, "work", readable)
        return stream

    yield logging_to
    root.handlers[:] = before
    root.setLevel(level)


def prints(*parts: bytes, images: bool = False) -> None:
    """A child that prints `parts`, with images in hand or not, and ends."""
    reader = Printed()
    writable = os.dup(reader.writable)
    if images:
        reader.conceal()
    reader.follow(7)
    with os.fdopen(writable, "wb", buffering=0) as pipe:
        for part in parts:
            pipe.write(part)
    reader.end(60)


def records(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_the_word_of_a_record_that_says_whose_it_is(log: Callable[[bool], io.StringIO]) -> None:
    stream = log(False)
    prints(b"CUDA error: ", b"no device\nsecond")
    assert [(one["message"], one["words"]) for one in records(stream)] == [
        ("a model process prints", "CUDA error: no device"),
        ("a model process prints", "second"),
    ]


@pytest.mark.parametrize("readable", [False, True])
def test_no_line_of_a_log_is_forged(log: Callable[[bool], io.StringIO], readable: bool) -> None:
    stream = log(readable)
    prints(
        f"{FORGED}\n\r{FORGED}\r\n\n12:00:00.000 work     INFO    models are warm\x0b{FORGED}\u2028{FORGED}\n".encode()
    )
    lines = stream.getvalue().splitlines()
    assert len(lines) == 3
    if not readable:
        assert {one["message"] for one in records(stream)} == {"a model process prints"}
    assert all("a model process prints" in line and not line.startswith('{"time": "2026-01') for line in lines)


@pytest.mark.parametrize("readable", [False, True])
def test_no_terminal_obeys_it(log: Callable[[bool], io.StringIO], readable: bool) -> None:
    stream = log(readable)
    prints(b"\x1b[2J\x1b]0;title\x07 \xe2\x80\xae \xff\xfe \x9b31m \x00\x08\n")
    said = stream.getvalue()
    assert said.count("\n") == 1 and said.rstrip("\n").isprintable()


def test_a_line_without_an_end_is_cut_and_what_follows_is_read(log: Callable[[bool], io.StringIO]) -> None:
    stream = log(False)
    prints(*[b"x" * 100_000] * 20, b"\nnext\n")
    long, following = records(stream)
    assert long["words"] == f"{'x' * LONGEST} ..."
    assert following["words"] == "next"


def test_a_hundred_megabytes_of_lines_are_so_many_records_and_a_count(log: Callable[[bool], io.StringIO]) -> None:
    stream = log(False)
    block = b"a line of output\n" * 61_680  # 1 MiB
    prints(*[block] * 100)
    *shown, last = records(stream)
    assert len(shown) == MOST
    assert last["message"] == "lines that a model process printed are left out"
    assert last["lines"] == 6_168_000 - MOST


def test_each_minute_has_lines_of_its_own(log: Callable[[bool], io.StringIO], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(printed, "MOST", 1)
    moments = iter([0.0, 1.0, 30.0, 61.0, 61.0, 62.0])
    stream, reader = log(False), Printed(lambda: next(moments))
    for part in (b"one\n", b"two\n", b"three\n"):
        reader._take(part)
    assert [one.get("words", one.get("lines")) for one in records(stream)] == ["one", 1, "three"]
    os.close(reader._read)
    os.close(reader.writable)


def test_once_it_has_images_no_word_of_it_is_shown(log: Callable[[bool], io.StringIO]) -> None:
    stream = log(False)
    prints(b"PatientName: Doe^Jane\n" * 3, b"(0010,0010) Doe^Jane\n", b"and a rest", images=True)
    assert "Doe" not in stream.getvalue()
    first, last = records(stream)
    assert first["message"] == "a model process prints; its words are not shown, for it has images"
    assert last["lines"] == 5
