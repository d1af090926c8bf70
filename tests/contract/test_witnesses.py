"""Checkpoints in outside places: a file, a syslog receiver, a witness that others run, a bucket. What was signed once
binds: a trail that was made anew, or put back from a backup, is contradicted, and no place holds up another."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from audit.actions import Action
from audit.notes import Checkpoint, Note
from audit.outside import claims_in
from audit.publishing import Publisher
from audit.trail import rows
from audit.verification import Claim
from audit.witnesses.choice import outlet
from config import metrics
from config.audit import Witness
from domain.clock import SystemClock
from store import checkpoints
from store.checkpoints import Publication
from tests.support.litewitness import Litewitness
from tests.support.processes import wait_for
from tests.support.rsyslog import Rsyslog
from tests.support.servers import Postgres
from tests.support.signed_trails import SignedTrail


@pytest.fixture
def trail(postgres: Postgres, tmp_path: Path) -> Iterator[SignedTrail]:
    made = SignedTrail(postgres, tmp_path / "keys")
    made.sealed(20)
    yield made
    made.close()


def publisher(trail: SignedTrail, **settings: object) -> Publisher:
    witness = Witness.model_validate({"name": "vault", **settings})
    return Publisher(trail.signing, witness, outlet, SystemClock())


def told(trail: SignedTrail) -> Publication:
    with trail.auditor.transaction() as connection:
        (found,) = checkpoints.publications(connection)
    return found


def recorded(trail: SignedTrail, action: Action) -> int:
    return sum(f'"action":"{action}"' in row.entry for row in rows(trail.auditor))


def in_file(file: Path) -> list[Claim]:
    return list(claims_in(file.read_text(), file.name))


def test_a_file_gets_the_newest_and_what_it_has_convicts_whoever_rewrites_all_the_rest(
    trail: SignedTrail, tmp_path: Path
) -> None:
    file = tmp_path / "checkpoints.jsonl"
    publish = publisher(trail, kind="file", file=file)
    assert publish.step()
    trail.sealed(5, 5)
    assert publish.step()
    assert publish.step(), "nothing is new, and that is no fault"
    assert [Checkpoint.parse(Note.parse(one.note).text).size for one in in_file(file)] == [21, 31]
    assert (told(trail).size, trail.verified(in_file(file)).intact) == (31, True)
    # With the database and a stolen key: signatures, tiles and the chain are made anew, without a seam.
    trail.forget_signatures()
    trail.keys.signed_file.unlink()  # they have that folder too
    trail.rewrite(12, "CT11", "CT99")
    trail.sealer = trail.another_sealer()
    trail.sealed(1)
    assert trail.verified().intact
    verdict = trail.verified(in_file(file))
    assert [one.where for one in verdict.convictions] == [f"line {line} of checkpoints.jsonl" for line in (1, 2)]
    assert "the first 21 entries had another root" in str(verdict.convictions[0])


def test_a_history_that_was_made_anew_is_not_published_and_the_trail_says_so_once(
    trail: SignedTrail, tmp_path: Path
) -> None:
    file = tmp_path / "checkpoints.jsonl"
    assert publisher(trail, kind="file", file=file).step()
    before = file.read_bytes()
    trail.forget_signatures()
    trail.keys.signed_file.unlink()  # they have that folder too
    trail.rewrite(12, "CT11", "CT99")
    trail.sealer = trail.another_sealer()
    trail.sealed(1)
    publish = publisher(trail, kind="file", file=file)
    assert not publish.step()
    assert not publish.step()
    assert file.read_bytes() == before
    assert "has a checkpoint of 21 entries with another root" in told(trail).reason
    assert recorded(trail, Action.CONTRADICTED) == 1


def test_a_database_that_was_put_back_is_behind_what_was_published(
    trail: SignedTrail, tmp_path: Path, postgres: Postgres
) -> None:
    file = tmp_path / "checkpoints.jsonl"
    trail.sealed(30)
    assert publisher(trail, kind="file", file=file).step()
    # Yesterday's backup: the same log, with less in it.
    trail.keys.signed_file.unlink()  # as on another machine, which has the keys from the safe
    earlier = SignedTrail(postgres, trail.keys.folder)
    earlier.sealed(10)
    assert not publisher(earlier, kind="file", file=file).step()
    assert "has a checkpoint of 51 entries, and this trail comes to" in told(earlier).reason
    (conviction,) = earlier.verified(in_file(file)).convictions
    assert "its end was cut off" in conviction.reason
    earlier.close()


def test_a_place_that_is_away_loses_nothing_and_is_told_when_it_goes_and_when_it_is_back(
    trail: SignedTrail, tmp_path: Path
) -> None:
    folder = tmp_path / "mount"
    publish = publisher(trail, kind="file", file=folder / "checkpoints.jsonl")
    assert not publish.step()
    trail.sealed(3)
    assert not publish.step()
    assert recorded(trail, Action.WITNESS_AWAY) == 1
    assert told(trail).away_since is not None
    assert metrics.witness_behind.labels("vault")._value.get() == trail.newest().size
    folder.mkdir()
    assert publish.step()
    assert (recorded(trail, Action.WITNESS_BACK), told(trail).away_since) == (1, None)
    assert [Checkpoint.parse(Note.parse(one.note).text).size for one in in_file(folder / "checkpoints.jsonl")] == [25]
    trail.sealed(0)
    assert trail.verified().intact


def test_a_line_that_a_loss_of_power_cut_short_is_followed_by_a_whole_one(trail: SignedTrail, tmp_path: Path) -> None:
    file = tmp_path / "checkpoints.jsonl"
    assert publisher(trail, kind="file", file=file).step()
    file.write_bytes(file.read_bytes()[:-30])
    trail.sealed(2)
    assert publisher(trail, kind="file", file=file).step()
    cut, whole = in_file(file)
    assert Checkpoint.parse(Note.parse(whole.note).text).size == 23
    verdict = trail.verified([cut, whole])
    assert [one.where for one in verdict.convictions] == ["line 1 of checkpoints.jsonl"]


def test_a_checkpoint_by_which_a_key_took_over_is_not_passed_by(trail: SignedTrail, tmp_path: Path) -> None:
    file = tmp_path / "checkpoints.jsonl"
    publish = publisher(trail, kind="file", file=file)
    assert publish.step()
    old = trail.trusted()
    trail.keys.make(SystemClock().now(), "alice (uid 1000)")
    trail.sealed(2, 2, 2)
    assert publish.step()
    signed = [len(Note.parse(one.note).signatures) for one in in_file(file)]
    assert signed == [1, 2, 1]
    verdict = trail.verified(in_file(file))
    assert (verdict.intact, len(old)) == (True, 1)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_a_syslog_receiver_gets_a_message_from_which_the_checkpoint_is_read_back(
    trail: SignedTrail, transport: str
) -> None:
    kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as receiver:
        receiver.bind(("127.0.0.1", 0))
        got: list[bytes] = []
        if transport == "tcp":
            receiver.listen()
            reading = threading.Thread(target=lambda: got.append(_all(receiver)), daemon=True)
            reading.start()
        address, port = receiver.getsockname()
        assert publisher(trail, kind="syslog", host=address, port=port, transport=transport).step()
        if transport == "tcp":
            reading.join(30)
        else:
            receiver.settimeout(30)
            got.append(receiver.recv(65_535))
    assert b" dicom-node - checkpoint " in got[0]
    (claim,) = claims_in(got[0].decode("utf-8"), "the receiver's file")
    assert trail.verified([claim]).intact
    assert claim.note == trail.newest().note


def test_what_a_receiver_by_tls_kept_in_its_file_is_held_against_the_trail(trail: SignedTrail, tmp_path: Path) -> None:
    folder = tmp_path / "rsyslog"
    folder.mkdir()
    with Rsyslog(folder) as receiver:
        known = receiver.receiver()
        place = {"kind": "syslog", "host": known.host, "port": known.port, "ca": known.ca}
        assert publisher(trail, **place, certificate=known.certificate, certificate_key=known.key).step()
        wait_for(receiver.lines, 60, "a message in the receiver's file")
        kept = list(claims_in("\n".join(receiver.lines()), "the receiver's file"))
    assert [one.note for one in kept] == [trail.newest().note]
    assert trail.verified(kept).intact
    trail.forget_signatures()
    trail.keys.signed_file.unlink()  # they have that folder too
    trail.rewrite(12, "CT11", "CT99")
    assert [one.where for one in trail.verified(kept).convictions] == ["line 1 of the receiver's file"]


def test_a_receiver_of_syslog_that_is_away_is_tried_again(trail: SignedTrail) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        publish = publisher(
            trail, kind="syslog", host="127.0.0.1", port=closed.getsockname()[1], transport="tcp", timeout=2.0
        )
        assert not publish.step()
    assert "takes no audit messages" in told(trail).reason


def _all(receiver: socket.socket) -> bytes:
    connection, _ = receiver.accept()
    with connection:
        return b"".join(iter(lambda: connection.recv(65_536), b""))


@pytest.fixture
def witness(tmp_path: Path) -> Iterator[Litewitness]:
    folder = tmp_path / "litewitness"
    folder.mkdir()
    running = Litewitness(folder)
    try:
        yield running.start()
    finally:
        running.stop()


def test_a_witness_that_others_run_signs_what_continues_and_nothing_else(
    trail: SignedTrail, witness: Litewitness
) -> None:
    settings = {"kind": "http", "url": witness.url, "key": str(witness.verifier())}
    publish = publisher(trail, **settings)
    assert not publish.step()
    assert "does not know this trail: give whoever runs it the key" in told(trail).reason
    witness.trust(trail.trusted()[0])
    assert publish.step()
    trail.sealed(300, 7)
    # Another process, which knows nothing of what the first one did.
    assert publisher(trail, **settings).step()
    newest = trail.newest()
    with trail.auditor.transaction() as connection:
        (line,) = checkpoints.cosignatures(connection, newest.number)
    both = Note.parse(newest.note + line + "\n")
    assert both.signed_by([witness.verifier()]) == (witness.verifier(),)
    # A key that takes over has to be known to the witness as well.
    trail.keys.make(SystemClock().now(), "alice (uid 1000)")
    trail.sealed(1, 1)
    assert not publisher(trail, **settings).step()
    assert "trusts none of the keys that signed" in told(trail).reason
    witness.trust(trail.trusted()[1])
    assert publisher(trail, **settings).step()
    # The whole history made anew, and signed with the node's own keys.
    trail.forget_signatures()
    trail.keys.signed_file.unlink()  # they have that folder too
    trail.rewrite(12, "CT11", "CT99")
    trail.sealer = trail.another_sealer()
    trail.sealed(1)
    assert not publisher(trail, **settings).step()
    assert "has signed another history than this trail's" in told(trail).reason
    assert recorded(trail, Action.CONTRADICTED) == 1


def test_a_witness_has_signed_more_than_a_database_that_was_put_back_comes_to(
    trail: SignedTrail, witness: Litewitness, postgres: Postgres
) -> None:
    witness.trust(trail.trusted()[0])
    trail.sealed(30)
    assert publisher(trail, kind="http", url=witness.url).step()
    trail.keys.signed_file.unlink()  # as on another machine, which has the keys from the safe
    earlier = SignedTrail(postgres, trail.keys.folder)
    earlier.sealed(10)
    assert not publisher(earlier, kind="http", url=witness.url).step()
    assert "has signed 51 entries, and this trail comes to" in told(earlier).reason
    earlier.close()


def test_a_witness_that_is_no_witness_or_signs_with_another_key_has_signed_nothing(
    trail: SignedTrail, witness: Litewitness
) -> None:
    witness.trust(trail.trusted()[0])
    own = str(trail.trusted()[0])
    assert not publisher(trail, kind="http", url=witness.url, key=own).step()
    assert "it is no key of a witness (type 4)" in told(trail).reason
    assert not publisher(trail, kind="http", url=witness.url + "/elsewhere").step()
    assert "give whoever runs it the key" in told(trail).reason
