"""What statuses mean, which associations a sending takes, and what is a Part 10 file."""

import socket
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.peers import Destination
from dicom_node import pace
from dicom_node.part10 import head
from dicom_node.scu import store as sender
from dicom_node.scu import wire
from dicom_node.scu.store import Outgoing, Verdict, judge, outgoing, send
from domain.errors import Retryable, UnusableInput
from tests.support.processes import free_port

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
DATA = b"\x08\x00\x60\x00CS\x02\x00CT"


def an_object(number: int = 1, sop_class: str = CT, transfer_syntax: str = EXPLICIT) -> Outgoing:
    uid = f"1.2.3.{number}"
    return Outgoing(head(sop_class, uid, transfer_syntax) + DATA, sop_class, uid, transfer_syntax)


@pytest.mark.parametrize("status", [0x0000, 0x0001, 0xB000, 0xB006, 0xB007, 0x0111])
def test_success_warnings_and_a_duplicate_mean_that_it_is_stored(status: int) -> None:
    assert judge(status)[0] is Verdict.STORED


@pytest.mark.parametrize("status", [0x0117, 0x0122, 0x0212, 0xA900, 0xA9FF, 0xC000, 0xC123, 0xCFFF])
def test_what_the_same_object_would_get_again_is_refused_for_good(status: int) -> None:
    verdict, reason = judge(status)
    assert verdict is Verdict.REFUSED
    assert f"{status:04X}" in reason


@pytest.mark.parametrize("status", [0xA700, 0xA701, 0xA7FF, 0x0110, 0x0124, 0xFE00, 0x1234])
def test_a_lack_of_resources_and_anything_unknown_is_tried_again(status: int) -> None:
    assert judge(status)[0] is Verdict.RETRY


@given(st.integers(0, 0xFFFF))
def test_every_status_has_a_meaning(status: int) -> None:
    verdict, reason = judge(status)
    assert reason or (verdict is Verdict.STORED and status == 0)


def test_contexts_beyond_128_take_another_association_and_no_object_is_left_out() -> None:
    objects = [an_object(number, sop_class=f"1.2.3.4.{number % 300}") for number in range(600)]
    batches = list(sender._batches(objects))
    assert [len({one.context for one in batch}) for batch in batches] == [128, 128, 44]
    assert sorted(one.sop_instance for batch in batches for one in batch) == sorted(o.sop_instance for o in objects)


def test_objects_of_one_association_keep_their_order() -> None:
    objects = [an_object(number) for number in range(5)]
    assert list(sender._batches(objects)) == [objects]


@given(st.binary(max_size=64))
def test_an_answer_of_rubbish_is_retryable_or_read(rubbish: bytes) -> None:
    with suppress(Retryable):
        assert 0 <= sender._status(rubbish) <= 0xFFFF


def test_a_part_10_file_is_known_by_its_meta(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(head(CT, "1.2.3", EXPLICIT) + DATA)
    assert outgoing(path) == Outgoing(path, CT, "1.2.3", EXPLICIT)
    assert outgoing(path).size == path.stat().st_size


@pytest.mark.parametrize("content", [b"", b"text", bytes(128) + b"DICM", bytes(128) + b"DICM" + DATA, bytes(400)])
def test_whatever_else_is_no_part_10_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "other"
    path.write_bytes(content)
    with pytest.raises(UnusableInput):
        outgoing(path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnusableInput, match="gone cannot be read"):
        outgoing(tmp_path / "gone")


@given(st.binary(max_size=300))
def test_no_damaged_meta_raises_anything_else(tail: bytes) -> None:
    with suppress(UnusableInput):
        assert isinstance(sender._file_meta(BytesIO(bytes(128) + b"DICM\x02\x00" + tail)), dict)


def test_the_data_set_begins_where_the_meta_ends() -> None:
    file = BytesIO(head(CT, "1.2.3", EXPLICIT) + DATA)
    sender._file_meta(file)
    assert file.read() == DATA


def test_a_deflated_data_set_of_odd_length_is_padded() -> None:
    assert b"".join(sender._pieces(BytesIO(b"12345"), 4)) == b"12345\0"


def test_nobody_there_means_try_again_for_every_object() -> None:
    nobody = Destination(name="X", aet="X", host="127.0.0.1", port=free_port())
    outcomes = list(send([an_object(1), an_object(2)], nobody, "TEST", timeout=60))
    assert [one.verdict for one in outcomes] == [Verdict.RETRY, Verdict.RETRY]
    assert "Connection refused" in outcomes[0].reason


def test_nothing_to_send_opens_no_association() -> None:
    nobody = Destination(name="X", aet="X", host="127.0.0.1", port=1)
    assert list(send([], nobody, "TEST")) == []


class SlowLine(socket.socket):
    """Takes so many bytes a second of a time that it makes itself."""

    def __init__(self, pace: float) -> None:
        super().__init__()
        self.pace, self.now = pace, 0.0

    def sendall(self, data: bytes, flags: int = 0, /) -> None:  # type: ignore[override]
        self.now += len(data) / self.pace


def flow(line: SlowLine, monkeypatch: pytest.MonkeyPatch) -> wire.Flow:
    for module in (pace, wire):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: line.now))
    return wire.Flow(line, 30)


def test_what_is_taken_slowly_but_at_the_least_pace_goes_on_for_hours(monkeypatch: pytest.MonkeyPatch) -> None:
    with SlowLine(pace=5_000) as line:
        sending = flow(line, monkeypatch)
        for _ in range(10_000):
            sending.send(bytes(16_378))
        assert line.now > 8 * 3600


def test_what_is_taken_at_less_than_the_least_pace_ends_however_small_its_pieces(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with SlowLine(pace=100) as line:
        sending = flow(line, monkeypatch)
        with pytest.raises(TimeoutError):
            for _ in range(10_000):
                sending.send(bytes(26))
        assert line.now < 32


def test_a_peer_that_was_fast_has_no_credit_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with SlowLine(pace=1e9) as line:
        sending = flow(line, monkeypatch)
        for _ in range(1000):
            sending.send(bytes(262_138))
        stopped, line.pace = line.now, 100
        with pytest.raises(TimeoutError):
            for _ in range(10_000):
                sending.send(bytes(26))
        assert line.now - stopped < 32
