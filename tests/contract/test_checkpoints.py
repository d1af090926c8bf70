"""The trail of a real database is signed as it grows, and whoever alters it, a superuser too, is convicted by that."""

import base64
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from audit.actions import Action
from audit.keys import KeyFolder
from audit.notes import Note
from audit.proving import prove, verify_database
from audit.trail import rows
from audit.tree import Frontier, leaf_hash, verify_inclusion
from audit.verification import Claim
from domain.clock import SystemClock
from domain.errors import ConfigurationError, IntegrityError, Permanent
from store import checkpoints
from store.grants import role_of
from tests.support.servers import Postgres
from tests.support.signed_trails import SignedTrail


@pytest.fixture
def trail(postgres: Postgres, tmp_path: Path) -> Iterator[SignedTrail]:
    made = SignedTrail(postgres, tmp_path / "keys")
    yield made
    made.close()


def test_all_that_is_signed_agrees_with_the_trail_and_each_entry_has_its_proof(trail: SignedTrail) -> None:
    trail.sealed(3, 300, 1)
    verdict = trail.verified()
    assert (verdict.intact, verdict.chain.checked, verdict.newest) == (True, 305, 305)
    assert (verdict.tiles, verdict.claims, verdict.warnings) == (1, 3, [])
    assert verdict.signers == [trail.trusted()[0].key_id.hex()]
    for number in (1, 256, 257, 305):
        proof = prove(trail.auditor, number)
        leaf = leaf_hash(proof.row.entry)
        assert verify_inclusion(leaf, number - 1, 305, proof.path, proof.checkpoint.root)
        assert Note.parse(proof.note).signed_by(trail.trusted())
    with pytest.raises(Permanent, match="has no entry 306"):
        prove(trail.auditor, 306)


def test_the_first_entry_that_is_signed_names_the_key_and_who_made_it(trail: SignedTrail) -> None:
    trail.sealed(0)
    (first,) = rows(trail.auditor)
    assert f'"action":"{Action.TRAIL_KEY}"' in first.entry
    assert str(trail.trusted()[0]) in first.entry
    assert (trail.keys.folder / "1.key").stat().st_mode & 0o777 == 0o600
    assert not [row for row in rows(trail.auditor) if "PRIVATE" in row.entry]


def test_a_process_that_begins_anew_goes_on_where_the_last_checkpoint_is(trail: SignedTrail) -> None:
    trail.sealed(700)
    trail.sealer = trail.another_sealer()
    trail.sealed(5, 66)
    verdict = trail.verified()
    assert (verdict.intact, verdict.claims, verdict.newest, verdict.tiles) == (True, 3, 772, 3)


def test_two_processes_that_sign_take_turns_and_make_one_history(trail: SignedTrail) -> None:
    trail.sealed(4)
    other = trail.another_sealer()
    for _ in range(3):
        trail.grow(2)
        assert other.seal()
        trail.grow(2)
        assert trail.sealer.seal()
    assert trail.verified().intact


def test_a_history_that_was_rewritten_wholly_is_convicted_and_its_entry_named(trail: SignedTrail) -> None:
    trail.sealed(299, 50)
    trail.rewrite(17, "CT16", "CT99")
    verdict = trail.verified()
    assert (verdict.chain.bad, verdict.intact) == (None, False)
    said = [str(one) for one in verdict.convictions]
    assert said[0] == "tile 0 of level 0: it holds another hash than entry 17 comes to"
    assert said[1] == (
        "checkpoint 1: the first 300 entries had another root when it was signed; by the tiles entry 17 is the first "
        "that is another"
    )
    assert verdict.convictions[2].where == "checkpoint 2"


def test_behind_the_last_tile_the_entries_between_two_checkpoints_are_named(trail: SignedTrail) -> None:
    trail.sealed(9, 10, 10)
    trail.rewrite(15, '"action":"instances received"', '"action":"instances deceived"')
    verdict = trail.verified()
    assert (verdict.claims, verdict.convictions[0].entries) == (1, (11, 20))
    assert "what was altered lies in entries 11 to 20" in str(verdict.convictions[0])


def test_whoever_removes_checkpoints_and_tiles_too_is_convicted_by_what_others_have(trail: SignedTrail) -> None:
    trail.sealed(20)
    outside = [Claim("line 1 of witness", trail.newest().note)]
    with trail.superuser() as connection:
        connection.execute("DELETE FROM dicom_node.audit_checkpoints")
    trail.rewrite(15, "CT14", "CT99")
    inside = trail.verified()
    assert (inside.intact, inside.claims) == (True, 0)
    assert "there is no checkpoint" in inside.warnings[-1]
    verdict = trail.verified(outside)
    assert [one.where for one in verdict.convictions] == ["line 1 of witness"]


def test_a_tail_that_was_cut_off_is_told_by_the_checkpoint_that_had_it(trail: SignedTrail) -> None:
    trail.sealed(20, 5)
    with trail.superuser() as connection:
        connection.execute("DELETE FROM dicom_node.audit_entries WHERE number > 23")
    verdict = trail.verified()
    assert verdict.chain.bad is None
    assert str(verdict.convictions[0]) == "checkpoint 2: the trail had 26 entries, and has 23: its end was cut off"


def test_nothing_is_signed_on_a_trail_that_is_not_what_was_signed(trail: SignedTrail) -> None:
    trail.sealed(20)
    trail.rewrite(3, "CT2", "CT9")
    trail.grow(1)
    with pytest.raises(IntegrityError, match="does not follow from entry 21"):
        trail.sealer.seal()
    with pytest.raises(IntegrityError, match="not those of checkpoint 1"):
        trail.another_sealer().seal()
    assert trail.newest().number == 1


def test_a_history_without_its_checkpoints_is_not_signed_anew_by_the_keys_that_signed_another(
    trail: SignedTrail,
) -> None:
    trail.sealed(20, 300)
    trail.rewrite(3, "CT2", "CT9")
    trail.forget_signatures()
    for sealer in (trail.sealer, trail.another_sealer()):
        with pytest.raises(IntegrityError, match="321 entries were signed, and the database has checkpoints of 0"):
            sealer.seal()


def test_a_tail_that_was_cut_off_with_its_checkpoints_is_not_signed_on(trail: SignedTrail) -> None:
    trail.sealed(20, 5)
    with trail.superuser() as connection:
        connection.execute("DELETE FROM dicom_node.audit_entries WHERE number > 21")
        connection.execute("DELETE FROM dicom_node.audit_checkpoints WHERE size > 21")
    trail.grow(50)
    for sealer in (trail.sealer, trail.another_sealer()):
        with pytest.raises(IntegrityError, match="26 entries were signed, and the database has checkpoints of 21"):
            sealer.seal()


def test_a_checkpoint_that_no_key_signed_does_not_have_another_history_signed_on(trail: SignedTrail) -> None:
    trail.sealed(20)
    trail.rewrite(3, "CT2", "CT9")
    _forge_checkpoint(trail)
    trail.grow(1)
    with pytest.raises(IntegrityError, match="first 21 entries are not those"):
        trail.another_sealer().seal()


def _forge_checkpoint(trail: SignedTrail) -> None:
    """In the place of the newest one: of the rewritten history, with the signature of the other."""
    said, signatures = trail.newest().note.split("\n\n")
    origin, size, _, _, *more = said.split("\n")
    every = list(rows(trail.auditor))
    tree = Frontier()
    for row in every:
        tree.append(leaf_hash(row.entry))
    root, chain = (base64.b64encode(one).decode() for one in (tree.root(), every[-1].hash))
    note = "\n".join([origin, size, root, f"chain {chain}", *more]) + f"\n\n{signatures}"
    with trail.superuser() as connection:
        connection.execute("UPDATE dicom_node.audit_checkpoints SET note = %s, root = %s", (note, tree.root()))


def test_in_a_folder_that_cannot_be_written_the_keys_sign_all_the_same(trail: SignedTrail) -> None:
    trail.sealed(2)
    trail.keys.signed_file.unlink()
    trail.keys.signed_file.mkdir()
    trail.sealed(2)
    assert trail.verified().newest == 5


@pytest.mark.parametrize(
    ("statement", "says"),
    [
        ("UPDATE audit_checkpoints SET size = size + 1 WHERE number = 2", "its columns are not what its note says"),
        ("UPDATE audit_checkpoints SET root = sha256(root) WHERE number = 2", "its columns are not what its note says"),
        ("UPDATE audit_checkpoints SET at = at + '1 s' WHERE number = 2", "its columns are not what its note says"),
        ("UPDATE audit_checkpoints SET note = replace(note, 'chain ', 'chain  ') WHERE number = 2", "base 64"),
        ("UPDATE audit_checkpoints SET note = left(note, -20) WHERE number = 2", "cut short"),
        ("DELETE FROM audit_tiles", "it is missing: it held entries 1 to 256"),
        ("UPDATE audit_tiles SET hashes = overlay(hashes PLACING '\\x00' FROM 33)", "another hash than entry 2 comes"),
        (
            "INSERT INTO audit_checkpoints (size, root, note, at) TABLE again",
            "it goes back to 301 entries",
        ),
    ],
)
def test_whatever_is_changed_of_checkpoints_and_tiles_is_told(trail: SignedTrail, statement: str, says: str) -> None:
    trail.sealed(300, 1, 1)
    with trail.superuser() as connection:
        connection.execute("SET search_path = dicom_node")
        again = "SELECT size, root, note, at FROM audit_checkpoints WHERE number = 1"
        connection.execute(f"CREATE TEMPORARY VIEW again AS {again}".encode())
        connection.execute(statement.encode())
    verdict = trail.verified()
    assert not verdict.intact
    assert says in str(verdict.convictions[0])


def test_a_checkpoint_that_another_key_signed_convicts(trail: SignedTrail, tmp_path: Path) -> None:
    trail.sealed(5)
    own = trail.keys
    with trail.superuser() as connection:
        connection.execute("DELETE FROM dicom_node.audit_checkpoints")
    trail.keys = KeyFolder(tmp_path / "forger")
    trail.keys.make(SystemClock().now(), "a forger", origin=own.known()[0].verifier.name)
    trail.sealer = trail.another_sealer()
    trail.sealed(5)
    trail.keys = own
    assert "no key that is trusted signed it" in str(trail.verified().convictions[0])


@pytest.mark.parametrize("statement", ["UPDATE {} SET {} = {}", "DELETE FROM {}", "TRUNCATE {} CASCADE"])
def test_neither_roles_nor_the_owner_change_what_was_signed(trail: SignedTrail, statement: str) -> None:
    trail.sealed(300)
    tables = {"audit_tiles": "number", "audit_checkpoints": "size", "audit_cosignatures": "line"}
    for role in ("SELECT 1", f"SET ROLE {role_of('seal')}"):
        with trail.postgres.connect(trail.name) as connection:
            connection.execute(role.encode())
            for table, column in tables.items():
                said = statement.format(f"dicom_node.{table}", column, column)
                if table == "audit_cosignatures" and not said.startswith("TRUNCATE"):
                    continue  # it has no row that a trigger for rows could keep
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(said.encode())


def test_a_new_key_takes_over_by_an_entry_and_a_checkpoint_that_both_sign(trail: SignedTrail) -> None:
    trail.sealed(5)
    old = trail.trusted()
    trail.keys.make(SystemClock().now(), "alice (uid 1000)")
    trail.sealed(5)
    (trail.keys.folder / "1.key").unlink()
    trail.sealed(5)
    with trail.auditor.transaction() as connection:
        notes = [Note.parse(row.note) for row in checkpoints.after(connection, 0, 10)]
    first, second = (key.key_id for key in trail.trusted())
    assert [[one.key_id for one in note.signatures] for note in notes][-3:] == [[first], [first, second], [second]]
    verdict = verify_database(trail.auditor, old)
    assert (verdict.intact, len(verdict.signers)) == (True, 2)
    assert [row.entry for row in rows(trail.auditor) if '"user":"alice (uid 1000)"' in row.entry]


def test_a_key_that_nobody_vouches_for_is_told_to_whoever_trusts_the_old_one(trail: SignedTrail) -> None:
    trail.sealed(5)
    old = trail.trusted()
    (trail.keys.folder / "1.key").unlink()
    trail.keys.make(SystemClock().now(), "alice (uid 1000)", lost=True)
    trail.sealed(5)
    assert trail.verified().intact
    verdict = verify_database(trail.auditor, old)
    assert "no key that is trusted signed it" in str(verdict.convictions[0])


def test_without_a_key_the_trails_own_word_is_taken_and_that_is_said(trail: SignedTrail) -> None:
    trail.sealed(5)
    verdict = verify_database(trail.auditor, [])
    assert (verdict.intact, verdict.claims) == (True, 1)
    assert "no key was given" in verdict.warnings[0]


def test_keys_that_are_gone_or_of_another_trail_sign_nothing(trail: SignedTrail, tmp_path: Path) -> None:
    trail.sealed(5)
    trail.grow(1)
    for folder in (tmp_path / "empty", tmp_path / "other"):
        trail.keys = KeyFolder(folder)
        if folder.name == "other":
            trail.keys.make(SystemClock().now(), "test")
        with pytest.raises(ConfigurationError, match="put the keys"):
            trail.another_sealer().seal()
    assert trail.newest().number == 1
