"""Whom images name: do they name one patient? Pure functions over keyed digests; no name comes here.

A mark is an attribute and the keyed digest of its value, `Patient ID:9f86d081884c7d65`. What an image does not state,
or what cannot be read of it, has no mark, and so disagrees with nothing. What an earlier release indexed has none.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from enum import StrEnum

PATIENT_ID, ISSUER, NAME, BIRTH_DATE = "Patient ID", "Issuer of Patient ID", "Patient's Name", "Patient's Birth Date"
_ATTRIBUTES = (PATIENT_ID, ISSUER, NAME, BIRTH_DATE)
# Says what was ordered and not who it is: studies are found by it, and two of them are no two patients.
ACCESSION = "Accession Number"
# The day of the study, counted from a day that the key gives each Patient ID: how far apart two studies of one patient
# are, and no date. It says nothing of who it is either.
STUDY_DATE = "Study Date"
# Between a name and the script that it is written in: names in two scripts are compared with each other by nobody.
SCRIPT = " in "
_DIGEST = ":"
# What marks say of a study and not of a patient.
OF_A_STUDY = (ACCESSION, STUDY_DATE)


class ConflictKind(StrEnum):
    """What other bytes under a known SOP Instance UID are, beside the instance that is kept."""

    BYTES = "other bytes"  # of the same study, and naming nobody else
    PATIENT = "other patient"  # of the same study, and naming another patient
    STUDY = "other study"  # of another study: a corrected copy, whoever it names


class ConflictEnd(StrEnum):
    """How a conflict came to be none any more."""

    FILED = "filed"  # these bytes are the instance
    ASIDE = "set aside"  # a person put these bytes into quarantine


def mark(attribute: str, digest: str) -> str:
    """The mark of an attribute's value."""
    return f"{attribute}{_DIGEST}{digest}"


def of_patient(marks: Iterable[str]) -> frozenset[str]:
    """Those that say who the patient is."""
    return frozenset(one for one in marks if not one.startswith(tuple(f"{other}{_DIGEST}" for other in OF_A_STUDY)))


def disagreeing(marks: Iterable[str], same: Collection[str] = ()) -> tuple[str, ...]:
    """The attributes of which `marks` has several values; those that are all among `same` were found to be one's.

    >>> disagreeing(["Patient ID:1", "Patient ID:2", "Patient's Name in LATIN:3", "Patient's Name in CJK:4"])
    ('Patient ID',)
    """
    values: defaultdict[str, set[str]] = defaultdict(set)
    for one in marks:
        values[one.rpartition(_DIGEST)[0]].add(one)
    several = {name.partition(SCRIPT)[0] for name, found in values.items() if len(found) > 1 and not found <= set(same)}
    return tuple(name for name in _ATTRIBUTES if name in several)


def kind_of_conflict(
    same_study: bool, kept: Collection[str] | None, sent: Collection[str] | None, same: Collection[str] = ()
) -> ConflictKind:
    """What bytes with the marks `sent` are beside an instance with the marks `kept`; None: they are not known."""
    if not same_study:
        return ConflictKind.STUDY
    return ConflictKind.PATIENT if disagreeing({*(kept or ()), *(sent or ())}, same) else ConflictKind.BYTES
