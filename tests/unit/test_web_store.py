"""Whatever is in the body of a request to store, each part of it is stored or refused, and nothing is left behind."""

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.settings import Spool
from dicom_node.listener import NoEvents
from dicom_node.part10 import head
from dicom_node.spool import Close, Peer, SpoolWriter
from dicom_node.web.multipart import Malformed
from dicom_node.web.store import StoreRequest
from dicom_node.web.stored import JSON, Part, decode, encode
from tests.support.spool import writing
from tests.support.stowing import CT, EXPLICIT, body, data_set, file

_PIECES = st.lists(
    st.sampled_from([
        b"\r\n", b"--bq", b"\r\n--bq\r\n", b"\r\n--bq--", b"Content-Type: application/dicom\r\n\r\n", b"\0", b"DICM",
        b"\x02\x00\x00\x00UL\x04\x00\xff\xff\xff\xff", head(CT, "1.2.3", EXPLICIT), data_set("1.2.3"), bytes(200),
    ])
    | st.binary(max_size=20),
    max_size=14,
).map(b"".join)  # fmt: skip


@given(st.lists(_PIECES, max_size=3), st.integers(0, 4000), st.integers(0, 255))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_body_comes_is_stored_by_the_book_or_refused(
    stowed: SpoolWriter, made: list[bytes], at: int, byte: int
) -> None:
    sent = bytearray(body(file("1.2.3"), *made))
    sent[at % len(sent)] = byte
    record = stowed.open_association(Peer("A", "B", "192.0.2.1"), {})
    store = StoreRequest(record, NoEvents(), b"bq", "", 1 << 20)
    try:
        for start in range(0, len(sent), 333):
            store.take(memoryview(sent)[start : start + 333])
        store.finish()
    except Malformed:
        pass
    finally:
        store.abandon()
        stowed.close_association(record, Close.RELEASED, "")
    assert decode(encode(store.parts), JSON) == [*(one for one in store.parts if one.stored), *_failed(store.parts)]
    assert record.buffer.nbytes == 0


def _failed(parts: list[Part]) -> list[Part]:
    """Those with a name, and then those without."""
    return sorted((one for one in parts if not one.stored), key=lambda one: not one.sop_instance)


@pytest.fixture(scope="module")
def stowed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SpoolWriter]:
    with writing(tmp_path_factory.mktemp("spool"), Spool(segment=8 << 20, capacity=1 << 30, disk_floor=0)) as writer:
        yield writer
