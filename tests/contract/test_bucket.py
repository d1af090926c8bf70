"""Checkpoints in a bucket of a server that speaks S3: an object each, which nothing writes over and, locked, nobody
removes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from audit.publishing import Publisher
from audit.trail import rows
from audit.witnesses.choice import outlet
from config.audit import Witness
from config.settings import Settings
from domain.clock import SystemClock
from roles.outside_places import place_of
from store import checkpoints
from tests.support.buckets import BUCKET, Buckets
from tests.support.servers import Postgres
from tests.support.signed_trails import SignedTrail


@pytest.fixture
def buckets(tmp_path: Path) -> Iterator[Buckets]:
    running = Buckets(tmp_path / "buckets")
    running.folder.mkdir()
    try:
        yield running.start()
    finally:
        running.stop()


@pytest.fixture
def trail(postgres: Postgres, tmp_path: Path) -> Iterator[SignedTrail]:
    made = SignedTrail(postgres, tmp_path / "keys")
    made.sealed(20)
    yield made
    made.close()


def test_an_object_a_checkpoint_is_put_once_locked_and_read_back(trail: SignedTrail, buckets: Buckets) -> None:
    said = {"name": "vault", "kind": "s3", "url": buckets.url, "bucket": BUCKET, "region": "us-east-1"}
    witness = Witness.model_validate({**said, "prefix": "node/", "access_file": buckets.access, "lock_days": 1.0})

    def publish() -> bool:
        return Publisher(trail.signing, witness, outlet, SystemClock()).step()

    def reason() -> str:
        with trail.auditor.transaction() as connection:
            return checkpoints.publications(connection)[0].reason

    assert not publish()
    assert "NoSuchBucket" in reason()
    buckets.make_bucket()
    assert publish()
    trail.sealed(5)
    assert publish()
    place = place_of(Settings.model_validate({"audit": {"witnesses": [witness.model_dump()]}}), "vault")
    claims = list(place.claims())
    origin = trail.trusted()[0].name
    size = len(list(rows(trail.auditor)))
    assert [one.where for one in claims] == [
        f"the note in line 1 of node/{origin}/{21:020}.note of vault",
        f"the note in line 1 of node/{origin}/{size:020}.note of vault",
    ]
    assert trail.verified(claims).intact
    # Locked: its owner cannot remove what was put.
    (found,) = buckets.client().list_object_versions(Bucket=BUCKET, Prefix=f"node/{origin}/{21:020}")["Versions"]
    with pytest.raises(ClientError):
        buckets.client().delete_object(Bucket=BUCKET, Key=found["Key"], VersionId=found["VersionId"])
    # Made anew, as whoever has the database and the key can, and longer than before.
    trail.forget_signatures()
    trail.keys.signed_file.unlink()  # they have that folder too
    trail.rewrite(12, "CT11", "CT99")
    with trail.superuser() as connection:
        connection.execute("UPDATE dicom_node.audit_publications SET checkpoint = 0, size = 0")
    trail.sealer = trail.another_sealer()
    assert trail.sealer.seal()
    assert not publish()
    assert f"{size:020}.note of bucket {BUCKET} has a checkpoint of {size} entries with another root" in reason()
    assert len(list(place.claims())) == 2
