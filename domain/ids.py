"""Identifiers: random ones inside the node, derived ones for what leaves it.

A result's UID is a function of what the result is, so that a retry, a crash or a duplicate event
writes the same instance again and never a second one.
"""

import hashlib
import uuid
from collections.abc import Iterable
from typing import NewType

# Root of every UID that the node derives; changing it would give every result a second identity.
_NAMESPACE = uuid.UUID("6f0f3f6e-0a5c-5d27-9f5a-3d1c3d1e7c40")
_OF_A_NAME = 5  # the version of a UUID that is made of a name (RFC 9562 5.5)
_LONGEST_UUID = 39  # decimal digits of 128 bits

# Internal ids, each of its own kind, so that one is never taken for the other.
StudyId = NewType("StudyId", uuid.UUID)
JobId = NewType("JobId", uuid.UUID)
SummaryId = NewType("SummaryId", uuid.UUID)


def new_id() -> uuid.UUID:
    """A fresh internal identifier (of an event, a delivery). Says nothing about the patient."""
    return uuid.uuid4()


def new_study_id() -> StudyId:
    """A fresh identifier of a study."""
    return StudyId(new_id())


def new_job_id() -> JobId:
    """A fresh identifier of a job."""
    return JobId(new_id())


def derived_uid(*parts: str) -> str:
    """A DICOM UID under 2.25 (PS3.5 B.2) that is a pure function of `parts`."""
    name = "\x1f".join(parts)
    return f"2.25.{uuid.uuid5(_NAMESPACE, name).int}"


def is_derived(uid: str) -> bool:
    """Whether `uid` looks as `derived_uid` makes them: an RFC 9562 UUID of version 5 under 2.25."""
    root, _, number = uid.rpartition(".")
    if root != "2.25" or not (number.isascii() and number.isdigit()) or len(number) > _LONGEST_UUID:
        return False
    value = int(number)
    return value < 1 << 128 and uuid.UUID(int=value).version == _OF_A_NAME


def result_uid(study_uid: str, model: str, version: str, package_digest: str, input_digest: str, part: str) -> str:
    """The UID of a part of a run's results: an object by the name of its form, its series, what it tracks.

    The package is in it by its digest as well, for what runs is its content and not the version that it calls itself.
    """
    return derived_uid("result", study_uid, model, version, package_digest, input_digest, part)


def set_digest(members: Iterable[str]) -> str:
    """SHA-256 (hex) of a set of digests or UIDs, whatever the order in which they come."""
    return hashlib.sha256("\n".join(sorted(members)).encode("ascii")).hexdigest()


# Identifies the implementation that wrote a file (PS3.7 D.3.3.2), in every file and association of ours.
IMPLEMENTATION_CLASS_UID = derived_uid("implementation", "dicom-node")
IMPLEMENTATION_VERSION_NAME = "DICOM_NODE_0_1"
