"""A multipart body is read as other readers read it, however it is cut, and what is none is told."""

import random
from email import message_from_bytes
from email.policy import HTTP
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dicom_node.web.multipart import Malformed, MultipartReader, PartBegins, PartEnds, media_type

# What comes near a delimiter.
_TRICKS = st.sampled_from(
    [b"\r\n", b"--", b"bq", b"b", b"\r", b"\n", b"-", b"x", b" ", b"\r\n--b", b"\r\n--bqx", b"\0"]
)
_DATA = st.lists(_TRICKS, max_size=12).map(b"".join)
Part = tuple[dict[str, str], bytes]


def read(body: bytes, boundary: bytes = b"bq", most: int = 1 << 20, seed: int = 0) -> list[Part]:
    """The parts of `body`, fed in pieces of at most `most` bytes."""
    reader, parts, cuts = MultipartReader(boundary), list[Part](), random.Random(seed)
    fields: dict[str, str] = {}
    held = bytearray()
    while body:
        cut = cuts.randint(1, most)
        for event in reader.feed(body[:cut]):
            if isinstance(event, PartBegins):
                fields, held = dict(event.fields), bytearray()
            elif isinstance(event, PartEnds):
                parts.append((fields, bytes(held)))
            else:
                held += event
        body = body[cut:]
    reader.finish()
    return parts


def written(*datas: bytes, end: bytes = b"\r\n--bq--") -> bytes:
    return b"".join(b"\r\n--bq\r\nContent-Type: application/dicom\r\n\r\n" + data for data in datas)[2:] + end


@given(st.lists(_DATA, min_size=1, max_size=3), st.integers(1, 40), st.integers(0, 1 << 30))
@settings(max_examples=300, deadline=None)
def test_parts_come_as_they_were_sent_however_the_body_is_cut(datas: list[bytes], most: int, seed: int) -> None:
    body = b"nothing\r\n" + written(*datas, end=b"\r\n--bq--\r\nepilogue\r\n--bq\r\n")
    assert [data for _, data in read(body, most=most, seed=seed)] == datas


@given(st.lists(st.binary(max_size=40).filter(lambda data: b"\n" not in data and b"\r" not in data), min_size=1))
@settings(max_examples=60, deadline=None)
def test_parts_are_those_that_pythons_parser_of_mail_finds(datas: list[bytes]) -> None:
    body = written(*datas)
    mail = message_from_bytes(b"Content-Type: multipart/related; boundary=bq\r\n\r\n" + body, policy=HTTP)
    found = [part.get_payload(decode=True) for part in mail.iter_parts()]
    assert [data for _, data in read(body, most=7)] == found


def test_a_head_may_be_empty_folded_and_in_any_case() -> None:
    body = b"--bq \t\r\n\r\none\r\n--bq\r\nCONTENT-type: application/dicom;\r\n  x=1\r\nA: b\r\n\r\n\r\n--bq--"
    assert read(body, most=3) == [({}, b"one"), ({"content-type": "application/dicom; x=1", "a": "b"}, b"")]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--bq",
        b"--bq\r\n\r\ndata",
        b"--bq\r\n\r\ndata\r\n--bq",
        b"--bq\r\n\r\ndata\r\n--bq-",
        b"--other\r\n\r\ndata\r\n--other--",
        b"--bq\r\nno field\r\n\r\n\r\n--bq--",
        b"--bq\r\na: 1\r\nA: 2\r\n\r\n\r\n--bq--",
        b"--bq\r\na : 1\r\n\r\n\r\n--bq--",
        b"--bq\r\na: " + b"x" * (20 << 10) + b"\r\n\r\n\r\n--bq--",
        b"x" * (80 << 10) + b"\r\n--bq\r\n\r\n\r\n--bq--",
        b"--bq\n\ndata\n--bq--",
    ],
)
def test_what_is_no_multipart_body_is_told_however_it_is_cut(body: bytes) -> None:
    for most in (1, 5, 1 << 20):
        with pytest.raises(Malformed):
            read(body, most=most)


def test_what_is_held_does_not_grow_with_a_part() -> None:
    reader = MultipartReader(b"bq")
    list(reader.feed(written(b"")[: -len(b"\r\n--bq--")]))
    for piece in (bytes(1 << 16), b"\r" * (1 << 16), b"\r\n--b" * (1 << 14)):
        size = sum(len(event) for event in reader.feed(piece) if isinstance(event, memoryview))
        assert len(piece) - 80 <= size <= len(piece) + 80


def test_a_media_type_is_read_with_its_parameters() -> None:
    said = media_type('Multipart/Related; TYPE="application/dicom"; boundary="a \\"b"; boundary=c;charset=utf-8')
    assert said.name == "multipart/related"
    assert said.parameters == {"type": "application/dicom", "boundary": 'a "b', "charset": "utf-8"}
    assert media_type("multipart/related; type=application/dicom; boundary=x=y").boundary() == b"x=y"


def test_a_boundary_may_be_longer_than_the_book_has_it_as_orthancs_is() -> None:
    ours = f"{uuid4()}-{uuid4()}"
    assert media_type(f"multipart/related; boundary={ours}").boundary() == ours.encode()


@pytest.mark.parametrize("boundary", ["", '""', "a" * 201, '"ends "', '"a\\"b"', "ä"])
def test_what_is_no_boundary_is_refused(boundary: str) -> None:
    with pytest.raises(Malformed):
        media_type(f"multipart/related; boundary={boundary}").boundary()
