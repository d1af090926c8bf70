"""Notes, verifier keys and checkpoints as text: those of others are read; what is not whole or signed is refused."""

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from audit.notes import (
    Checkpoint,
    Note,
    NoteError,
    Signature,
    SignatureKind,
    Signer,
    VerifierKey,
    cosignature_time,
    out_of_order,
)

# Go's golang.org/x/mod/sumdb/note documents this key, this text and this signature.
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
ADVICE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
AT = datetime(2026, 11, 30, 10, 5, 0, 250000, UTC)


def signer(name: str = "dicom-node/log") -> Signer:
    return Signer(name, Ed25519PrivateKey.from_private_bytes(bytes(range(32))))


def checkpoint(size: int = 7) -> Checkpoint:
    return Checkpoint("dicom-node/log", size, bytes([size]) * 32, bytes([255 - size]) * 32, AT)


def test_a_note_and_a_key_of_another_implementation_are_read_and_verified() -> None:
    key = VerifierKey.parse(PETER)
    assert str(key) == PETER
    note = Note.parse(ADVICE)
    assert str(note) == ADVICE
    assert note.signed_by([key]) == (key,)


def test_a_checkpoint_is_read_as_it_was_written_and_signed() -> None:
    note = Note.parse(str(checkpoint().signed(signer())))
    assert note.text.split("\n")[3:5] == [
        "chain +Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pg=",
        "time 2026-11-30T10:05:00.250000Z",
    ]
    assert Checkpoint.parse(note.text) == checkpoint()
    assert note.signed_by([signer().verifier]) == (signer().verifier,)


def test_a_checkpoint_of_another_log_needs_no_lines_of_ours() -> None:
    said = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    found = Checkpoint.parse(said)
    assert (found.size, found.chain, found.at, found.text()) == (20852163, None, None, said)


def test_a_signature_of_an_unknown_key_counts_for_nothing_and_a_forged_one_is_told() -> None:
    other = Signer("dicom-node/log", Ed25519PrivateKey.generate())
    note = checkpoint().signed(other)
    assert note.signed_by([signer().verifier]) == ()
    forged = note.with_signatures([Signature(signer().name, signer().verifier.key_id, note.signatures[0].raw)])
    with pytest.raises(NoteError, match="does not fit"):
        forged.signed_by([signer().verifier])


def test_a_cosignature_is_held_against_its_witness_and_tells_its_time() -> None:
    note = checkpoint().signed(signer())
    witness = signer("witness.example/w1")
    key = VerifierKey(witness.name, witness.verifier.raw, SignatureKind.COSIGNATURE)
    said = f"cosignature/v1\ntime 1679315147\n{note.text}"
    line = Signature(key.name, key.key_id, (1679315147).to_bytes(8) + witness.sign(said).raw)
    both = Note.parse(str(note.with_signatures([line])))
    assert both.signed_by([key, signer().verifier]) == (signer().verifier, key)
    assert cosignature_time(both.signatures[1]) == 1679315147
    assert VerifierKey.parse(str(key)) == key


@given(st.integers(0, 400), st.characters(codec="utf-8"))
def test_any_changed_character_of_a_note_is_refused_or_not_signed(at: int, other: str) -> None:
    said = str(checkpoint().signed(signer()))
    at %= len(said)
    if said[at] == other:
        return
    try:
        note = Note.parse(said[:at] + other + said[at + 1 :])
        Checkpoint.parse(note.text)
        signed = note.signed_by([signer().verifier])
    except NoteError:
        return
    assert not signed


@pytest.mark.parametrize(
    "said",
    [
        "",
        "a text\n",
        "a text\n\n",
        "a text\n\n— name",
        "a text\n\n— name AAAA\n",
        "a text\n\n- name AAAAAAAA\n",
        "a text\n\n— na me AAAAAAAA\n",
        "a text\n\n— name AAAAAAA\n",
        "a\ttext\n\n— name AAAAAAAA\n",
        "a text\n\n" + "— name AAAAAAAA\n" * 65,
    ],
)
def test_what_is_no_note_is_refused(said: str) -> None:
    with pytest.raises(NoteError):
        Note.parse(said)


@pytest.mark.parametrize(
    "said",
    [
        "origin\n7\n",
        "origin\n07\n" + "A" * 43 + "=\n",
        "origin\n-7\n" + "A" * 43 + "=\n",
        "origin\n7\nAAAA\n",
        "origin\n7\n" + "A" * 43 + "=\n\n",
        "origin\n7\n" + "A" * 43 + "=\ntime yesterday\n",
        "origin\n7\n" + "A" * 43 + "=\ntime 2026-01-01T00:00:00\n",
        "origin\n7\n" + "A" * 43 + "=\ntime 2026-01-01T00:00:00Z\ntime 2026-01-02T00:00:00Z\n",
        "origin\n7\n" + "A" * 43 + "=\nchain AAAA\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(said: str) -> None:
    with pytest.raises(NoteError):
        Checkpoint.parse(said)


@pytest.mark.parametrize(
    "said", ["", "name", PETER[:-1], PETER.replace("c74f", "c74e"), PETER.replace("+ARpc", "+AhPc")]
)
def test_what_is_no_verifier_key_is_refused(said: str) -> None:
    with pytest.raises(NoteError):
        VerifierKey.parse(said)


def test_a_clock_that_was_set_back_is_told_by_the_checkpoint_behind_it() -> None:
    moments = [(1, AT), (2, AT.replace(hour=9)), (3, AT.replace(hour=11))]
    assert out_of_order(moments) == [2]
