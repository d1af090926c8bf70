"""A bucket that speaks S3: an object a checkpoint, named by its size, never written over, locked where wanted."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from audit.witnesses import Contradicted, Offered, refuse_other
from config.audit import Witness
from config.secret_files import secret_in
from domain.errors import ConfigurationError, Retryable

_TAKEN = {"PreconditionFailed", "ConditionalRequestConflict"}
_SUFFIX = ".note"


class Bucket:
    """Puts only what is not there (If-None-Match), behind a look whether something larger is."""

    def __init__(self, witness: Witness) -> None:
        self._witness = witness
        self._bucket, self._prefix = witness.bucket, witness.prefix
        self._where = f"bucket {witness.bucket}"
        self._s3: Any = _client(witness)
        self._looked = False

    def give(self, offered: Offered) -> tuple[str, ...]:
        """See `audit.witnesses.Outlet`."""
        key = self._key(offered)
        try:
            self._look(offered)
            later = self._s3.list_objects_v2(Bucket=self._bucket, Prefix=self._of(offered), StartAfter=key, MaxKeys=1)
            if found := later.get("Contents"):
                raise Contradicted(
                    f"{self._where} has {found[0]['Key']}, and this trail comes to {offered.checkpoint.size} entries"
                )
            self._put(offered, key)
        except (ClientError, BotoCoreError) as error:
            raise Retryable(f"{self._where} takes nothing: {_reason(error)}") from error
        return ()

    def read(self) -> Iterator[tuple[str, str]]:
        """Every object's name and text, in the order of sizes; raises ConfigurationError where none can be had."""
        try:
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._prefix)
            for page in pages:
                for one in page.get("Contents", ()):
                    if one["Key"].endswith(_SUFFIX):
                        yield one["Key"], self._text(one["Key"])
        except (ClientError, BotoCoreError) as error:
            raise ConfigurationError(f"{self._where} cannot be read: {_reason(error)}") from error

    def _look(self, offered: Offered) -> None:
        """Once in a process's life: is the newest object one that this trail comes to?"""
        if self._looked:
            return
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=self._of(offered))
        names = [one["Key"] for page in pages for one in page.get("Contents", ())]
        if names:
            refuse_other(offered, self._text(names[-1]), f"{names[-1]} of {self._where}")
        self._looked = True

    def _put(self, offered: Offered, key: str) -> None:
        locked: dict[str, Any] = {}
        if self._witness.lock_days:
            until = offered.at + timedelta(days=self._witness.lock_days)
            locked = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": until, "ChecksumAlgorithm": "SHA256"}
        body = str(offered.note).encode()
        try:
            self._s3.put_object(
                Bucket=self._bucket, Key=key, Body=body, IfNoneMatch="*", ContentType="text/plain", **locked
            )
        except ClientError as error:
            if _code(error) not in _TAKEN:
                raise
            refuse_other(offered, self._text(key), f"{key} of {self._where}")

    def _text(self, key: str) -> str:
        body: bytes = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read(1 << 20)
        return body.decode("utf-8", "replace")

    def _of(self, offered: Offered) -> str:
        return f"{self._prefix}{offered.checkpoint.origin}/"

    def _key(self, offered: Offered) -> str:
        return f"{self._of(offered)}{offered.checkpoint.size:020}{_SUFFIX}"


def _client(witness: Witness) -> Any:
    keys: dict[str, str] = {}
    if witness.access_file:
        name = f"audit.witnesses.{witness.name}.access_file"
        identifier, colon, secret = secret_in(witness.access_file, name).partition(":")
        if not colon:
            raise ConfigurationError(f"{name}: {witness.access_file} is not of the form ID:SECRET")
        keys = {"aws_access_key_id": identifier, "aws_secret_access_key": secret}
    config = Config(
        connect_timeout=witness.timeout,
        read_timeout=witness.timeout,
        retries={"total_max_attempts": 1},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    try:
        return boto3.session.Session().client(
            "s3",
            endpoint_url=witness.url,
            region_name=witness.region or None,
            verify=str(witness.ca) if witness.ca else None,
            config=config,
            **keys,
        )
    except (BotoCoreError, ValueError) as error:
        raise ConfigurationError(f"audit.witnesses.{witness.name}: {error}") from error


def _code(error: ClientError) -> str:
    return str(error.response.get("Error", {}).get("Code", ""))


def _reason(error: Exception) -> str:
    if isinstance(error, ClientError):
        return f"{_code(error)}: {error.response.get('Error', {}).get('Message', '')}"
    return str(error)
