"""A server that speaks S3, with a bucket whose objects can be locked: Versity's gateway over a folder."""

from pathlib import Path
from typing import Any, Self

import boto3

from tests.support.counterparts import bucket_program
from tests.support.processes import Process, answers, free_port, tail, wait_for

BUCKET = "checkpoints"
ACCESS = "tester:secret-of-a-test"


class Buckets:
    """Runs on loopback; `access` is a file as `access_file` wants it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.access = folder / "access"
        self._log = folder / "log.txt"
        self._process: Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> Self:
        """With an empty bucket."""
        objects, versions = self.folder / "objects", self.folder / "versions"
        for one in (objects, versions):
            one.mkdir(exist_ok=True)
        identifier, _, secret = ACCESS.partition(":")
        self.access.write_text(ACCESS)
        self.access.chmod(0o600)
        self._process = Process(
            [
                *(bucket_program(), "--access", identifier, "--secret", secret, "--port", f"127.0.0.1:{self.port}"),
                *("posix", "--versioning-dir", versions, objects),
            ],
            self._log,
        )
        wait_for(lambda: answers(self.port), 60, "the gateway to answer", lambda: tail(self._log))
        return self

    def client(self) -> Any:
        """As whoever owns the bucket asks."""
        identifier, _, secret = ACCESS.partition(":")
        return boto3.session.Session().client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id=identifier,
            aws_secret_access_key=secret,
        )

    def make_bucket(self) -> None:
        """One whose objects can be locked."""
        self.client().create_bucket(Bucket=BUCKET, ObjectLockEnabledForBucket=True)

    def stop(self) -> None:
        if self._process is not None:
            self._process.stop()
