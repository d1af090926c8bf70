"""Inputs changed at random, against everything that reads what peers say before they are known: nobody gets through.

`make faults` runs the long form; the seed is printed, and DICOM_NODE_FAULTS_SEED gives it back.
"""

import os
import random
import resource
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from config.settings import Spool
from dicom_node.listener.provided import services
from dicom_node.spool import Entry, Kind, SpoolReader
from tests.support.fuzzing import Conversations, good_association, of_command, of_data_set, of_request
from tests.support.fuzzing_services import Bodies, Messages
from tests.support.listening import RawPeer, RunningListener, listening, request
from tests.support.mutations import samples
from tests.support.processes import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200)]

INPUTS = int(os.environ.get("DICOM_NODE_FAULTS_INPUTS", "100000"))
SEED = int(os.environ.get("DICOM_NODE_FAULTS_SEED") or random.SystemRandom().randrange(1 << 32))
IDLE = 2000
# Of all inputs: those that go through a listener which runs take a thousand times as long as those that are read alone.
_SHARES = {
    "requests": 0.4,
    "commands": 0.2,
    "data sets": 0.25,
    "messages": 0.05,
    "bodies": 0.05,
    "associations": 0.05,
}
_FLAT = 48 << 20  # bytes that the process may grow by, once it is warm: less than a kilobyte an input
_ROOM = Spool(segment=8 << 20, capacity=256 << 20, disk_floor=0)


@pytest.fixture(scope="module")
def chance(request: pytest.FixtureRequest) -> random.Random:
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        sys.stdout.write(f"\nseed {SEED}: {INPUTS} inputs\n")
    return random.Random(SEED)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[RunningListener]:
    with listening(tmp_path, _ROOM, artim=60.0, idle=60.0) as running:
        yield running


def _share(kind: str) -> int:
    return round(INPUTS * _SHARES[kind])


@pytest.fixture
def makers(tmp_path: Path, chance: random.Random) -> Iterator[Mapping[str, Callable[[], str]]]:
    """What makes an input of a kind, and says what became of it."""
    kinds = samples()
    with ExitStack() as stack:
        messages, bodies = Messages(tmp_path), Bodies(tmp_path / "spool", kinds, stack)
        yield {
            "requests": lambda: of_request(chance),
            "commands": lambda: of_command(chance),
            "data sets": lambda: of_data_set(chance, kinds),
            "messages": lambda: messages.of_message(chance),
            "bodies": lambda: bodies.of_body(chance),
        }


@pytest.mark.parametrize("kind", [kind for kind in _SHARES if kind != "associations"])
# Of texts that are not as their character set or value representation has it, pydicom warns.
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_peers_say_is_taken_or_refused_by_the_book(kind: str, makers: Mapping[str, Callable[[], str]]) -> None:
    became = Counter(makers[kind]() for _ in range(_share(kind)))
    assert became.total() == _share(kind)
    # What is always refused tells nothing of what lies behind the first look.
    assert all(became[outcome] > 0 for outcome in ("taken", *(set(became) - {"taken"}))), became


def test_changed_associations_leave_the_listener_as_it_was_and_a_record_of_each_refusal(
    tmp_path: Path, chance: random.Random
) -> None:
    found = Records()
    with listening(tmp_path, _ROOM, services=services(tmp_path), artim=60.0, idle=60.0) as node:
        talk = Conversations(node)
        _talk(talk, found, chance, _share("associations") // 5)
        threads, sockets, size = threading.active_count(), _sockets(), _resident()
        _talk(talk, found, chance, _share("associations") * 4 // 5)
        with RawPeer(node.port) as peer:
            peer.send(good_association("1.2.999.4"))
            wait_for(lambda: "1.2.999.4" in found.take(node.reader).stored, 60, "a good sender's instance")
        wait_for(lambda: threading.active_count() <= threads, 60, "the threads of the associations to end")
        assert _sockets() <= sockets
        assert _resident() - size < _FLAT
    # What comes often is told as a number, the last of them when the listener ends.
    with SpoolReader(tmp_path) as reader:
        found.take(reader)
    # What the listener said was reset where its peer had not read it yet, so that more is recorded than was heard.
    assert found.stored.total() + found.messages >= talk.answered["stored"] + 1
    assert found.ended["aborted-by-us"] >= talk.answered["aborted within"]
    assert found.refused >= talk.answered["rejected"] + talk.answered["aborted before"] + found.without_context


def _talk(talk: Conversations, found: "Records", chance: random.Random, times: int) -> None:
    for _ in range(times):
        talk.one(chance)
        found.take(talk.node.reader)


def test_a_good_sender_goes_on_beside_two_thousand_that_connect_and_say_nothing(node: RunningListener) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with ExitStack() as open_until, RawPeer(node.port) as sender:
        sender.associate()
        for number in range(IDLE):
            # Silent ones, half an association request each, and whole ones of which nothing more comes.
            idle = open_until.enter_context(RawPeer(node.port))
            if number % 3:
                _say(idle, request()[: 50 if number % 3 == 1 else None])
            if number % 20 == 0:
                assert sender.store(f"1.2.{number}", b"good") == 0
        assert sender.echo() == 0
        sender.release()
    found = node.read(Kind.INSTANCE, IDLE // 20)
    assert sum(entry.kind is Kind.INSTANCE for entry in found) == IDLE // 20
    with RawPeer(node.port) as after:
        after.associate().release()


def _say(peer: RawPeer, words: bytes) -> None:
    """As far as the listener still listens to it."""
    try:
        peer.send(words)
    except ConnectionError:
        return


@dataclass
class Records:
    """What the listener has recorded; what was counted makes room for more."""

    ended: Counter[str] = field(default_factory=Counter)
    stored: Counter[str] = field(default_factory=Counter)
    messages: int = 0
    refused: int = 0
    without_context: int = 0  # these were accepted, with no context

    def take(self, reader: SpoolReader) -> "Records":
        """All that has come."""
        while batch := reader.poll(0):
            for entry in batch:
                self._note(entry)
            reader.checkpoint(batch)
        return self

    def _note(self, entry: Entry) -> None:
        if entry.kind is Kind.ASSOCIATION_CLOSED:
            self.ended[str(entry.details["how"])] += 1
        elif entry.kind is Kind.ASSOCIATION_REFUSED:
            count = int(str(entry.details["count"]))
            self.refused += count
            self.without_context += count * (entry.details["reason"] == "no acceptable presentation context")
        elif entry.kind is Kind.MESSAGE:
            self.messages += 1
        elif entry.kind is Kind.INSTANCE:
            self.stored[entry.sop_instance] += 1


def _sockets() -> int:
    """Of the process; the spool keeps its segments open besides, as many as it has."""
    return sum(_target(name).startswith("socket:") for name in os.listdir("/proc/self/fd"))  # noqa: PTH208 - no folder


def _target(descriptor: str) -> str:
    try:
        return Path(f"/proc/self/fd/{descriptor}").readlink().name
    except FileNotFoundError:  # the listing's own
        return ""


def _resident() -> int:
    pages = Path("/proc/self/statm").read_text("ascii").split()[1]
    return int(pages) * resource.getpagesize()
