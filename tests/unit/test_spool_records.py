"""A record's header: what is packed comes back, and nothing else passes for one."""

from dataclasses import replace
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from dicom_node.spool.records import HEADER, PAGE, Kind, Record, pack, padded, unpack

SALT = bytes(range(16))
RECORD = Record(
    kind=Kind.INSTANCE,
    epoch=7,
    salt=SALT,
    association=UUID(int=5),
    sequence=3,
    received_ns=1_700_000_000_000_000_000,
    length=1000,
    total=3000,
    part=2,
    context_id=5,
    attempt=5,
    after=3,
    calling="A" * 16,
    called="NODE",
    address="2001:db8:1111:2222:3333:4444:5555:6666",
    sop_class="1." * 31 + "12",
    sop_instance="2." * 31 + "12",
    transfer_syntax="1.2.840.10008.1.2",
    payload_crc=123,
)


def test_a_header_comes_back_as_it_was_packed() -> None:
    header = pack(RECORD, 123)
    assert len(header) == HEADER
    assert unpack(header, 7, SALT) == RECORD


def test_a_header_of_an_earlier_use_of_the_segment_is_none() -> None:
    header = pack(RECORD, 123)
    assert unpack(header, 8, SALT) is None
    assert unpack(header, 7, bytes(16)) is None


@given(st.integers(0, HEADER - 1), st.integers(1, 255))
def test_a_header_with_any_byte_changed_is_none(place: int, change: int) -> None:
    header = bytearray(pack(RECORD, 123))
    header[place] ^= change
    assert unpack(bytes(header), 7, SALT) is None


@given(st.integers(0, HEADER - 1))
def test_a_header_that_was_cut_is_none(length: int) -> None:
    assert unpack(pack(RECORD, 123)[:length], 7, SALT) is None


@given(st.integers(0, 1 << 22))
def test_records_stay_aligned(length: int) -> None:
    assert padded(length) % PAGE == 0
    assert HEADER + length <= padded(length) < HEADER + length + PAGE


def test_titles_and_addresses_of_no_known_alphabet_can_be_recorded() -> None:
    header = pack(replace(RECORD, calling="\ufffd" * 16), 123)
    assert unpack(header, 7, SALT) is not None
