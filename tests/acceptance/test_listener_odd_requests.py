"""Association requests as odd peers make them: what is senseless is passed over, and what is recorded is plain text."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dicom_node.spool import Entry, Kind
from tests.support.counterparts import data_folder
from tests.support.listening import (
    ACCEPT,
    CT,
    EXPLICIT,
    IMPLICIT,
    REJECT,
    RawPeer,
    RunningListener,
    item,
    listening,
    request,
)
from tests.support.spool import instances


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RunningListener]:
    with listening(tmp_path) as running:
        yield running


def plain(text: str) -> bool:
    return all(" " <= letter <= "~" or letter == "\ufffd" for letter in text)


def all_plain(found: list[Entry]) -> bool:
    """Whether no word of a peer in these entries could upset whoever stores or shows it."""

    def words(value: object) -> Iterator[str]:
        if isinstance(value, dict | list | tuple):
            for one in value.values() if isinstance(value, dict) else value:
                yield from words(one)
        elif isinstance(value, str):
            yield value

    return all(
        plain(word)
        for entry in found
        for word in words([entry.calling, entry.called, entry.sop_class, entry.sop_instance, entry.details])
    )


@pytest.mark.parametrize("strange", [b"unknown", b"2.16.x", b"1.2.840.10008.1.2\xa0", b"1.2\n", b"", b"9" * 200])
def test_a_transfer_syntax_that_is_none_is_passed_over_and_the_next_is_taken(
    node: RunningListener, strange: bytes
) -> None:
    with RawPeer(node.port) as peer:
        peer.associate(contexts=[(1, CT, (strange, EXPLICIT))])
        assert peer.store("1.1", b"data") == 0
        peer.release()
    found = node.read(Kind.ASSOCIATION_CLOSED)
    assert instances(found) == {"1.1": b"data"}
    assert [entry.transfer_syntax for entry in found if entry.kind is Kind.INSTANCE] == [EXPLICIT]


def test_an_abstract_syntax_that_is_none_costs_its_context_and_no_other(node: RunningListener) -> None:
    strange = [b"\xff\xfe\0\n", b"CT Image Storage", b"1" * 300]
    contexts = [(2 * number + 3, name, (EXPLICIT,)) for number, name in enumerate(strange)]
    with RawPeer(node.port) as peer:
        peer.associate(contexts=[*contexts, (1, CT, (IMPLICIT,))])
        assert peer.store("1.1", b"data") == 0
        peer.release()
    found = node.read(Kind.ASSOCIATION_CLOSED)
    (opened,) = [entry for entry in found if entry.kind is Kind.ASSOCIATION_OPENED]
    answered: Any = opened.details["contexts"]
    assert [context["result"] for context in answered] == [3, 3, 3, 0]
    assert all(len(context["abstract_syntax"]) <= 65 for context in answered)
    assert all_plain(found)


@pytest.mark.parametrize(
    "role", [b"", b"\0", b"\0\x40" + CT.encode(), b"\0\4\xff\xff\xff\xff\1\0", b"\xff\xff", b"\0\0\1\0"]
)
def test_a_role_item_that_is_none_is_passed_over(node: RunningListener, role: bytes) -> None:
    with RawPeer(node.port) as peer:
        peer.associate(extra=item(0x54, role))
        assert peer.store("1.1", b"data") == 0
        peer.release()


@pytest.mark.parametrize("title", [b"CT01".ljust(16, b"\0"), b"CT01\0\x07AB\0\0\x01\x02XYZW", b"  CT01"])
def test_a_title_ends_at_its_first_nul(node: RunningListener, title: bytes) -> None:
    with RawPeer(node.port) as peer:
        peer.associate(calling=title, called=b"NODE".ljust(16, b"\0"))
        peer.release()
    found = node.read(Kind.ASSOCIATION_CLOSED)
    assert {entry.calling for entry in found if entry.kind is not Kind.NODE_STARTED} == {"CT01"}


@pytest.mark.parametrize("title", [b" " * 16, bytes(16), b"\0 \0 "])
def test_a_blank_title_is_not_known(node: RunningListener, title: bytes) -> None:
    with RawPeer(node.port) as peer:
        peer.send(request(calling=title))
        assert peer.receive() == (REJECT, bytes((0, 1, 1, 3)))
    (refused,) = [entry for entry in node.read(Kind.ASSOCIATION_REFUSED) if entry.kind is Kind.ASSOCIATION_REFUSED]
    assert refused.details["code"] == 3


def test_words_of_a_rejected_caller_are_recorded_as_plain_text(node: RunningListener) -> None:
    with RawPeer(node.port) as peer:
        peer.send(request(called=b"WR\x1b[31mNG\n", calling=b"\x01\x7f\xe9\nDROP"))
        assert peer.receive() == (REJECT, bytes((0, 1, 1, 7)))
    found = node.read(Kind.ASSOCIATION_REFUSED)
    assert all_plain(found)
    assert found[-1].calling == "<U+0001><U+007F>"  # as much as the 16 characters of a title hold


def test_words_of_an_implementation_and_of_commands_are_recorded_as_plain_text(node: RunningListener) -> None:
    with RawPeer(node.port) as peer:
        peer.associate(extra=item(0x55, b"V\0\x07\xff\n" * 20))
        for uid in (b"1.2\0\x01", b"1.\n2", b"\xff" * 3000):
            assert peer.store(uid, b"data") in (0, 0x0117)
        peer.release()
    found = node.read(Kind.ASSOCIATION_CLOSED)
    assert all_plain(found)
    assert all(len(entry.sop_instance) <= 65 for entry in found)


def test_the_collected_case_of_odd_requests_goes_as_it_should(node: RunningListener, tmp_path: Path) -> None:
    cases = data_folder().parent / "cases"
    case = cases / "15-odd-association-requests"
    if not case.is_dir():
        pytest.skip(f"no collected cases in {cases}: set DICOM_NODE_TEST_DATA to the folder of data beside them")
    shutil.copytree(case, tmp_path / "cases" / case.name)
    shutil.copytree(cases / "_lib", tmp_path / "cases" / "_lib")
    make = [sys.executable, str(tmp_path / "cases" / case.name / "make.py")]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run(make, check=True, env=environment, timeout=60)
    done = subprocess.run(
        [*make, "--send", str(node.port)], capture_output=True, text=True, check=True, env=environment, timeout=60
    )
    answers = {line.split()[0]: line for line in done.stdout.splitlines()}
    assert set(answers) == set("abcde")
    for name in "abcd":
        assert f"answer {ACCEPT}" in answers[name]
        assert answers[name].endswith("status 0")
    assert f"answer {REJECT}" in answers["e"]
    assert len(instances(node.read(Kind.ASSOCIATION_REFUSED))) == 4
