"""What was acknowledged and is no whole instance, or another than announced, is set aside: kept, counted, told."""

import logging
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydicom import Dataset
from pydicom.encaps import encapsulate
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from typer.testing import CliRunner

from console.cli.app import app
from dicom_node.intake import filing, header
from dicom_node.intake.filing import reread
from dicom_node.intake.header import Header
from dicom_node.spool import Kind
from store.queries.path import study_path
from tests.support.bench import Bench, open_bench
from tests.support.entries import entry
from tests.support.ingest import encoded
from tests.support.phantoms import Phantom
from tests.support.spooled import GOOD, good, run
from tests.support.working import study_id

MPEG = "1.2.840.10008.1.2.4.102"
_ITEMS_END = b"\xfe\xff\xdd\xe0\0\0\0\0"
LONG = 9 << 20  # bytes; longer than what the index holds whole


@pytest.fixture
def bench(tmp_path: Path, database_url: str) -> Iterator[Bench]:
    with open_bench(tmp_path, database_url) as made:
        yield made


def test_an_image_cut_in_its_pixels_is_set_aside_until_it_comes_whole(
    bench: Bench, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    whole = good(1)
    cut = entry(9, whole[0].data()[:-100], sop_instance=whole[0].sop_instance)
    with caplog.at_level(logging.INFO):
        run(bench, [cut, *whole[1:]])
    path = study_path(bench.database, study_id(bench))
    ((aside),) = path.quarantine
    assert aside.reason == "image 1 is cut short: the data set ends within (7FE0,0010); have it sent again"
    assert bench.objects.get(aside.object_key).endswith(cut.data())
    assert (path.unreadable, path.whole) == (1, 2)
    ((count, why),) = [(one.count, one.reason) for one in caplog.records if "quarantine" in one.message]  # type: ignore[attr-defined]
    assert (count, why) == (1, "cut short")
    assert whole[0].sop_instance not in caplog.text
    words = ["explain", str(study_id(bench)), "--data", str(bench.root), "--database", database_url]
    assert "1 of its instances cannot be read, and no model sees" in CliRunner().invoke(app, words).stdout
    run(bench, [whole[0]])
    path = study_path(bench.database, study_id(bench))
    assert (path.unreadable, path.whole, len(path.conflicts)) == (0, 3, 0)


def test_an_instance_too_long_to_be_held_is_judged_to_its_last_byte(bench: Bench) -> None:
    head = encoded(Phantom(size=(16, 16), slices=3, study="long").datasets()[0]).partition(b"\xe0\x7f\x10\x00")[0]
    private = b"\xf1\x7f\x10\x10OB\0\0" + LONG.to_bytes(4, "little") + bytes(LONG)
    pixels = b"\xe0\x7f\x10\x00OW\0\0\0\2\0\0" + bytes(512)
    fragments = b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\0\0\0\0\xfe\xff\x00\xe0"
    fragments += LONG.to_bytes(4, "little") + bytes(LONG)
    jpeg = "1.2.840.10008.1.2.4.80"
    given = [
        entry(1, head + pixels + private),
        entry(2, head + pixels + private[:-1]),
        entry(3, head + pixels + private + b"\xf1\x7f\x11\x10OB\0\0"),
        entry(4, head + fragments + b"\xfe\xff\xdd\xe0\0\0\0\0", transfer_syntax=jpeg),
        entry(5, head + fragments, transfer_syntax=jpeg),
    ]
    for one in given:
        run(bench, [one])
    assert bench.count("instances") == 1
    assert bench.count("conflicts") == 1
    said = bench.ask("SELECT reason FROM dicom_node.quarantine ORDER BY id")
    assert [reason.partition("ends within ")[2].partition(";")[0] for (reason,) in said] == [
        "(7FF1,1010)", "what follows (7FF1,1011)", "what follows (FFFE,E000)"
    ]  # fmt: skip
    assert all(bench.objects.exists(key) for (key,) in bench.ask("SELECT object_key FROM dicom_node.quarantine"))


def test_a_value_longer_than_any_header_is_kept_and_its_image_filed(bench: Bench) -> None:
    data = encoded(GOOD.datasets()[0])
    for group, behind in ((0x0009, b"\x10\x00\x10\x00PN"), (0x0021, b"\x28\x00\x02\x00US")):
        private = struct.pack("<HH2sHI", group, 0x1010, b"OB", 0, 33 << 20) + bytes(33 << 20)
        long = data.replace(behind, private + behind, 1)
        run(bench, [entry(group, long)])
        kept = [
            key
            for (key,) in bench.ask(
                "SELECT object_key FROM dicom_node.instances UNION SELECT object_key FROM dicom_node.conflicts"
            )
        ]
        assert any(bench.objects.path(key).stat().st_size > len(long) for key in kept)
    assert bench.count("quarantine") == 0
    (row,) = bench.ask("SELECT id, object_key FROM dicom_node.conflicts")
    assert reread(bench.objects.path(row[1])).header.sop_uid == GOOD.datasets()[0].SOPInstanceUID


def test_what_begins_as_another_kind_of_bytes_is_called_that(bench: Bench) -> None:
    explicit, big = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
    data, other = encoded(GOOD.datasets()[0]), DicomBytesIO()
    other.is_implicit_VR, other.is_little_endian = False, False
    write_dataset(other, GOOD.datasets()[0])
    given = [
        entry(1, bytes(128) + b"DICM" + data, transfer_syntax=explicit),
        entry(2, other.getvalue(), transfer_syntax=explicit),
        entry(3, data, transfer_syntax=big),
    ]
    run(bench, given)
    said = [reason for (reason,) in bench.ask("SELECT reason FROM dicom_node.quarantine ORDER BY id")]
    assert [reason.partition(", but ")[2].partition(",")[0] for reason in said] == [
        "a whole file", "one in big endian", "one in little endian"
    ]  # fmt: skip


def test_frames_that_no_byte_bears_out_are_not_counted(bench: Bench) -> None:
    report = GOOD.datasets()[0]
    for keyword in ("PixelData", "Rows", "Columns", "BitsAllocated", "SamplesPerPixel", "PhotometricInterpretation"):
        delattr(report, keyword)
    report.SOPClassUID, report.ContentSequence = "1.2.840.10008.5.1.4.1.1.88.33", [Dataset()]
    report.NumberOfFrames = 2_000_000_000
    video = GOOD.datasets()[1]
    video.NumberOfFrames = 2_000_000_000
    del video.PixelData
    stream = b"\xe0\x7f\x10\x00OB\0\0\xff\xff\xff\xff" + encapsulate([bytes(100)], has_bot=False) + _ITEMS_END
    run(bench, [entry(1, encoded(report)), entry(2, encoded(video) + stream, transfer_syntax=MPEG)])
    assert bench.ask("SELECT frames FROM dicom_node.instances") == [(1,), (1,)]


def test_a_defect_in_the_judging_of_a_long_instance_costs_that_instance_alone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = encoded(GOOD.datasets()[0]) + b"\xf1\x7f\x10\x10OB\0\0" + LONG.to_bytes(4, "little") + bytes(LONG)
    original = header.read_header

    def broken(*given: Any, **more: Any) -> Header:
        if more.get("begins"):
            raise ZeroDivisionError("Doe^Jane")
        return original(*given, **more)

    monkeypatch.setattr(filing, "read_header", broken)
    run(bench, [entry(1, data), *good(2)[1:]])
    ((reason,),) = bench.ask("SELECT reason FROM dicom_node.quarantine")
    assert reason.startswith("it cannot be judged: ZeroDivisionError in test_index_whole.py:")
    assert bench.count("instances") == 2


@pytest.mark.parametrize(
    ("named", "what"),
    [
        ({"sop_instance": "1.2.3.99"}, "SOP instance"),
        ({"sop_class": "1.2.840.10008.5.1.4.1.1.4"}, "SOP class"),
        ({"sop_instance": "1.2.3.99", "sop_class": "1.2.840.10008.5.1.4.1.1.4"}, "SOP class and instance"),
    ],
)
def test_what_comes_under_a_command_that_names_another_instance_is_set_aside(
    bench: Bench, named: dict[str, str], what: str
) -> None:
    first, *others = good(1)
    run(bench, [replace(first, **named), *others])  # type: ignore[arg-type]
    ((reason, uid),) = bench.ask("SELECT reason, sop_uid FROM dicom_node.quarantine")
    assert reason == f"the command that sent it names another {what} than its data set (PS3.4 B.2.3, A900H)"
    assert uid == first.sop_instance
    assert study_path(bench.database, study_id(bench)).unreadable == 1


def test_a_log_tells_each_kind_of_what_was_set_aside_and_of_what_was_refused_and_nobodys_name(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    given = [
        entry(1, b"\x93\x11" * 200),
        *[entry(k, one.data()[:-3], sop_instance=one.sop_instance) for k, one in enumerate(good(2), 2)],
        entry(9, kind=Kind.INSTANCE_REFUSED, details={"status": 0xA700, "reason": "Doe^Jane", "count": 7}),
        entry(10, kind=Kind.ASSOCIATION_REFUSED, details={"result": 1, "source": 1, "code": 7, "reason": "Doe^Jane"}),
        entry(11, kind=Kind.INSTANCE_REFUSED, details={"status": "Doe^Jane"}),
    ]
    with caplog.at_level(logging.INFO):
        run(bench, given)
    said = {(one.reason, one.count) for one in caplog.records if hasattr(one, "reason")}  # type: ignore[attr-defined]
    assert said == {
        ("no DICOM data set", 1), ("cut short", 3), ("instance: out of resources", 7),
        ("association: called AE title", 1), ("instance: of no known status", 1),
    }  # fmt: skip
    assert "Doe" not in caplog.text + str([vars(one) for one in caplog.records])
